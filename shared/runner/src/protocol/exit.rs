use super::{Error, number, unhex};

/// How much output a job may leave, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// The last message: the command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// As a shell tells it, 0 to 255: 128 and the signal's number for a signal, 126 and 127 for a command that could
    /// not be executed or found.
    pub code: u8,
    pub reason: Reason,
    pub output: Output,
}

/// Why the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// By itself
    Exited,
    /// It was told to when its time was over.
    Timeout,
    /// It was told to because the job was cancelled. Its code is its own, perhaps 0.
    Cancelled,
    /// The cloud is stopping the container.
    Terminated,
    /// It was not found or could not be executed.
    NotStarted,
}

/// What the command wrote to the file that `GPU_OUTPUT` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    None,
    /// As written: whether it is JSON is for the reader to see.
    Bytes(Vec<u8>),
    /// More than [`MAX_OUTPUT_BYTES`]: so many bytes.
    TooLarge(u64),
}

impl Exit {
    /// From the body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let (line, rest) = cut_line(body);
        let code = line.strip_prefix(b"code ").ok_or(Error::MissingLine("code"))?;
        let code = std::str::from_utf8(code)
            .ok()
            .and_then(number::<u8>)
            .ok_or(Error::Line { line: "code", expected: "a whole number from 0 to 255" })?;
        let (line, rest) = cut_line(rest);
        let reason = match line.strip_prefix(b"reason ").ok_or(Error::MissingLine("reason"))? {
            b"exited" => Reason::Exited,
            b"timeout" => Reason::Timeout,
            b"cancelled" => Reason::Cancelled,
            b"terminated" => Reason::Terminated,
            b"command_not_started" => Reason::NotStarted,
            _ => {
                let expected = "exited, timeout, cancelled, terminated or command_not_started";
                return Err(Error::Line { line: "reason", expected });
            }
        };
        Ok(Self { code, reason, output: output(rest)? })
    }
}

fn output(rest: &[u8]) -> Result<Output, Error> {
    let (line, rest) = cut_line(rest);
    if line == b"output" {
        if rest.len() > MAX_OUTPUT_BYTES {
            return Err(Error::TooLong { what: "the output", limit: MAX_OUTPUT_BYTES });
        }
        return Ok(Output::Bytes(rest.to_vec()));
    }
    if line == b"output_hex" {
        let output = unhex(rest).ok_or(Error::Body("hexadecimal after `output_hex`"))?;
        if output.len() > MAX_OUTPUT_BYTES {
            return Err(Error::TooLong { what: "the output", limit: MAX_OUTPUT_BYTES });
        }
        return Ok(Output::Bytes(output));
    }
    if !rest.is_empty() {
        return Err(Error::UnknownLine(4));
    }
    if line.is_empty() {
        return Ok(Output::None);
    }
    let size = line.strip_prefix(b"output_too_large ").ok_or(Error::UnknownLine(3))?;
    std::str::from_utf8(size)
        .ok()
        .and_then(number)
        .map(Output::TooLarge)
        .ok_or(Error::Line { line: "output_too_large", expected: "a number of bytes" })
}

fn cut_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let exit = |body: &[u8]| Exit::parse(body).unwrap();
        assert_eq!(
            exit(b"code 0\nreason exited\n"),
            Exit { code: 0, reason: Reason::Exited, output: Output::None }
        );
        assert_eq!(exit(b"code 143\nreason cancelled").reason, Reason::Cancelled);
        assert_eq!(exit(b"code 127\nreason command_not_started\n").reason, Reason::NotStarted);
        let output = exit(b"code 0\nreason exited\noutput\n{\"a\":\n\x00\xff}").output;
        assert_eq!(output, Output::Bytes(b"{\"a\":\n\x00\xff}".to_vec()));
        let output = exit(b"code 0\nreason exited\noutput_hex\n00ff").output;
        assert_eq!(output, Output::Bytes(b"\x00\xff".to_vec()));
        assert!(Exit::parse(b"code 0\nreason exited\noutput_hex\n0").is_err());
        assert_eq!(exit(b"code 0\nreason exited\noutput_too_large 70000\n").output, Output::TooLarge(70_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, error) in [
            (&b""[..], Error::MissingLine("code")),
            (
                b"code 256\nreason exited",
                Error::Line { line: "code", expected: "a whole number from 0 to 255" },
            ),
            (
                b"code -1\nreason exited",
                Error::Line { line: "code", expected: "a whole number from 0 to 255" },
            ),
            (b"code 0\n", Error::MissingLine("reason")),
            (b"code 0\nreason exited\nbogus", Error::UnknownLine(3)),
            (b"code 0\nreason exited\n\nmore", Error::UnknownLine(4)),
            (
                b"code 0\nreason exited\noutput_too_large x",
                Error::Line { line: "output_too_large", expected: "a number of bytes" },
            ),
        ] {
            assert_eq!(Exit::parse(body), Err(error), "{}", body.escape_ascii());
        }
        assert!(Exit::parse(b"code 0\nreason because\n").is_err());
        let mut large = b"code 0\nreason exited\noutput\n".to_vec();
        large.resize(large.len() + MAX_OUTPUT_BYTES + 1, b'x');
        assert!(Exit::parse(&large).is_err());
    }
}
