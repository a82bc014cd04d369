//! The shape of the table, brought to what this code expects: numbered steps, each of which may be repeated, and one row
//! that says which are done. They run at deploy and when the local stack starts, never while a request waits.
//!
//! A step that changes rows first teaches the code to read both shapes: while functions are replaced, the code before and
//! the code after run side by side, and a deployment that is rolled back leaves the table changed. `readable_from` of a
//! step says which is the oldest code that can live with its outcome.

use app::ports::StoreError;
use aws_sdk_dynamodb::types::ReturnValue;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Store,
    failure::store_error,
    item::{key, n, number, s, text},
    keys,
};

/// How long a claim holds that nobody renews. Each step renews it.
pub const CLAIM: SignedDuration = SignedDuration::from_mins(6);

/// One change of the table.
#[derive(Clone, Copy)]
pub struct Step {
    /// Numbers are given once, without gaps, from 1 on.
    pub number: u32,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The lowest number that code must know to use the table after this step.
    pub readable_from: u32,
    /// Done twice, or done by two at once, it does the same.
    pub run: fn(&Store) -> BoxFuture<'_, Result<(), StoreError>>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("number", &self.number).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every step, in order.
pub const STEPS: &[Step] =
    &[Step { number: 1, name: "first shape", readable_from: 1, run: |_| Box::pin(async { Ok(()) }) }];

/// What this code expects of the table.
pub const VERSION: u32 = STEPS.len() as u32;

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// What the table is at now.
    pub version: u32,
    /// The steps that were done just now.
    pub done: Vec<&'static str>,
}

/// Why a migration did not come to its end. What was done stays done; another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Newer code has been here.
    #[error(
        "the table has shape {table}, which code needs to know shape {readable_from} for, and this code knows {code}: deploy newer code"
    )]
    Newer { table: u32, readable_from: u32, code: u32 },
    /// Another run has the claim.
    #[error("another migration runs, until {until} at the longest: try again then")]
    Running { until: Timestamp },
    /// A step failed.
    #[error("step {number}, {name}, failed")]
    Step { number: u32, name: &'static str, source: StoreError },
    /// The row could not be read or written.
    #[error("the shape of the table could not be read or noted")]
    Store(#[from] StoreError),
}

impl Store {
    /// Does the steps that the table lacks. `runner` names who does them: a repeat under the same name goes on at once, any
    /// other waits for the claim's end.
    pub async fn migrate(
        &self,
        steps: &[Step],
        runner: &str,
        now: impl Fn() -> Timestamp,
    ) -> Result<Migrated, MigrationError> {
        let code = steps.last().map_or(0, |step| step.number);
        let at = self.shape().await?;
        if at.readable_from > code {
            return Err(MigrationError::Newer { table: at.version, readable_from: at.readable_from, code });
        }
        if at.version >= code {
            return Ok(Migrated { version: at.version, done: Vec::new() });
        }
        let mut done = Vec::new();
        let mut version = self.claim(runner, now()).await?;
        for step in steps {
            if step.number <= version {
                continue;
            }
            tracing::info!(step.number, step.name, "migrating");
            let failed = |source| MigrationError::Step { number: step.number, name: step.name, source };
            (step.run)(self).await.map_err(failed)?;
            self.note(step, runner, now()).await?;
            version = step.number;
            done.push(step.name);
        }
        self.release(runner).await?;
        Ok(Migrated { version, done })
    }

    async fn shape(&self) -> Result<Shape, StoreError> {
        let row = self.get(keys::schema()).await?.unwrap_or_default();
        let time = |name| number::<i64>(&row, name).and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Shape {
            version: number(&row, "version").unwrap_or(0),
            readable_from: number(&row, "readable_from").unwrap_or(0),
            held_until: text(&row, "holder").and_then(|_| time("held_until")),
        })
    }

    /// Takes the claim, and says what the table is at under it.
    async fn claim(&self, runner: &str, now: Timestamp) -> Result<u32, MigrationError> {
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::schema())))
            .update_expression("SET holder = :me, held_until = :until")
            .condition_expression("attribute_not_exists(holder) OR holder = :me OR held_until < :now")
            .expression_attribute_values(":me", s(runner))
            .expression_attribute_values(":until", n((now + CLAIM).as_millisecond()))
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(store_error);
        match claimed {
            Ok(row) => Ok(row.attributes.as_ref().and_then(|row| number(row, "version")).unwrap_or(0)),
            Err(StoreError::Conflict) => {
                let until = self.shape().await?.held_until.unwrap_or(now + CLAIM);
                Err(MigrationError::Running { until })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes a step as done, and holds the claim for the next one.
    async fn note(&self, step: &Step, runner: &str, now: Timestamp) -> Result<(), MigrationError> {
        let noted = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::schema())))
            .update_expression(
                "SET version = :number, #name = :name, readable_from = :from, migrated_at = :at, held_until = :until",
            )
            // Whoever lost the claim to another run may not set the number back.
            .condition_expression("holder = :me AND (attribute_not_exists(version) OR version < :number)")
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":number", n(step.number))
            .expression_attribute_values(":name", s(step.name))
            .expression_attribute_values(":from", n(step.readable_from))
            .expression_attribute_values(":at", s(now.to_string()))
            .expression_attribute_values(":until", n((now + CLAIM).as_millisecond()))
            .expression_attribute_values(":me", s(runner))
            .send()
            .await
            .map_err(store_error);
        match noted {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict) => {
                let shape = self.shape().await?;
                // An answer that was lost: the note was taken.
                if shape.version >= step.number && shape.held_until.is_some() {
                    return Ok(());
                }
                Err(MigrationError::Running { until: shape.held_until.unwrap_or(now + CLAIM) })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn release(&self, runner: &str) -> Result<(), MigrationError> {
        let released = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::schema())))
            .update_expression("REMOVE holder, held_until")
            .condition_expression("holder = :me")
            .expression_attribute_values(":me", s(runner))
            .send()
            .await
            .map_err(store_error);
        match released {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

struct Shape {
    version: u32,
    readable_from: u32,
    held_until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_without_gaps_and_readable_by_themselves() {
        for (step, number) in STEPS.iter().zip(1..) {
            assert_eq!(step.number, number, "{step:?}");
            assert!((1..=number).contains(&step.readable_from), "{step:?}");
        }
    }
}
