//! The steps of the job machine and of the run machine, for `statemachines/job.asl.json` and `run.asl.json`.

use app::machine::StepError;
use domain::{JobId, RunId, job::RunnerWord};
use lambda::{Carrier, Event, events::Failure, machine::SetUpError};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a state passes.
#[derive(Debug, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Launch { job_id: JobId },
    Boot { job_id: JobId, token: String },
    Listen { job_id: JobId, token: String },
    Observe { job_id: JobId, looks: u32 },
    Settle { job_id: JobId },
    HandOver { job_id: JobId, handover: u32 },
    Run { run_id: RunId, token: String },
    FinishRun { run_id: RunId },
}

/// A step's error, under the name that the state machine matches.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the function is not set up")]
    SetUp(#[from] SetUpError),
    #[error("the answer could not be written")]
    Answer(#[from] serde_json::Error),
}

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Step(error) => error.name(),
            // It may be set right while the job waits.
            Self::SetUp(_) | Self::Answer(_) => "Unavailable",
        }
    }

    fn is_ordinary(&self) -> bool {
        matches!(self, Self::Step(error) if error.is_ordinary())
    }
}

async fn run(carrier: &Carrier, step: Step) -> Result<Value, Failed> {
    let machine = carrier.machine().await?;
    Ok(match step {
        Step::Launch { job_id } => serde_json::to_value(machine.launch(job_id).await?)?,
        Step::Boot { job_id, token } => done(machine.wait(job_id, RunnerWord::Start, &token).await?),
        Step::Listen { job_id, token } => done(machine.wait(job_id, RunnerWord::Exit, &token).await?),
        Step::Observe { job_id, looks } => serde_json::to_value(machine.observe(job_id, looks).await?)?,
        Step::Settle { job_id } => done(machine.settle(job_id).await?),
        Step::HandOver { job_id, handover } => done(machine.hand_over(job_id, handover).await?),
        Step::Run { run_id, token } => done(machine.runs.run_step(run_id, &token).await?),
        Step::FinishRun { run_id } => done(machine.runs.finish_step(run_id).await?),
    })
}

fn done((): ()) -> Value {
    json!({})
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let carrier = Carrier::new(lambda::Platform::from_env()?);
    lambda::events::run(|event: Event<Step>| Box::pin(run(&carrier, event.payload))).await
}
