//! A cloud's own words, fit for a log line and an event.

/// How much of a provider's words is kept.
const WORDS: usize = 500;

/// One line of at most 500 characters that no terminal acts on.
pub(crate) fn bounded(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(8 * WORDS).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "no words".to_owned();
    }
    match line.char_indices().nth(WORDS) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}
