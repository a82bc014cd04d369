//! Gates: rows that collect which of their members ended. Each call is one write of one row, and a repeat of it changes
//! nothing.

use app::ports::{Closed, GateRow, StoreError};
use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::workflow::{Outcome, Tally};

use crate::{
    Store,
    failure::store_error,
    item::{Item, key, n, number},
};

/// The sets of members that ended, by what they carried. The names are short: a row holds up to 256 members and is written
/// as often.
const SUCCEEDED: &str = "s";
const FAILED: &str = "f";
const SKIPPED: &str = "k";
/// The set of shards that ended, in a root.
const SHARDS: &str = "m";
/// The sums of the shards' tallies, in a root.
const SUM_SUCCEEDED: &str = "succeeded";
const SUM_FAILED: &str = "failed";
const SUM_SKIPPED: &str = "skipped";

pub(super) async fn close(
    store: &Store,
    gate: (String, String),
    member: u32,
    outcome: Outcome,
) -> Result<Closed, StoreError> {
    let set = match outcome {
        Outcome::Succeeded => SUCCEEDED,
        Outcome::Failed => FAILED,
        Outcome::Skipped => SKIPPED,
    };
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(key(gate)))
        .update_expression("ADD #set :members")
        // In none of the sets: whatever a member carried when it ended first, it carries for good.
        .condition_expression(
            "NOT contains(s, :member) AND NOT contains(f, :member) AND NOT contains(k, :member)",
        )
        .expression_attribute_names("#set", set)
        .expression_attribute_values(":members", AttributeValue::Ns(vec![member.to_string()]))
        .expression_attribute_values(":member", n(member));
    send(update, outcome.into()).await
}

pub(super) async fn close_shard(
    store: &Store,
    root: (String, String),
    shard: u32,
    tally: Tally,
) -> Result<Closed, StoreError> {
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(key(root)))
        .update_expression("ADD m :shards, #succeeded :succeeded, #failed :failed, #skipped :skipped")
        .condition_expression("NOT contains(m, :shard)")
        .expression_attribute_names("#succeeded", SUM_SUCCEEDED)
        .expression_attribute_names("#failed", SUM_FAILED)
        .expression_attribute_names("#skipped", SUM_SKIPPED)
        .expression_attribute_values(":shards", AttributeValue::Ns(vec![shard.to_string()]))
        .expression_attribute_values(":shard", n(shard))
        .expression_attribute_values(":succeeded", n(tally.succeeded))
        .expression_attribute_values(":failed", n(tally.failed))
        .expression_attribute_values(":skipped", n(tally.skipped));
    send(update, tally).await
}

/// Sends an update that adds one member with `tally`, unless the row has it.
async fn send(update: UpdateItemFluentBuilder, tally: Tally) -> Result<Closed, StoreError> {
    let sent = update
        .return_values(ReturnValue::AllOld)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match sent {
        Ok(closed) => {
            let before = row(&closed.attributes.unwrap_or_default());
            let mut after = GateRow { members: before.members + 1, ..before };
            after.tally += tally;
            Ok(Closed { before, after, first: true })
        }
        Err(error) => {
            let Some(UpdateItemError::ConditionalCheckFailedException(closed)) = error.as_service_error()
            else {
                return Err(store_error(error));
            };
            // The member is in the row, so the row is there.
            let Some(stands) = closed.item().map(row) else { return Err(store_error(error)) };
            Ok(Closed { before: stands, after: stands, first: false })
        }
    }
}

fn row(item: &Item) -> GateRow {
    let size =
        |set: &str| item.get(set).and_then(|set| set.as_ns().ok()).map_or(0, |members| members.len() as u32);
    let sum = |name: &str| number::<u32>(item, name).unwrap_or(0);
    let (succeeded, failed, skipped) = (size(SUCCEEDED), size(FAILED), size(SKIPPED));
    GateRow {
        tally: Tally {
            succeeded: succeeded + sum(SUM_SUCCEEDED),
            failed: failed + sum(SUM_FAILED),
            skipped: skipped + sum(SUM_SKIPPED),
        },
        members: succeeded + failed + skipped + size(SHARDS),
    }
}
