//! Secret values in what a command says, made unreadable before anything is kept.
//!
//! A log is addressed by byte, so a mask keeps the length: each byte of a value becomes `*`. A log comes in pieces, and a
//! value may be cut by the end of one. What could be the beginning of a value is masked at once, and how much of which
//! value it is goes with the runner's row ([`Begun`]); the next piece is then read as if those bytes stood before it. So
//! no cut, and no number of cuts, shows any part of a value, and no byte of a value is kept for it.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use domain::job::Begun;
use serde_json::Value;

/// Bytes below which nothing is masked: words as short as that stand everywhere.
const SHORTEST: usize = 4;
/// Where `base64` breaks its lines.
const BASE64_LINE: usize = 76;

/// What must not be read in what one attempt says.
#[derive(Clone, Default)]
pub struct Mask {
    patterns: Vec<Vec<u8>>,
    /// The patterns that begin with each byte, the longest first.
    by_first: Vec<Vec<usize>>,
    longest: usize,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").field("patterns", &self.patterns.len()).finish_non_exhaustive()
    }
}

impl Mask {
    /// Masks these values, each line of them, and their base64. The same values always make the same mask.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        for value in values {
            patterns.push(value.into());
            patterns.extend(value.lines().map(|line| line.trim().into()));
            // As `printf %s` and as `echo` give it to `base64`.
            for bytes in [value.as_bytes().to_vec(), [value.as_bytes(), b"\n"].concat()] {
                if value.len() >= SHORTEST {
                    let standard = STANDARD_NO_PAD.encode(&bytes).into_bytes();
                    if standard.len() > BASE64_LINE {
                        patterns.extend(standard.chunks(BASE64_LINE).map(<[u8]>::to_vec));
                    }
                    patterns.push(standard);
                    patterns.push(URL_SAFE_NO_PAD.encode(&bytes).into_bytes());
                }
            }
        }
        patterns.retain(|pattern| pattern.len() >= SHORTEST);
        patterns.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        let mut by_first = vec![Vec::new(); 256];
        for (index, pattern) in patterns.iter().enumerate() {
            by_first[usize::from(pattern[0])].push(index);
        }
        let longest = patterns.first().map_or(0, Vec::len);
        Self { patterns, by_first, longest }
    }

    /// Masks a piece that follows on `before`, and says what may have begun at its end.
    pub fn piece(&self, before: Option<Begun>, bytes: &mut [u8]) -> Option<Begun> {
        if self.patterns.is_empty() {
            return None;
        }
        let begun = before.and_then(|begun| {
            self.patterns.get(begun.pattern as usize)?.get(..begun.bytes as usize).map(<[u8]>::to_vec)
        });
        let lead = begun.as_ref().map_or(0, Vec::len);
        let text = [begun.unwrap_or_default().as_slice(), &*bytes].concat();
        let mut hide = |from: usize, to: usize| {
            if to > lead {
                bytes[from.max(lead) - lead..to - lead].fill(b'*');
            }
        };
        for at in 0..text.len() {
            let starting = &self.by_first[usize::from(text[at])];
            if let Some(found) = starting.iter().find(|index| text[at..].starts_with(&self.patterns[**index]))
            {
                hide(at, at + self.patterns[*found].len());
            }
        }
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        let tail = (first..text.len()).find_map(|at| {
            let rest = &text[at..];
            let starting = self.by_first[usize::from(text[at])].iter();
            let found = starting.copied().find(|index| {
                self.patterns[*index].len() > rest.len() && self.patterns[*index].starts_with(rest)
            });
            found.map(|pattern| (at, pattern))
        });
        let (at, pattern) = tail?;
        hide(at, text.len());
        Some(Begun { pattern: pattern as u32, bytes: (text.len() - at) as u32 })
    }

    /// Masks a text that stands alone.
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for at in 0..bytes.len() {
            let rest = &text.as_bytes()[at..];
            let mut starting = self.by_first.get(usize::from(rest[0])).into_iter().flatten();
            if let Some(found) = starting.find(|index| rest.starts_with(&self.patterns[**index])) {
                bytes[at..at + self.patterns[*found].len()].fill(b'*');
            }
        }
        // Patterns are whole characters, so what is left is too.
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Mask {
    /// Masks every text in a JSON value.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.json(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(values: &[&str], pieces: &[&[u8]]) -> Vec<String> {
        let mask = Mask::of(values.iter().copied());
        let mut before = None;
        pieces
            .iter()
            .map(|piece| {
                let mut bytes = piece.to_vec();
                before = mask.piece(before, &mut bytes);
                String::from_utf8(bytes).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_value_becomes_stars_of_its_length() {
        assert_eq!(masked(&["fake-token"], &[b"a fake-token b\n"]), ["a ********** b\n"]);
        assert_eq!(masked(&["abc"], &[b"abc\n"]), ["abc\n"], "too short to be told from other text");
        assert_eq!(masked(&[], &[b"text"]), ["text"]);
    }

    #[test]
    fn every_cut_hides_the_whole_value() {
        let (value, text) = ("fake-fake-token", "x fake-fake-token y fake-fake-tok\n");
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let whole = masked(&[value], &[a, b]).concat();
            assert_eq!(whole.len(), text.len());
            assert_eq!(&whole[..20], "x *************** y ", "cut at {cut}: {whole}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert!(masked(&[value], &bytes).concat().starts_with("x *************** "), "one byte at a time");
    }

    #[test]
    fn a_beginning_that_comes_to_nothing_costs_its_bytes_alone() {
        assert_eq!(masked(&["fake-token"], &[b"1 fake", b" news\n"]), ["1 ****", " news\n"]);
        assert_eq!(masked(&["fake-token"], &[b"1 fake", b"fake-token\n"]), ["1 ****", "**********\n"]);
    }

    #[test]
    fn lines_and_base64_are_masked_too() {
        let key = "-----BEGIN FAKE-----\nfirst-line-of-it\n  second-line\n-----END FAKE-----\n";
        let shown = masked(&[key], &[b"got first-line-of-it and second-line.\n"]).concat();
        assert_eq!(shown, "got **************** and ***********.\n");
        let value = "fake-password";
        for text in [value.to_owned(), format!("{value}\n")] {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&text);
            let shown = masked(&[value], &[base64.as_bytes()]).concat();
            assert_eq!(
                shown.trim_end_matches('='),
                "*".repeat(base64.trim_end_matches('=').len()),
                "{text:?}"
            );
        }
        let long = "0123456789abcdefghij".repeat(10);
        let wrapped: Vec<String> = STANDARD_NO_PAD
            .encode(&long)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        let shown = masked(&[&long], &[wrapped.join("\n").as_bytes()]).concat();
        assert!(shown.bytes().all(|byte| matches!(byte, b'*' | b'\n')), "{shown}");
    }

    #[test]
    fn values_that_overlap_are_all_masked() {
        assert_eq!(masked(&["abcdef", "defghi"], &[b"-abcdefghi-"]), ["-*********-"]);
        assert_eq!(masked(&["abcd", "abcdef"], &[b"abcdeg abcdef"]), ["****eg ******"]);
    }

    #[test]
    fn a_text_of_its_own_keeps_its_characters() {
        let mask = Mask::of(["pässwort"]);
        assert_eq!(mask.text("中 pässwort é"), "中 ********* é");
        assert_eq!(Mask::default().text("plain"), "plain");
        let mut output = serde_json::json!({"a": ["x pässwort"], "b": 1});
        mask.json(&mut output);
        assert_eq!(output, serde_json::json!({"a": ["x *********"], "b": 1}));
    }

    #[test]
    fn what_is_told_of_another_mask_is_not_believed() {
        let mut bytes = *b"text";
        assert_eq!(Mask::of(["fake-token"]).piece(Some(Begun { pattern: 99, bytes: 9 }), &mut bytes), None);
        assert_eq!(&bytes, b"text");
        assert!(!format!("{:?}", Mask::of(["fake-token"])).contains("fake"));
    }
}
