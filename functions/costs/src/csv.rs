//! Paid attempts as RFC 4180 has it.

use contract::money::Money;
use domain::ledger::{Bill, Entry};

const COLUMNS: [&str; 21] = [
    "ended_at",
    "job_id",
    "job",
    "attempt",
    "provider",
    "region",
    "gpu",
    "gpu_count",
    "spot",
    "seconds",
    "price_per_hour",
    "cost",
    "currency",
    "on_demand_per_hour",
    "saved_by_spot",
    "outcome",
    "wasted",
    "owner",
    "attempt_id",
    "tags",
    "billed",
];

/// A header line and a line for each entry.
pub(crate) fn table(entries: &[Entry]) -> String {
    let mut table = COLUMNS.join(",") + "\r\n";
    for entry in entries {
        let amount = |money: domain::Money| Money::from(money).amount;
        let tags: Vec<String> = entry.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let cells: [String; COLUMNS.len()] = [
            entry.at.to_string(),
            entry.job_id.to_string(),
            text(&entry.job_name),
            entry.attempt.to_string(),
            text(entry.provider.as_str()),
            text(&entry.region),
            text(&entry.gpu),
            entry.gpu_count.to_string(),
            entry.spot.to_string(),
            format!("{}.{:03}", entry.millis / 1_000, entry.millis % 1_000),
            amount(entry.price_per_hour),
            amount(entry.cost),
            entry.cost.currency.code().to_owned(),
            entry.on_demand_per_hour.map(amount).unwrap_or_default(),
            entry.saved_by_spot().map(amount).unwrap_or_default(),
            text(&entry.outcome),
            entry.wasted.to_string(),
            entry.owner.to_string(),
            entry.attempt_id.to_string(),
            text(&tags.join("; ")),
            (entry.bill == Bill::Confirmed).to_string(),
        ];
        table.push_str(&cells.join(","));
        table.push_str("\r\n");
    }
    table
}

/// Somebody's text as a cell. A spreadsheet takes what begins so for a formula, and runs it: an apostrophe makes it text.
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(text("fine-tune"), "fine-tune");
        assert_eq!(text("a, \"b\""), "\"a, \"\"b\"\"\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(text(formula).starts_with('\''), "{formula}");
        }
        assert_eq!(text("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
    }
}
