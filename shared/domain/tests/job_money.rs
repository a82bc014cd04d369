//! What a job may cost, in which order jobs are let in, and what the ledger makes of their attempts.

use std::collections::BTreeMap;

use domain::{
    AttemptId, Currency, JobId, Money, Rates, UserId,
    job::{Attempt, Exit, ExitReason, Job, Outcome, Priority, Spec, Spot, Status, in_order},
    ledger::{Entry, GroupBy, gather},
    placement::Offer,
    samples,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn later(seconds: i64) -> Timestamp {
    AT + SignedDuration::from_secs(seconds)
}

fn usd(micros: i64) -> Money {
    Money::new(micros, Currency::Usd)
}

fn spec() -> Spec {
    Spec { spot: Spot::Prefer, timeout_seconds: 3_600, ..samples::spec() }
}

fn job(n: u128, spec: Spec, at: Timestamp) -> Job {
    let owner = UserId::new(Uuid::from_u128(1));
    Job::submit(JobId::new(Uuid::from_u128(n)), owner, spec, false, None, at).0
}

fn offer(price: Money) -> Offer {
    Offer { spot: true, price_per_hour: price, ..samples::offer() }
}

fn attempt(job: &Job, number: u32, price: Money) -> Attempt {
    let id = AttemptId::new(Uuid::from_u128(u128::from(number)));
    Attempt::intend(id, job.id, job.owner, number, offer(price), AT)
}

#[test]
fn a_ceiling_is_reached_when_all_attempts_together_cost_it() {
    let rates = Rates::parse("7.2").unwrap();
    let mut job = job(1, Spec { max_cost: Some(usd(1_000_000)), ..spec() }, AT);
    // 3.6 dollars an hour are a thousand micros a second.
    let mut first = attempt(&job, 1, usd(3_600_000));
    assert_eq!(job.spent_at(&first, rates), None, "nothing is billed yet");
    first.created_at = Some(later(10));
    assert_eq!(job.spent_at(&first, rates), Some(later(1_010)));

    job.cost = vec![usd(400_000), Money::new(3_600_000, Currency::Cny)];
    assert_eq!(job.left_to_spend(rates), Some(usd(100_000)), "the renminbi are half a dollar");
    assert_eq!(job.spent_at(&first, rates), Some(later(110)));
    // At 7.2 renminbi a dollar this costs as much as 3.6 dollars.
    let elsewhere =
        Attempt { created_at: Some(later(10)), ..attempt(&job, 2, Money::new(25_920_000, Currency::Cny)) };
    assert_eq!(job.spent_at(&elsewhere, rates), Some(later(110)));
    assert!(!job.is_spent(rates));
    job.cost.push(usd(100_000));
    assert!(job.is_spent(rates));
    assert_eq!(job.spent_at(&first, rates), first.created_at);

    job.spec.max_cost = None;
    assert_eq!((job.spent_at(&first, rates), job.is_spent(rates)), (None, false));
}

#[test]
fn an_estimate_is_a_whole_run_or_the_ceiling() {
    let mut job = job(1, spec(), AT);
    assert_eq!(job.estimated_cost(), None, "there is no price yet");
    job.offer = Some(offer(usd(440_000)));
    assert_eq!(job.estimated_cost(), Some(usd(440_000)));
    job.spec.max_cost = Some(usd(100_000));
    assert_eq!(job.estimated_cost(), Some(usd(100_000)));
    job.status = Status::Failed;
    assert_eq!(job.estimated_cost(), None);
}

#[test]
fn urgency_goes_first_and_age_raises_it() {
    let of = |n, priority, at| job(n, Spec { priority, ..spec() }, at);
    let hour = 3_600;
    let mut waiting = vec![
        of(1, Priority::Low, later(0)),
        of(2, Priority::Normal, later(2 * hour)),
        of(3, Priority::Urgent, later(2 * hour + 60)),
        of(4, Priority::Normal, later(2 * hour - 60)),
    ];
    let order = |waiting: &mut Vec<Job>, at| {
        in_order(waiting, at);
        waiting.iter().map(|job| job.id.uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(order(&mut waiting, later(2 * hour + 60)), [3, 1, 4, 2], "the low one has waited two hours");
    // Three hours after its submission it is as urgent as any, and older than all that came later.
    waiting.push(of(5, Priority::Urgent, later(3 * hour)));
    assert_eq!(order(&mut waiting, later(3 * hour)), [1, 3, 5, 4, 2]);
}

#[test]
fn the_ledger_says_what_was_lost_saved_and_rescued() {
    let mut job = job(1, spec(), AT);
    job.spec.tags = BTreeMap::from([("team".to_owned(), "research".to_owned())]);
    let entry = |number, seconds, outcome| {
        let mut attempt = attempt(&job, number, usd(3_600_000));
        attempt.on_demand_per_hour = Some(usd(7_200_000));
        attempt.created_at = Some(AT);
        attempt.gone_at = Some(later(seconds));
        attempt.cost = Some(attempt.cost_at(later(seconds)));
        attempt.outcome = Some(outcome);
        Entry::of(&job, &attempt, later(seconds))
    };
    let exit = Exit { code: 0, reason: ExitReason::Exited, at: AT, output: None, output_error: None };
    let lost = entry(1, 10, Outcome::Preempted);
    let done = entry(2, 20, Outcome::Exited { exit });
    assert_eq!((lost.wasted, done.wasted, done.outcome.as_str()), (true, false, "exited"));
    let (all, teams) = gather(&[lost, done], &GroupBy::Tag("team".into()));
    assert_eq!((all.attempts, all.millis), (2, 30_000));
    assert_eq!((&*all.cost, &*all.wasted), (&[usd(30_000)][..], &[usd(10_000)][..]));
    assert_eq!(all.saved_by_spot, [usd(30_000)]);
    assert_eq!((all.failovers, &*all.failover_cost), (1, &[usd(20_000)][..]));
    assert_eq!(teams.into_iter().collect::<Vec<_>>(), [("research".to_owned(), all)]);
}
