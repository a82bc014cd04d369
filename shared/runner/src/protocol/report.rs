use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{Error, LOG_DROPPED, LOG_OFFSET, METRICS, PROGRESS, number, unhex};

/// What a report's log may unpack to, in bytes. The runner sends no more than 192 KiB; the rest is room.
pub const MAX_LOG_BYTES: usize = 1024 * 1024;
const MAX_TEXT_BYTES: usize = 400;
const MAX_GPUS: usize = 64;

/// A heartbeat with all that has happened since the last one.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where `log` stands in the whole log, in bytes.
    pub offset: u64,
    /// Bytes just before `log` that the runner had no room to keep.
    pub dropped: u64,
    /// The log's next bytes as the command wrote them: any bytes at all, perhaps none.
    pub log: Vec<u8>,
    /// The last `::progress` line, if there was a new one.
    pub progress: Option<Progress>,
    /// Empty without `nvidia-smi`, and in a report that did not measure.
    pub gpus: Vec<GpuUse>,
}

/// From `::progress FRACTION TEXT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// 0 to 1
    pub fraction: f64,
    /// Up to 400 bytes, without control characters.
    pub text: String,
}

/// One GPU at one moment. What the driver does not tell is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuUse {
    pub index: u32,
    pub utilization_percent: Option<f64>,
    pub memory_used_mib: Option<f64>,
    pub memory_total_mib: Option<f64>,
    pub temperature_celsius: Option<f64>,
    pub power_watts: Option<f64>,
}

impl Report {
    /// From headers and body. `header` finds a value by lower-case name. A body of `Content-Encoding: gzip` is
    /// unpacked, never beyond [`MAX_LOG_BYTES`].
    pub fn parse<'a>(header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Result<Self, Error> {
        let bytes = |name: &'static str, value: &str| {
            number::<u64>(value).ok_or(Error::Header { header: name, expected: "a number of bytes" })
        };
        let offset = header(LOG_OFFSET).ok_or(Error::MissingHeader(LOG_OFFSET))?;
        let offset = bytes(LOG_OFFSET, offset)?;
        let dropped = header(LOG_DROPPED).map_or(Ok(0), |value| bytes(LOG_DROPPED, value))?;
        if dropped > offset {
            return Err(Error::Header { header: LOG_DROPPED, expected: "no more than X-Log-Offset" });
        }
        let log = decode(header("content-encoding").unwrap_or_default(), body)?;
        offset
            .checked_add(log.len() as u64)
            .ok_or(Error::Header { header: LOG_OFFSET, expected: "small enough to add the body's length" })?;
        Ok(Self {
            offset,
            dropped,
            log,
            progress: header(PROGRESS).map(progress).transpose()?,
            gpus: header(METRICS).map_or(Ok(Vec::new()), metrics)?,
        })
    }
}

/// The codings that a runner has: none, `gzip`, `x-hex`, and `gzip, x-hex` for hex around gzip.
fn decode(coding: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let hex = || unhex(body).ok_or(Error::Body("hexadecimal"));
    let log = match coding {
        "" | "identity" => body.to_vec(),
        "gzip" => gunzip(body)?,
        "x-hex" => hex()?,
        "gzip, x-hex" => gunzip(&hex()?)?,
        _ => {
            let expected = "gzip, x-hex, both or none";
            return Err(Error::Header { header: "content-encoding", expected });
        }
    };
    if log.len() > MAX_LOG_BYTES {
        return Err(Error::TooLong { what: "the log", limit: MAX_LOG_BYTES });
    }
    Ok(log)
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut log = Vec::new();
    MultiGzDecoder::new(body)
        .take(MAX_LOG_BYTES as u64 + 1)
        .read_to_end(&mut log)
        .map_err(|_| Error::Body("gzip"))?;
    Ok(log)
}

fn progress(value: &str) -> Result<Progress, Error> {
    let wrong =
        Error::Header { header: PROGRESS, expected: "a fraction from 0 to 1 and percent-encoded text" };
    let (fraction, text) = value.split_once(' ').unwrap_or((value, ""));
    let fraction = decimal(fraction).filter(|fraction| *fraction <= 1.0).ok_or(wrong.clone())?;
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let high = digit(rest.next()).ok_or(wrong.clone())?;
                let low = digit(rest.next()).ok_or(wrong.clone())?;
                (high * 16 + low) as u8
            }
            b' '..=b'~' => byte,
            _ => return Err(wrong),
        });
    }
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(Error::TooLong { what: "the progress text", limit: MAX_TEXT_BYTES });
    }
    // The runner cuts at a number of bytes: a torn character at the end is no reason to lose the text
    while let Err(error) = std::str::from_utf8(&bytes) {
        if error.error_len().is_some() {
            break;
        }
        bytes.truncate(error.valid_up_to());
    }
    let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
    Ok(Progress { fraction, text: text.trim().to_owned() })
}

fn metrics(value: &str) -> Result<Vec<GpuUse>, Error> {
    let wrong = Error::Header {
        header: METRICS,
        expected: "up to 64 rows `index,util,used,total,temperature,power`",
    };
    let rows: Vec<&str> = value.split(';').filter(|row| !row.trim().is_empty()).collect();
    if rows.len() > MAX_GPUS {
        return Err(wrong);
    }
    rows.into_iter()
        .map(|row| {
            let fields: Vec<&str> = row.split(',').map(str::trim).collect();
            let [index, utilization, used, total, temperature, power] = fields[..] else {
                return Err(wrong.clone());
            };
            Ok(GpuUse {
                index: number(index).ok_or(wrong.clone())?,
                utilization_percent: decimal(utilization),
                memory_used_mib: decimal(used),
                memory_total_mib: decimal(total),
                temperature_celsius: decimal(temperature),
                power_watts: decimal(power),
            })
        })
        .collect()
}

/// Digits and a point only: no sign, no exponent, no `inf`, and so never NaN.
fn decimal(text: &str) -> Option<f64> {
    let digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if !digit || text.len() > 48 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;

    fn parse(headers: &[(&str, &'static str)], body: &[u8]) -> Result<Report, Error> {
        Report::parse(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value), body)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_full_report_is_read() {
        let headers = [
            (LOG_OFFSET, "5000"),
            (LOG_DROPPED, "4000"),
            (PROGRESS, "0.42 %65poch%20%e2%98%83"),
            (METRICS, "0,87,20312,24564,64,301.55;1,[N/A],0,24564,[NotSupported],12"),
            ("content-encoding", "gzip"),
        ];
        let report = parse(&headers, &gzip(b"\x00\xffline\n")).unwrap();
        assert_eq!((report.offset, report.dropped), (5000, 4000));
        assert_eq!(report.log, b"\x00\xffline\n");
        assert_eq!(report.progress, Some(Progress { fraction: 0.42, text: "epoch ☃".into() }));
        assert_eq!(report.gpus[0].power_watts, Some(301.55));
        assert_eq!(report.gpus[1].index, 1);
        assert_eq!(report.gpus[1].utilization_percent, None);
        assert_eq!(report.gpus[1].memory_used_mib, Some(0.0));
    }

    #[test]
    fn a_heartbeat_needs_an_offset_only() {
        let report = parse(&[(LOG_OFFSET, "0")], b"").unwrap();
        assert_eq!((report.log.len(), report.progress, report.gpus.len()), (0, None, 0));
        assert_eq!(parse(&[], b""), Err(Error::MissingHeader(LOG_OFFSET)));
    }

    #[test]
    fn a_gzip_bomb_is_refused_without_unpacking_it() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        let headers = [(LOG_OFFSET, "0"), ("content-encoding", "gzip")];
        assert_eq!(parse(&headers, &bomb), Err(Error::TooLong { what: "the log", limit: MAX_LOG_BYTES }));
        let largest = vec![7; MAX_LOG_BYTES];
        assert_eq!(parse(&headers, &gzip(&largest)).unwrap().log.len(), MAX_LOG_BYTES);
        assert_eq!(parse(&headers, b"not gzip"), Err(Error::Body("gzip")));
        assert_eq!(parse(&headers, &gzip(b"torn")[..12]), Err(Error::Body("gzip")));
        assert!(parse(&[(LOG_OFFSET, "0")], &vec![0; MAX_LOG_BYTES + 1]).is_err());
    }

    #[test]
    fn hexadecimal_is_read_around_gzip_and_alone() {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |all, byte| all + &format!("{byte:02x}"));
        let coded =
            |coding, body: &str| parse(&[(LOG_OFFSET, "0"), ("content-encoding", coding)], body.as_bytes());
        assert_eq!(coded("x-hex", "00fF6a").unwrap().log, b"\x00\xffj");
        assert_eq!(coded("gzip, x-hex", &hex(&gzip(b"a\0b"))).unwrap().log, b"a\0b");
        assert_eq!(coded("x-hex", "0"), Err(Error::Body("hexadecimal")));
        assert_eq!(coded("x-hex", "0g"), Err(Error::Body("hexadecimal")));
    }

    #[test]
    fn bad_headers_are_named() {
        for (header, value) in [
            (LOG_DROPPED, "11"),
            (LOG_DROPPED, "x"),
            (PROGRESS, "1.5 over"),
            (PROGRESS, "-1"),
            (PROGRESS, "nan"),
            (PROGRESS, "1e-3"),
            (PROGRESS, "."),
            (PROGRESS, "0.5 %4"),
            (PROGRESS, "0.5 %zz"),
            (METRICS, "0,1,2"),
            (METRICS, "x,1,2,3,4,5"),
            ("content-encoding", "br"),
        ] {
            match parse(&[(LOG_OFFSET, "10"), (header, value)], b"") {
                Err(Error::Header { header: named, .. }) => assert_eq!(named, header),
                other => panic!("{header}: {value}: {other:?}"),
            }
        }
        assert!(parse(&[(LOG_OFFSET, "18446744073709551615")], b"x").is_err());
    }

    #[test]
    fn a_torn_character_and_control_characters_do_not_lose_the_text() {
        let report = parse(&[(LOG_OFFSET, "0"), (PROGRESS, "1 ab%1b%00c%e2%98")], b"").unwrap();
        assert_eq!(report.progress, Some(Progress { fraction: 1.0, text: "abc".into() }));
    }

    proptest! {
        #[test]
        fn any_text_survives_percent_encoding(text in "\\PC{0,60}", thousandths in 0_u32..=1000) {
            let encoded = text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02x}"));
            let value = format!("{} {encoded}", f64::from(thousandths) / 1000.0);
            let parsed = progress(&value).unwrap();
            prop_assert_eq!(parsed.text, text.trim());
            prop_assert!((parsed.fraction * 1000.0 - f64::from(thousandths)).abs() < 1e-6);
        }

        #[test]
        fn any_bytes_survive_gzip(log in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let headers = [(LOG_OFFSET, "0"), ("content-encoding", "gzip")];
            prop_assert_eq!(parse(&headers, &gzip(&log)).unwrap().log, log);
        }
    }
}
