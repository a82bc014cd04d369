/// The exit code that a runner left in its container's log: the line `::gpu-exit ATTEMPT CODE`. Clouds put a time
/// or a stream's name before a line, so the marker may stand at a line's end. The last one counts, for the runner
/// speaks after the command.
pub fn find_exit_marker<L: AsRef<str>>(lines: impl IntoIterator<Item = L>, attempt_id: &str) -> Option<i32> {
    lines.into_iter().filter_map(|line| marker(line.as_ref(), attempt_id)).last()
}

fn marker(line: &str, attempt_id: &str) -> Option<i32> {
    let mut words = line.split_whitespace().rev();
    let code = super::number::<u8>(words.next()?)?;
    (words.next()? == attempt_id && words.next()? == "::gpu-exit").then_some(i32::from(code))
}

/// Whether a runner without an HTTP client said in its container's log that the command runs: the line
/// `::gpu-start ATTEMPT`.
pub fn find_start_marker<L: AsRef<str>>(lines: impl IntoIterator<Item = L>, attempt_id: &str) -> bool {
    lines.into_iter().any(|line| {
        let mut words = line.as_ref().split_whitespace().rev();
        words.next() == Some(attempt_id) && words.next() == Some("::gpu-start")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_marker_of_this_attempt_counts() {
        let log = [
            "::gpu-exit att_1 1",
            "2026-11-24T12:00:00Z ::gpu-exit att_1 143\r",
            "::gpu-exit att_2 0",
            "::gpu-exit att_1 zero",
            "::gpu-exit att_1 256",
            "::gpu-exit att_1",
            "x::gpu-exit att_1 9",
            "",
        ];
        assert_eq!(find_exit_marker(log, "att_1"), Some(143));
        assert_eq!(find_exit_marker(log, "att_2"), Some(0));
        assert_eq!(find_exit_marker(log, "att_3"), None);
    }

    #[test]
    fn a_start_is_that_of_this_attempt() {
        let log = ["2026-11-24T12:00:00Z ::gpu-start att_1", "hello"];
        assert!(find_start_marker(log, "att_1"));
        assert!(!find_start_marker(log, "att_2"));
    }
}
