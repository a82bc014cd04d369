//! The row of one runner's report: its figures, and a piece of log beside them.

use std::io::{Read, Write};

use app::ports::MetricsRow;
use domain::{AttemptId, JobId, UserId, job::Progress};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The binary attribute that holds the log, compressed with gzip.
pub const LOG: &str = "log";

/// What stands in a report's `doc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRow {
    pub job_id: JobId,
    pub attempt_id: AttemptId,
    /// The attempt's number.
    pub number: u32,
    pub owner: UserId,
    pub at: Timestamp,
    pub progress: Option<Progress>,
    pub metrics: Vec<MetricsRow>,
    /// Set if the row has a log attribute.
    pub log: Option<LogSpan>,
}

/// Where a row's log stands in the attempt's whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpan {
    pub offset: u64,
    /// Bytes before compression.
    pub length: u64,
    /// Bytes just before it that were never kept.
    pub dropped: u64,
}

/// Compresses a piece of log for its row.
pub fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The piece of log in a row. Rows are written by [`gzip`] alone, from pieces whose size the protocol bounds.
pub fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}
