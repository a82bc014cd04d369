//! The runner's protocol as the job machine's words.

use app::ports::{LogChunk, MetricsRow, Report};
use axum::http::{HeaderMap, StatusCode};
use domain::job::{Exit, ExitReason, Progress};
use jiff::Timestamp;
use lambda::Problem;
use runner::protocol::{self, Output, Reason, Sender};

/// Reads one message of the kind in its path.
pub(crate) fn read(
    kind: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(Sender, Report), Problem> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let sender = Sender::parse(header).map_err(refused)?;
    let report = match kind {
        "start" => {
            let start = protocol::Start::parse(body).map_err(refused)?;
            Report { started: true, instance: start.instance, ..Report::default() }
        }
        "report" => report(protocol::Report::parse(header, body).map_err(refused)?),
        "exit" => Report {
            exit: Some(exit(protocol::Exit::parse(body).map_err(refused)?, now)),
            ..Report::default()
        },
        _ => return Err(Problem::not_found("kind of message")),
    };
    Ok((sender, report))
}

fn refused(error: protocol::Error) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_runner_message", error.to_string())
}

fn report(report: protocol::Report) -> Report {
    let metrics = report.gpus.iter().map(|gpu| MetricsRow {
        gpu: gpu.index,
        utilisation: gpu.utilization_percent,
        memory_used_mib: gpu.memory_used_mib,
        memory_total_mib: gpu.memory_total_mib,
        temperature_c: gpu.temperature_celsius,
        power_w: gpu.power_watts,
    });
    let has_log = !report.log.is_empty() || report.dropped > 0;
    Report {
        metrics: metrics.collect(),
        progress: report.progress.map(|p| Progress { fraction: p.fraction, text: p.text }),
        log: has_log.then_some(LogChunk {
            offset: report.offset,
            dropped: report.dropped,
            bytes: report.log,
        }),
        ..Report::default()
    }
}

fn exit(exit: protocol::Exit, at: Timestamp) -> Exit {
    let (output, output_error) = match exit.output {
        Output::None => (None, None),
        Output::Bytes(bytes) => match serde_json::from_slice(&bytes) {
            Ok(json) => (Some(json), None),
            Err(error) => (None, Some(format!("the output is not JSON: {error}"))),
        },
        Output::TooLarge(bytes) => {
            let most = protocol::MAX_OUTPUT_BYTES;
            (None, Some(format!("the output has {bytes} bytes; at most {most} are kept")))
        }
    };
    let reason = match exit.reason {
        Reason::Exited => ExitReason::Exited,
        Reason::Timeout => ExitReason::Timeout,
        Reason::Cancelled => ExitReason::Cancelled,
        Reason::Terminated => ExitReason::Terminated,
        Reason::NotStarted => ExitReason::CommandNotStarted,
    };
    Exit { code: i32::from(exit.code), reason, at, output, output_error }
}
