//! Definitions with their plans, read once per process: a version never changes.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    WorkflowId,
    job::FieldError,
    workflow::{Plan, Workflow},
};

use crate::{machine::StepError, ports::WorkflowStore};

/// How many are kept: a large one takes tens of megabytes.
const KEPT: usize = 4;

self_cell::self_cell!(
    /// A definition and the plan that borrows it.
    pub(super) struct Planned {
        owner: Workflow,
        #[covariant]
        dependent: Plan,
    }
);

/// Which definition it is.
type Version = (WorkflowId, u32);

/// The latest first.
type Kept = Vec<(Version, Arc<Planned>)>;

/// What was read already.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<Kept>>);

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

/// Why a kept definition cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("version {1} of {0} cannot be used: {2}")]
pub(super) struct Unusable(WorkflowId, u32, String);

impl Planned {
    pub(super) fn workflow(&self) -> &Workflow {
        self.borrow_owner()
    }

    pub(super) fn plan(&self) -> &Plan<'_> {
        self.borrow_dependent()
    }
}

impl Plans {
    /// The definition of a version; `None` if there is no such version.
    pub(super) async fn of(
        &self,
        store: &dyn WorkflowStore,
        version: Version,
    ) -> Result<Option<Arc<Planned>>, StepError> {
        if let Some(planned) = self.known(version) {
            return Ok(Some(planned));
        }
        let Some(text) = store.definition(version.0, version.1).await? else { return Ok(None) };
        let unusable = |why: String| StepError::Unavailable(Box::new(Unusable(version.0, version.1, why)));
        let workflow: Workflow =
            serde_json::from_str(&text.json).map_err(|error| unusable(error.to_string()))?;
        let planned = Planned::try_new(workflow, Workflow::plan).map_err(|errors: Vec<FieldError>| {
            unusable(errors.first().map_or_else(String::new, ToString::to_string))
        })?;
        let planned = Arc::new(planned);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(0, (version, planned.clone()));
        kept.truncate(KEPT);
        Ok(Some(planned))
    }

    fn known(&self, version: Version) -> Option<Arc<Planned>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, _)| *of == version)?;
        kept[..=at].rotate_right(1);
        kept.first().map(|(_, planned)| planned.clone())
    }
}
