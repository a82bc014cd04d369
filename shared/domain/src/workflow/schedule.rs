//! When a schedule is due: cron patterns in a time zone.
//!
//! A pattern means wall-clock time. Where the clock jumps ahead, a slot inside the gap is due at the gap's end; where it
//! goes back, a slot with a fixed hour is due once, at its first time, and a repeating one (`*/15 * * * *`) goes on
//! through both hours.

use std::sync::LazyLock;

use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
    time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday},
};
use jiff::{
    SignedDuration, Timestamp, ZonedDateTime,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::job::FieldError;

/// The database in the binary: a rule reads no file.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// What happens to slots that passed while nobody looked: the scheduler was down, or the workflow was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are passed over.
    #[default]
    None,
    /// The last of them starts a run.
    Last,
    /// Each starts a run, the latest [`Schedule::MOST_AT_ONCE`] of them.
    All,
}

/// What happens to a slot while an earlier run of the schedule is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is passed over.
    #[default]
    Skip,
    /// It waits for the end of those before it.
    Queue,
    /// Both run.
    Allow,
}

/// What becomes of a slot that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Start,
    Queue,
    Skip,
}

impl Overlap {
    /// The most slots that wait for one run.
    pub const MOST_QUEUED: u32 = 100;

    /// What becomes of a slot, given the schedule's runs that are not over and its slots that wait already.
    pub const fn decide(self, active: u32, queued: u32) -> Verdict {
        match self {
            Self::Allow => Verdict::Start,
            Self::Skip if active == 0 => Verdict::Start,
            Self::Queue if active == 0 && queued == 0 => Verdict::Start,
            Self::Queue if queued < Self::MOST_QUEUED => Verdict::Queue,
            Self::Skip | Self::Queue => Verdict::Skip,
        }
    }
}

/// When a workflow runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// An IANA name such as `Asia/Shanghai`.
    #[serde(default = "utc")]
    pub time_zone: String,
    #[serde(default)]
    pub catch_up: CatchUp,
    #[serde(default)]
    pub overlap: Overlap,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A checked schedule.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
    catch_up: CatchUp,
}

/// What a look at a schedule finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The slots that start a run, earliest first. A run's name made from its slot makes a second look harmless.
    pub slots: Vec<Timestamp>,
    /// Whether others are passed over.
    pub passed_over: bool,
}

impl Schedule {
    /// The most runs that one look starts.
    pub const MOST_AT_ONCE: usize = 100;
    /// How late a slot may be and still be on time: two ticks of a minute and some.
    pub const ON_TIME: SignedDuration = SignedDuration::from_secs(150);
    /// A slot further away than this is never due.
    const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 9);
    const CRON_BYTES: usize = 200;

    /// Checks the schedule; `now` decides whether it is ever due again.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn timetable(&self, now: Timestamp) -> Result<Timetable, Vec<FieldError>> {
        let mut errors = Vec::new();
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = if self.cron.len() > Self::CRON_BYTES {
            Err(format!("has {} bytes; at most {}", self.cron.len(), Self::CRON_BYTES))
        } else {
            parser.parse(&self.cron).map_err(|error| {
                format!("is not a pattern of minute, hour, day, month and weekday such as `0 3 * * MON-FRI`: {error}")
            })
        };
        let cron = cron.map_err(|message| errors.push(FieldError::new("cron", message))).ok();
        let zone = ZONES
            .get(&self.time_zone)
            .map_err(|_| {
                let message = format!("`{}` is not a time zone such as Asia/Shanghai or UTC", self.time_zone);
                errors.push(FieldError::new("time_zone", message));
            })
            .ok();
        let (Some(cron), Some(zone)) = (cron, zone) else { return Err(errors) };
        let timetable = Timetable { cron, zone, catch_up: self.catch_up };
        if timetable.next(now).is_none() {
            errors.push(FieldError::new("cron", "is never due: there is no such day"));
            return Err(errors);
        }
        Ok(timetable)
    }
}

impl Timetable {
    /// The first slot after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let slot = self.cron.find_next_occurrence(&self.at(after), false).ok()?.0.timestamp();
        (slot.duration_since(after) < Schedule::HORIZON).then_some(slot)
    }

    /// The next slots after `after`.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next(after), |slot| self.next(*slot)).take(count).collect()
    }

    /// Which slots after `seen`, up to `now`, start a run. `seen` is the time of the last look, or when the schedule was made
    /// or made active.
    pub fn due(&self, seen: Timestamp, now: Timestamp) -> Due {
        let mut due = Due::default();
        let mut at = self.previous(now, true);
        while let Some(slot) = at.filter(|slot| *slot > seen) {
            let is_on_time = now.duration_since(slot) <= Schedule::ON_TIME;
            let is_taken = match self.catch_up {
                CatchUp::None => is_on_time,
                CatchUp::Last => is_on_time || due.slots.is_empty(),
                CatchUp::All => due.slots.len() < Schedule::MOST_AT_ONCE,
            };
            if !is_taken {
                due.passed_over = true;
                break;
            }
            due.slots.push(slot);
            at = self.previous(slot, false);
        }
        due.slots.reverse();
        due
    }

    fn previous(&self, before: Timestamp, inclusive: bool) -> Option<Timestamp> {
        // A slot is a whole minute: from within one, the search begins at its start.
        let start = before.as_second().div_euclid(60) * 60;
        let whole = Timestamp::from_second(start).ok()?;
        let inclusive = inclusive || whole < before;
        Some(self.cron.find_previous_occurrence(&self.at(whole), inclusive).ok()?.0.timestamp())
    }

    fn at(&self, time: Timestamp) -> At {
        At(time.to_zoned_datetime(self.zone.clone()))
    }
}

/// Our time for the search.
#[derive(Debug, Clone)]
struct At(ZonedDateTime);

impl At {
    fn civil(civil: CivilDateTime) -> Result<DateTime, CronError> {
        let small = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidTime);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (month, day) = (small(civil.month())?, small(civil.day())?);
        let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
        DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)
    }
}

impl CronDateTime for At {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let unsigned = |value: i8| u32::from(value.unsigned_abs());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(at.year()), unsigned(at.month()), unsigned(at.day())),
            CivilTime::from_parts_unchecked(
                unsigned(at.hour()),
                unsigned(at.minute()),
                unsigned(at.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(self.0.weekday().to_sunday_zero_offset().unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(Self::civil(civil)?);
        let no = |_| CronError::InvalidTime;
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(ambiguous.compatible().map_err(no)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                Self(ambiguous.clone().earlier().map_err(no)?),
                Self(ambiguous.later().map_err(no)?),
            ),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> std::cmp::Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}
