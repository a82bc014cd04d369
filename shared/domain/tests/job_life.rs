//! The life of a job, whatever is asked of it in whatever order.

use domain::{
    AttemptId, Currency, JobId, Money, UserId,
    job::{Attempt, EventKind, Exit, ExitReason, Job, Outcome, Retry, RetryOn, Status},
    placement::Offer,
    samples::{self, spec},
};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn offer(price: i64) -> Offer {
    Offer { region: "EU-RO-1".into(), price_per_hour: Money::new(price, Currency::Usd), ..samples::offer() }
}

fn attempt(job: &Job, number: u32) -> Attempt {
    let id = AttemptId::new(Uuid::from_u128(u128::from(number)));
    Attempt::intend(id, job.id, job.owner, number, offer(440_000), AT)
}

fn submitted() -> Job {
    Job::submit(JobId::new(Uuid::nil()), UserId::new(Uuid::nil()), spec(), true, None, AT).0
}

proptest! {
    /// Terminal is terminal, numbers have no gaps, and no status is reached against the machine.
    #[test]
    fn no_order_of_changes_breaks_a_life(steps in prop::collection::vec(0u8..9, 0..40)) {
        let mut job = submitted();
        let mut events = 1;
        for step in steps {
            let before = job.clone();
            let current = attempt(&job, job.attempt);
            let changed = match step {
                0 => job.provision(&attempt(&before, before.attempt + 1), AT).map(|_| 1),
                1 => job.instance_created(before.attempt, "pod", AT).map(|_| 1),
                2 => job.run(before.attempt, AT).map(|_| 1),
                3 => job.launch_refused(&current, "no", AT).map(|_| 1),
                4 => job.retry(&current, 1, AT).map(|_| 1),
                5 => job.end(Status::Succeeded, Some(&current), None, AT).map(|e| e.len()),
                6 => job.request_cancel(before.owner, AT).map(|e| usize::from(e.is_some())),
                7 => job.wait_for_capacity("none", 5, AT).map(|_| 1),
                _ => job.admit(AT).map(|_| 1),
            };
            if let Ok(n) = changed {
                events += n as u64;
                prop_assert!(!before.status.is_terminal() , "{:?} changed", before.status);
                prop_assert!(before.status == job.status || before.status.may_become(job.status));
            } else {
                prop_assert_eq!(&job, &before, "a refused change leaves the job as it was");
            }
            prop_assert_eq!(job.seq, events);
        }
    }
}

#[test]
fn an_attempt_that_was_refused_leaves_its_number_free() {
    let mut job = submitted();
    let first = attempt(&job, 1);
    job.provision(&first, AT).expect("it may");
    job.launch_refused(&first, "no capacity", AT).expect("it may");
    assert_eq!((job.status, job.attempt), (Status::Queued, 0));
    job.provision(&attempt(&job, 1), AT).expect("the same number again");
}

#[test]
fn the_end_of_an_attempt_is_an_event_before_the_end_of_the_job() {
    let mut job = submitted();
    let mut attempt = attempt(&job, 1);
    job.provision(&attempt, AT).expect("it may");
    let exit = Exit { code: 0, reason: ExitReason::Exited, at: AT, output: None, output_error: None };
    attempt.outcome = Some(Outcome::Exited { exit: exit.clone() });
    attempt.cost = Some(Money::new(7, Currency::Usd));
    let events = job.end(Status::Succeeded, Some(&attempt), None, AT).expect("it may");
    assert!(matches!(events[0].kind, EventKind::AttemptEnded { attempt: 1, .. }));
    assert!(matches!(events[1].kind, EventKind::Ended { .. }));
    assert_eq!((job.exit, job.cost), (Some(exit), vec![Money::new(7, Currency::Usd)]));
}

#[test]
fn the_policy_decides_what_is_tried_again() {
    let job = submitted();
    let ended = |outcome: Outcome, number: u32| {
        let mut attempt = attempt(&job, number);
        attempt.outcome = Some(outcome);
        attempt
    };
    let exit = |code, reason| Outcome::Exited {
        exit: Exit { code, reason, at: AT, output: None, output_error: None },
    };
    let lost = || Outcome::Lost { reason: "gone".into() };
    let default = Retry::default();
    assert_eq!(default.next(&ended(lost(), 1)), Some(5));
    assert_eq!(default.next(&ended(Outcome::Preempted, 2)), Some(10), "it doubles");
    assert_eq!(default.next(&ended(lost(), 3)), None, "three are enough");
    assert_eq!(default.next(&ended(exit(1, ExitReason::Exited), 1)), None);
    assert_eq!(
        default.next(&ended(exit(143, ExitReason::Terminated), 1)),
        Some(5),
        "the machine was stopped"
    );
    assert_eq!(default.next(&ended(Outcome::TimedOut, 1)), None);
    let codes = Retry { on: vec![RetryOn::ExitCode], exit_codes: vec![75], ..Retry::default() };
    assert_eq!(codes.next(&ended(exit(75, ExitReason::Exited), 1)), Some(5));
    assert_eq!(codes.next(&ended(exit(1, ExitReason::Exited), 1)), None);
    assert_eq!(codes.next(&ended(exit(0, ExitReason::Exited), 1)), None);
    assert_eq!(codes.next(&ended(lost(), 1)), None);
}
