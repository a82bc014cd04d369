//! Definitions with their plans, read once per process: a version never changes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    WorkflowId,
    job::FieldError,
    workflow::{Plan, Uses, Workflow},
};

use crate::{machine::StepError, ports::WorkflowStore};

/// How many are kept: a large one takes tens of megabytes.
const KEPT: usize = 4;

self_cell::self_cell!(
    /// A definition and the plan that borrows it.
    struct Bound {
        owner: Workflow,
        #[covariant]
        dependent: Plan,
    }
);

/// A definition with its plan, and what was found out of it.
pub(super) struct Planned {
    bound: Bound,
    uses: Mutex<HashMap<u32, Arc<Uses>>>,
}

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
        self.bound.borrow_owner()
    }

    pub(super) fn plan(&self) -> &Plan<'_> {
        self.bound.borrow_dependent()
    }

    /// What a step reads.
    pub(super) fn uses(&self, step: u32) -> Arc<Uses> {
        let mut known = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(step).or_insert_with(|| Arc::new(self.plan().uses(step))).clone()
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
        let bound = Bound::try_new(workflow, Workflow::plan).map_err(|errors: Vec<FieldError>| {
            unusable(errors.first().map_or_else(String::new, ToString::to_string))
        })?;
        let planned = Arc::new(Planned { bound, uses: Mutex::default() });
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
