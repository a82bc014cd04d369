//! Log lines: JSON on standard output, each with the id of the invocation that it belongs to (the runtime's span has it).

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// What talks too much below `info`.
const CHATTY: [&str; 6] = ["aws_config", "aws_smithy_runtime", "aws_sdk", "hyper", "hyper_util", "rustls"];

/// Starts logging at `LOG_LEVEL`. Whoever set up logging before keeps it.
pub(crate) fn start() {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level: LevelFilter = level.unwrap_or(LevelFilter::INFO);
    let quiet = level.min(LevelFilter::INFO);
    let filter = Targets::new().with_default(level).with_targets(CHATTY.map(|target| (target, quiet)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "logging was set up already");
    }
}

/// An error with everything that caused it, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
