//! The GPU clouds behind one interface: what they rent, and how each is spoken to.
//!
//! Each cloud has a folder. Its wire types stay in it; what leaves it are the types of [`app::ports`].

pub mod alibaba;
mod amount;
mod key;
mod misconfigured;
pub mod runpod;
pub mod tencent;
mod words;

use std::sync::Arc;

use app::ports::{Clock, Provider};

pub use key::ApiKey;

/// A cloud that this crate has an adapter for.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    /// The provider's name, in its parameter `/providers/{name}` too.
    pub name: &'static str,
    make: Make,
}

/// Reads a parameter, with the URL that stands in for the cloud's own. `Err` says what is wrong, and holds no secret.
type Make = fn(&str, Option<&str>, Arc<dyn Clock>) -> Result<Arc<dyn Provider>, String>;

/// Every cloud there is. A cloud is one line here and one folder.
pub const CLOUDS: &[Cloud] = &[
    Cloud { name: runpod::NAME, make: runpod::configured },
    Cloud { name: alibaba::NAME, make: alibaba::configured },
    Cloud { name: tencent::NAME, make: tencent::configured },
];

impl Cloud {
    /// The provider that the text of its parameter describes, and what is wrong with that text if anything is. Then the
    /// provider refuses everything as a wrong key would, so that one cloud's mistake is seen and takes no other down.
    /// `url` stands in for the cloud's own. Nothing is connected yet: each makes its HTTP client when it is first called.
    pub fn provider(
        &self,
        parameter: &str,
        url: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> (Arc<dyn Provider>, Option<String>) {
        match (self.make)(parameter, url, clock) {
            Ok(provider) => (provider, None),
            Err(wrong) => {
                let why = format!("the parameter /providers/{}: {wrong}", self.name);
                (misconfigured::provider(self.name, why.clone()), Some(why))
            }
        }
    }
}
