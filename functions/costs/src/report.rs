//! What was paid.

use std::cmp::Reverse;

use app::{
    costs::CostError,
    ports::{MoneyStore, Span},
};
use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use contract::costs::{
    AttemptsQuery, CostGroup, CostSums, Costs, CostsQuery, GroupBy, PaidAttempt, PaidAttempts, RunningCost,
};
use domain::{
    Principal,
    job::FieldError,
    ledger::{Payer, gather},
    money::add_to,
};
use http::header;
use lambda::{Caller, Platform, Problem};

use crate::{Asker, asker, csv, rate};

/// Lines of one export: a function's answer has 6 MB at most.
const LINES: usize = 15_000;

fn payer(platform: bool, caller: Principal, asker: &Asker) -> Result<Payer, Problem> {
    if !platform {
        Ok(Payer::Owner(caller.user))
    } else if asker.is_admin {
        Ok(Payer::Platform)
    } else {
        Err(Problem::forbidden("admin_required", "Only administrators see everybody's costs."))
    }
}

fn problem(error: CostError) -> Problem {
    match error {
        CostError::TooMany(most) => {
            FieldError::new("from", format!("more than {most} attempts were paid since; ask for less time"))
                .into()
        }
        CostError::Store(error) => error.into(),
    }
}

pub(crate) async fn costs(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Costs>, Problem> {
    let now = platform.clock().now();
    let query = CostsQuery::read(&query.unwrap_or_default(), now)?;
    let asker = asker(&platform, caller).await?;
    let payer = payer(query.platform, caller, &asker)?;
    let (purse, currency) = (platform.purse(), query.currency.unwrap_or(asker.currency));
    let span = Span { from: query.from, to: query.to };
    let entries = purse.paid(payer, span, None).await.map_err(problem)?;
    let (sums, groups) = gather(&entries, &query.group_by);
    let shown = |sums| CostSums::new(sums, purse.rates, currency);
    let mut groups: Vec<_> = groups.into_iter().collect();
    if query.group_by != GroupBy::Day {
        groups
            .sort_by_key(|(_, sums)| Reverse(purse.rates.total(sums.cost.iter().copied(), currency).micros));
    }
    let running = purse.billed_now(payer).await?;
    let mut cost = Vec::new();
    for attempt in &running {
        add_to(&mut cost, attempt.cost_at(now));
    }
    Ok(Json(Costs {
        from: query.from,
        to: query.to,
        group_by: word(&query.group_by),
        currency: currency.code().to_owned(),
        cny_per_usd: rate(&platform),
        sums: shown(sums),
        groups: groups
            .into_iter()
            .map(|(key, sums)| CostGroup { key: Some(key).filter(|key| !key.is_empty()), sums: shown(sums) })
            .collect(),
        running: RunningCost {
            attempts: running.len() as u64,
            total: purse.rates.total(cost.iter().copied(), currency).into(),
            cost: cost.into_iter().map(Into::into).collect(),
        },
    }))
}

fn word(by: &GroupBy) -> String {
    match by {
        GroupBy::Day => "day".into(),
        GroupBy::Provider => "provider".into(),
        GroupBy::Gpu => "gpu".into(),
        GroupBy::Job => "job".into(),
        GroupBy::User => "user".into(),
        GroupBy::Tag(key) => format!("tag:{key}"),
    }
}

pub(crate) async fn attempts(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<PaidAttempts>, Problem> {
    let query = AttemptsQuery::read(&query.unwrap_or_default(), platform.clock().now())?;
    let payer = payer(query.platform, caller, &asker(&platform, caller).await?)?;
    let span = Span { from: query.from, to: query.to };
    let page = platform.store().ledger(payer, span, query.limit, query.cursor.as_deref()).await?;
    Ok(Json(PaidAttempts { items: page.items.into_iter().map(PaidAttempt::from).collect(), next: page.next }))
}

pub(crate) async fn export(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = CostsQuery::read(&query.unwrap_or_default(), platform.clock().now())?;
    let payer = payer(query.platform, caller, &asker(&platform, caller).await?)?;
    let span = Span { from: query.from, to: query.to };
    let entries = platform.purse().paid(payer, span, Some(LINES)).await.map_err(problem)?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"costs.csv\""),
    ];
    Ok((headers, csv::table(&entries)).into_response())
}
