//! Slots, through gaps and folds of the clock, and what becomes of those that passed.

use domain::workflow::{CatchUp, Due, Overlap, Schedule, Timetable, Verdict};
use jiff::{SignedDuration, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule { cron: cron.into(), time_zone: zone.into(), catch_up: CatchUp::None, overlap: Overlap::Skip }
}

fn timetable(cron: &str, zone: &str) -> Timetable {
    schedule(cron, zone)
        .timetable(at("2026-01-01T00:00:00Z"))
        .unwrap_or_else(|errors| panic!("{cron}: {errors:?}"))
}

#[track_caller]
fn assert_slots(cron: &str, zone: &str, after: &str, expected: &[&str]) {
    let slots: Vec<_> =
        timetable(cron, zone).upcoming(at(after), expected.len()).iter().map(ToString::to_string).collect();
    assert_eq!(slots, expected, "{cron} {zone}");
}

#[test]
fn patterns_mean_the_wall_clock_of_their_zone() {
    assert_slots(
        "0 3 * * *",
        "UTC",
        "2026-01-01T03:00:00Z",
        &["2026-01-02T03:00:00Z", "2026-01-03T03:00:00Z"],
    );
    assert_slots("0 3 * * *", "Asia/Shanghai", "2026-01-01T00:00:00Z", &["2026-01-01T19:00:00Z"]);
    assert_slots(
        "*/20 * * * *",
        "UTC",
        "2026-01-01T00:10:30Z",
        &["2026-01-01T00:20:00Z", "2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"],
    );
    assert_slots("30 9 * * MON-FRI", "UTC", "2026-01-02T10:00:00Z", &["2026-01-05T09:30:00Z"]);
    assert_slots(
        "0 0 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
    );
    assert_slots("0 0 1 * MON", "UTC", "2026-01-01T00:00:00Z", &["2026-01-05T00:00:00Z"]);
    assert_slots("@daily", "Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-01T18:30:00Z"]);
    assert_slots("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T12:00:00Z"]);
}

#[test]
fn a_slot_in_a_gap_is_due_at_its_end() {
    // Berlin: 2026-03-29, 02:00 becomes 03:00 (01:00Z).
    assert_slots(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-27T12:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    );
    // What repeats has no slots in an hour that is not there.
    assert_slots(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
    );
    // Lord Howe jumps by half an hour: 2026-10-04, 02:00 becomes 02:30 (15:30Z the day before).
    assert_slots(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00:00Z",
        &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
    );
}

#[test]
fn a_slot_in_a_fold_is_due_once_and_what_repeats_goes_on() {
    // Berlin: 2026-10-25, 03:00 becomes 02:00 (01:00Z); 02:30 is 00:30Z and 01:30Z.
    assert_slots(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    assert_slots(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:45:00Z",
        &[
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ],
    );
    assert_slots(
        "0 * * * *",
        "America/New_York",
        "2026-11-01T04:30:00Z",
        &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"],
    );
}

#[test]
fn what_is_wrong_is_said_by_field() {
    let now = at("2026-01-01T00:00:00Z");
    for (cron, zone, fields) in [
        ("", "UTC", vec!["cron"]),
        ("* * * *", "UTC", vec!["cron"]),
        ("* * * * * *", "UTC", vec!["cron"]),
        ("60 * * * *", "UTC", vec!["cron"]),
        ("0 0 30 2 *", "UTC", vec!["cron"]),
        ("0 0 * * *", "Mars/Olympus", vec!["time_zone"]),
        ("0 0 * * *", "../etc/passwd", vec!["time_zone"]),
        ("x", "y", vec!["cron", "time_zone"]),
        (&"1,".repeat(200), "UTC", vec!["cron"]),
    ] {
        let errors = schedule(cron, zone).timetable(now).map(|_| ()).unwrap_err();
        assert_eq!(
            errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            fields,
            "{cron:.20} {zone}"
        );
    }
}

#[track_caller]
fn assert_due(catch_up: CatchUp, cron: &str, seen: &str, now: &str, slots: &[&str], passed_over: bool) {
    let schedule = Schedule { catch_up, ..schedule(cron, "UTC") };
    let due = schedule.timetable(at("2026-01-01T00:00:00Z")).unwrap().due(at(seen), at(now));
    assert_eq!(
        due,
        Due { slots: slots.iter().map(|slot| at(slot)).collect(), passed_over },
        "{catch_up:?} {cron}"
    );
}

#[test]
fn a_tick_on_time_starts_its_slot_whatever_the_policy() {
    for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All] {
        let (hourly, slot) = ("0 * * * *", "2026-01-01T05:00:00Z");
        assert_due(catch_up, hourly, "2026-01-01T04:59:10Z", "2026-01-01T05:00:10Z", &[slot], false);
        assert_due(catch_up, hourly, "2026-01-01T04:59:00Z", slot, &[slot], false);
        assert_due(catch_up, hourly, slot, "2026-01-01T05:01:00Z", &[], false);
        assert_due(catch_up, hourly, "2026-01-01T05:00:10Z", "2026-01-01T05:59:59.999Z", &[], false);
        // One tick was lost: both minutes are on time.
        assert_due(
            catch_up,
            "* * * * *",
            "2026-01-01T05:00:10Z",
            "2026-01-01T05:02:10Z",
            &["2026-01-01T05:01:00Z", "2026-01-01T05:02:00Z"],
            false,
        );
    }
}

#[test]
fn what_passed_is_left_or_made_up_for() {
    let (hourly, seen, now) = ("0 * * * *", "2026-01-01T00:30:00Z", "2026-01-01T04:30:00Z");
    let all =
        ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "2026-01-01T03:00:00Z", "2026-01-01T04:00:00Z"];
    assert_due(CatchUp::None, hourly, seen, now, &[], true);
    assert_due(CatchUp::Last, hourly, seen, now, &all[3..], true);
    assert_due(CatchUp::All, hourly, seen, now, &all, false);
    assert_due(CatchUp::Last, hourly, "2026-01-01T03:30:00Z", now, &all[3..], false);
    // A year of minutes starts a hundred, and takes no year to look at.
    let schedule = Schedule { catch_up: CatchUp::All, ..schedule("* * * * *", "Asia/Shanghai") };
    let due = schedule.timetable(at(seen)).unwrap().due(at(seen), at("2027-01-01T00:00:00Z"));
    assert_eq!(due.slots.len(), Schedule::MOST_AT_ONCE);
    assert!(due.passed_over);
    assert_eq!(due.slots[99], at("2027-01-01T00:00:00Z"));
    assert!(due.slots.is_sorted());
}

#[test]
fn overlap_is_decided_by_what_is_there() {
    for (overlap, active, queued, verdict) in [
        (Overlap::Skip, 0, 0, Verdict::Start),
        (Overlap::Skip, 1, 0, Verdict::Skip),
        (Overlap::Queue, 0, 0, Verdict::Start),
        (Overlap::Queue, 1, 0, Verdict::Queue),
        (Overlap::Queue, 0, 1, Verdict::Queue),
        (Overlap::Queue, 1, Overlap::MOST_QUEUED, Verdict::Skip),
        (Overlap::Allow, 5, 0, Verdict::Start),
    ] {
        assert_eq!(overlap.decide(active, queued), verdict, "{overlap:?} {active} {queued}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Looking back from any time finds the slots that looking ahead finds, through every change of the clock.
    #[test]
    fn looking_back_finds_what_looking_ahead_finds(
        cron in "(0|30|\\*/15|7,52) (\\*|2|1-3|\\*/6) \\* \\* \\*",
        zone in "(Europe/Berlin|America/New_York|Australia/Lord_Howe|Asia/Shanghai|America/Sao_Paulo|UTC)",
        start in 1_767_225_600_i64..1_798_761_600,
        looks in proptest::collection::vec(1_i64..40_000, 1..12),
    ) {
        let schedule = Schedule { catch_up: CatchUp::All, ..schedule(&cron, &zone) };
        let mut seen = Timestamp::from_second(start).unwrap();
        let timetable = schedule.timetable(seen).unwrap();
        let mut found = Vec::new();
        for seconds in looks {
            let now = seen.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            let due = timetable.due(seen, now);
            proptest::prop_assert!(!due.passed_over);
            found.extend(due.slots);
            seen = now;
        }
        let mut ahead = timetable.upcoming(Timestamp::from_second(start).unwrap(), found.len() + 1);
        proptest::prop_assert!(ahead.pop().unwrap() > seen);
        proptest::prop_assert_eq!(found, ahead);
    }
}
