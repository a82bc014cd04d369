//! The GPU clouds behind one interface: what they rent, and how each is spoken to.
//!
//! Each cloud has a folder. Its wire types stay in it; what leaves it are the types of [`app::ports`].

mod key;
pub mod runpod;

use std::{fmt, sync::Arc};

use app::ports::{Clock, Provider, Providers};

pub use key::ApiKey;

/// Which clouds there are. A cloud without settings is absent, not broken.
#[derive(Clone)]
pub struct Settings {
    /// Tells when an offer was seen.
    pub clock: Arc<dyn Clock>,
    pub runpod: Option<runpod::Settings>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("runpod", &self.runpod).finish_non_exhaustive()
    }
}

/// The clouds that have settings. Nothing is connected yet: each makes its HTTP client when it is first called.
pub fn registry(settings: Settings) -> Providers {
    let runpod = settings.runpod.map(|runpod| runpod::provider(runpod, Arc::clone(&settings.clock)));
    Providers::new(runpod.into_iter().map(|provider| provider as Arc<dyn Provider>).collect())
}
