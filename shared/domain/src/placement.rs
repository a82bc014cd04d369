//! Which offer a job takes, and why not another: filters give reasons, the ranking gives scores.

mod rank;
mod statistics;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Money;

pub use rank::{Conditions, Ranked, Ranking, Scores, rank};
pub use statistics::{Estimate, Place, Refusal, Statistics, Tally};

/// A provider's short name: `runpod`, `alibaba`, `tencent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(pub String);

impl ProviderName {
    /// The name as it is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ProviderName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// How likely a provider says it is to serve an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    None,
    Low,
    Medium,
    High,
    /// The provider does not say.
    Unknown,
}

/// One thing that a provider rents at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub provider: ProviderName,
    /// The provider's region or data centre; empty where any will do.
    pub region: String,
    /// Our name of the GPU model: `RTX 4090`, `A100 80GB SXM`.
    pub gpu: String,
    /// The provider's id of the GPU or of the instance type, as its create call wants it.
    pub instance_type: String,
    pub gpu_count: u32,
    /// Memory of one GPU.
    pub gpu_memory_gib: u32,
    /// `None` where the provider does not say.
    pub cpus: Option<u32>,
    pub memory_gib: Option<u32>,
    pub spot: bool,
    /// For all its GPUs together.
    pub price_per_hour: Money,
    pub stock: Stock,
    /// When the provider said so.
    pub seen_at: Timestamp,
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Exclusion {
    WrongGpu {
        offered: String,
    },
    TooFewGpus {
        offered: u32,
    },
    TooLittleGpuMemory {
        offered_gib: u32,
    },
    TooLittleMemory {
        offered_gib: u32,
    },
    TooFewCpus {
        offered: u32,
    },
    SpotNotWanted,
    OnDemandNotWanted,
    ProviderForbidden,
    RegionForbidden,
    OverPriceCeiling {
        ceiling: Money,
    },
    OutOfStock,
    /// Tried in this launch already.
    Refused {
        reason: String,
    },
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongGpu { offered } => write!(f, "it has {offered}"),
            Self::TooFewGpus { offered } => write!(f, "it has {offered} GPU"),
            Self::TooLittleGpuMemory { offered_gib } => write!(f, "its GPU has {offered_gib} GiB"),
            Self::TooLittleMemory { offered_gib } => write!(f, "it has {offered_gib} GiB of memory"),
            Self::TooFewCpus { offered } => write!(f, "it has {offered} CPUs"),
            Self::SpotNotWanted => f.write_str("it is spot"),
            Self::OnDemandNotWanted => f.write_str("it is not spot"),
            Self::ProviderForbidden => f.write_str("its provider is not allowed"),
            Self::RegionForbidden => f.write_str("its region is not allowed"),
            Self::OverPriceCeiling { ceiling } => write!(f, "it costs more than {ceiling} an hour"),
            Self::OutOfStock => f.write_str("it is out of stock"),
            Self::Refused { reason } => write!(f, "it was refused: {reason}"),
        }
    }
}

/// Whether a user's word for a GPU means this one: case, spaces, dashes and the maker's name do not count.
/// `A100 80GB` means both PCIe and SXM; `A100 80GB SXM` means only that.
pub fn same_model(wanted: &str, model: &str, provider_id: &str) -> bool {
    Model::new(wanted).is(model, provider_id)
}

/// A user's word for a GPU, taken apart once.
#[derive(Debug)]
struct Model {
    words: Vec<String>,
    squeezed: String,
}

impl Model {
    fn new(wanted: &str) -> Self {
        let words = words(wanted);
        Self { squeezed: words.concat(), words }
    }

    fn is(&self, model: &str, provider_id: &str) -> bool {
        let matches = |text: &str| {
            let offered = words(text);
            self.words.iter().all(|word| offered.contains(word)) || offered.concat() == self.squeezed
        };
        !self.words.is_empty() && (matches(model) || matches(provider_id))
    }
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !matches!(*word, "nvidia" | "geforce" | "tesla" | "amd"))
        .map(str::to_owned)
        .collect()
}
