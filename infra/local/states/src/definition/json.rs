//! Says what is wrong with a text that is not JSON in the words of the parser AWS uses, which its API passes on.

/// Where and why parsing stopped.
pub(crate) struct Fault {
    pub(crate) message: String,
    line: usize,
    column: usize,
}

impl Fault {
    /// `[Source: (String)"…"; line: 1, column: 4]`
    pub(crate) fn location(&self, text: &str) -> String {
        let shown: String = text.chars().take(500).collect();
        let more = text.chars().count().saturating_sub(500);
        let tail = if more == 0 { String::new() } else { format!("[truncated {more} chars]") };
        format!("[Source: (String)\"{shown}\"{tail}; line: {}, column: {}]", self.line, self.column)
    }
}

const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// The first fault of a text that does not parse, or `None` if it looks like JSON.
pub(crate) fn fault(text: &str) -> Option<Fault> {
    let mut scan = Scan { chars: text.chars().collect(), at: 0 };
    let outcome = scan.value().and_then(|()| {
        scan.blanks();
        match scan.peek() {
            None => Ok(()),
            Some(_) => scan.unexpected("expected end of input"),
        }
    });
    outcome.err().map(|(message, at)| {
        let before = &scan.chars[..at.min(scan.chars.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        Fault { message, line, column }
    })
}

struct Scan {
    chars: Vec<char>,
    at: usize,
}

type Outcome = Result<(), (String, usize)>;

impl Scan {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, wanted: &str) -> Outcome {
        match self.peek() {
            None => Err(("Unexpected end-of-input".to_owned(), self.at)),
            Some(c) => {
                Err((format!("Unexpected character ('{c}' (code {})): {wanted}", c as u32), self.at + 1))
            }
        }
    }

    fn value(&mut self) -> Outcome {
        self.blanks();
        match self.peek() {
            Some('{') => self.entries('}', true),
            Some('[') => self.entries(']', false),
            Some('"') => self.string(),
            Some('-' | '0'..='9') => {
                while self.peek().is_some_and(|c| c.is_ascii_digit() || "+-.eE".contains(c)) {
                    self.at += 1;
                }
                Ok(())
            }
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => {
                let from = self.at;
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                    self.at += 1;
                }
                let word: String = self.chars[from..self.at].iter().collect();
                if matches!(word.as_str(), "null" | "true" | "false") {
                    return Ok(());
                }
                Err((format!("Unrecognized token '{word}': was expecting {VALUES}"), self.at))
            }
            _ => self.unexpected(&format!("expected a valid value {VALUES}")),
        }
    }

    fn string(&mut self) -> Outcome {
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    return Err((
                        "Unexpected end-of-input: was expecting closing quote for a string value".to_owned(),
                        self.at,
                    ));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => self.at += 2,
                Some(c) if (c as u32) < 0x20 => {
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {})): has to be escaped using backslash to be included in string value",
                        c as u32
                    );
                    return Err((message, self.at + 1));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn entries(&mut self, close: char, named: bool) -> Outcome {
        self.at += 1;
        self.blanks();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            if named {
                self.blanks();
                if self.peek() != Some('"') {
                    return self.unexpected("was expecting double-quote to start field name");
                }
                self.string()?;
                self.blanks();
                if self.peek() != Some(':') {
                    return self.unexpected("was expecting a colon to separate field name and value");
                }
                self.at += 1;
            }
            self.value()?;
            self.blanks();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(c) if c == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => {
                    let what = if named { "Object" } else { "Array" };
                    return self.unexpected(&format!("was expecting comma to separate {what} entries"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_as_aws_does() {
        let cases = [
            (
                "not some json",
                "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            ),
            (
                "{'not': 'json'",
                "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(fault(text).map(|f| f.message).as_deref(), Some(message));
        }
        let fault = fault("not a definition").expect("not JSON");
        assert_eq!(
            fault.location("not a definition"),
            "[Source: (String)\"not a definition\"; line: 1, column: 4]"
        );
        assert!(super::fault(r#"{"a": [1, -2.5e3, "x\"y", null, {}], "b": []}"#).is_none());
    }
}
