//! Runs that stand still: what nobody looks after any more.

use domain::workflow::{Run, Stop};
use jiff::SignedDuration;

use super::{RunError, Runs, course::Course, drive::Work};

/// A run to which something has just happened is left alone for that long.
const SETTLING: SignedDuration = SignedDuration::from_secs(120);
/// The time between two looks, in seconds.
const SWEEP: i64 = 300;

/// What was found of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repaired {
    /// It goes on by itself, or is over.
    Nothing,
    /// Its execution was lost and started again.
    Restarted,
    /// It was past its deadline.
    Overdue,
    /// Something in it stood still.
    TakenOn,
}

/// Whether a run that has been quiet for so long is gone over. That reads all of it, so it is done again only when the time
/// has doubled: a job of a day is no reason to read ten thousand nodes three hundred times.
fn is_time_to_look(quiet: SignedDuration) -> bool {
    let sweeps = u64::try_from(quiet.as_secs() / SWEEP).unwrap_or(0);
    quiet >= SETTLING && (sweeps == 0 || sweeps.is_power_of_two())
}

impl Runs {
    /// Looks after a run that has not ended.
    pub async fn repair(&self, run: &Run) -> Result<Repaired, RunError> {
        let now = self.jobs.clock.now();
        let running = self.jobs.workflows.is_run_running(&run.id.to_string()).await?;
        let Some(mut course) = self.course(run.id, true).await? else { return Ok(Repaired::Nothing) };
        if course.run.ended.is_some() {
            self.tell_of_end(&course).await?;
            return Ok(Repaired::Nothing);
        }
        if running.is_none() {
            self.execute(run).await?;
            return Ok(Repaired::Restarted);
        }
        if now >= run.deadline {
            self.stop(&mut course, Stop::TimedOut, None).await?;
            return Ok(Repaired::Overdue);
        }
        if !is_time_to_look(now.duration_since(course.head.updated_at)) {
            return Ok(Repaired::Nothing);
        }
        let before = course.head.seq;
        self.end_what_is_late(&mut course).await?;
        self.walk(&mut course).await?;
        let found = course.head.seq != before;
        Ok(if found { Repaired::TakenOn } else { Repaired::Nothing })
    }

    /// Cancels the jobs of nodes whose own time is over.
    async fn end_what_is_late(&self, course: &mut Course) -> Result<(), RunError> {
        let now = self.jobs.clock.now();
        let running = self.runs.running_nodes(course.run.id).await?;
        let late = running.into_iter().filter(|node| node.deadline.is_some_and(|deadline| now >= deadline));
        let jobs =
            late.filter_map(|node| Some((node.job_id?, node))).map(|(job, node)| (node, job)).collect();
        let mut work = Work::default();
        self.end_jobs(course, &mut work, jobs).await?;
        Ok(self.drive(course, work).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_run_is_gone_over_each_time_that_its_quiet_has_doubled() {
        let looks = (0..288).filter(|sweep| is_time_to_look(SignedDuration::from_secs(sweep * SWEEP + 130)));
        assert_eq!(looks.collect::<Vec<_>>(), [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert!(!is_time_to_look(SignedDuration::from_secs(60)));
    }
}
