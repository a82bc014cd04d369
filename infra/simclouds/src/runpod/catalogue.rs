//! What the simulated RunPod has to rent.
//!
//! Model ids and data centre ids are RunPod's. **Prices and stock are synthetic**: plausible, never quoted from anyone.

use crate::ledger::Micros;
use serde::{Deserialize, Serialize};

/// Who owns the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Tier {
    Secure,
    Community,
}

/// A figure for each owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Each<T> {
    pub(crate) secure: T,
    pub(crate) community: T,
}

impl<T: Copy> Each<T> {
    pub(crate) fn of(&self, tier: Tier) -> T {
        match tier {
            Tier::Secure => self.secure,
            Tier::Community => self.community,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// RunPod's serverless pool.
    pub(crate) pool: Option<&'static str>,
    pub(crate) memory_gb: u32,
    pub(crate) cuda_cores: u32,
    /// Synthetic, on demand, an hour, a GPU. No price: not offered there.
    pub(crate) price: Each<Micros>,
    /// Synthetic lowest bid that gets a spot GPU, an hour, a GPU.
    pub(crate) floor: Each<Micros>,
    /// GPUs in the largest machine.
    pub(crate) max_count: Each<u32>,
    /// GPUs in each data centre that has the model.
    pub(crate) stock: Each<u32>,
    /// Indices into [`DATA_CENTRES`].
    pub(crate) places: &'static [usize],
}

impl Gpu {
    pub(crate) fn offered(&self, tier: Tier) -> bool {
        self.max_count.of(tier) > 0
    }
}

#[derive(Debug)]
pub(crate) struct DataCentre {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
    pub(crate) country: &'static str,
    pub(crate) global_network: bool,
    pub(crate) volumes: &'static [&'static str],
    pub(crate) compliance: &'static [&'static str],
}

/// The CUDA version that every simulated machine reports.
pub(crate) const CUDA: &str = "12.8";

pub(crate) static DATA_CENTRES: [DataCentre; 8] = [
    place("US-KS-2", "US Kansas 2", "NORTH_AMERICA", "US", true, &["STANDARD"], &["SOC_2_TYPE_2"]),
    place("US-TX-3", "US Texas 3", "NORTH_AMERICA", "US", true, &["STANDARD"], &["SOC_2_TYPE_2", "HIPAA"]),
    place("US-CA-2", "US California 2", "NORTH_AMERICA", "US", true, &["STANDARD", "HIGH_PERFORMANCE"], &[]),
    place("CA-MTL-3", "CA Montreal 3", "NORTH_AMERICA", "CA", true, &["STANDARD"], &["SOC_2_TYPE_2"]),
    place("EU-RO-1", "EU Romania 1", "EUROPE", "RO", true, &["STANDARD"], &["GDPR", "ISO_IEC_27001"]),
    place("EU-SE-1", "EU Sweden 1", "EUROPE", "SE", true, &["STANDARD"], &["GDPR"]),
    place("EUR-IS-1", "EUR Iceland 1", "EUROPE", "IS", true, &["STANDARD"], &["GDPR", "RENEWABLE"]),
    place("AP-JP-1", "AP Japan 1", "ASIA", "JP", false, &[], &[]),
];

const fn place(
    id: &'static str,
    name: &'static str,
    region: &'static str,
    country: &'static str,
    global_network: bool,
    volumes: &'static [&'static str],
    compliance: &'static [&'static str],
) -> DataCentre {
    DataCentre { id, name, region, country, global_network, volumes, compliance }
}

pub(crate) static GPUS: [Gpu; 13] = [
    Gpu {
        id: "NVIDIA GeForce RTX 4090",
        name: "RTX 4090",
        pool: Some("ADA_24"),
        memory_gb: 24,
        cuda_cores: 16_384,
        price: cents(69, 34),
        floor: cents(35, 20),
        max_count: each(8, 8),
        stock: each(48, 24),
        places: &[0, 1, 3, 4, 5, 6],
    },
    Gpu {
        id: "NVIDIA GeForce RTX 3090",
        name: "RTX 3090",
        pool: Some("AMPERE_24"),
        memory_gb: 24,
        cuda_cores: 10_496,
        price: cents(46, 22),
        floor: cents(25, 13),
        max_count: each(8, 4),
        stock: each(16, 32),
        places: &[0, 3, 5],
    },
    Gpu {
        id: "NVIDIA GeForce RTX 5090",
        name: "RTX 5090",
        pool: Some("BLACKWELL_32"),
        memory_gb: 32,
        cuda_cores: 21_760,
        price: cents(94, 69),
        floor: cents(53, 40),
        max_count: each(8, 4),
        stock: each(16, 8),
        places: &[1, 4, 6],
    },
    Gpu {
        id: "NVIDIA RTX A4000",
        name: "RTX A4000",
        pool: Some("AMPERE_16"),
        memory_gb: 16,
        cuda_cores: 6_144,
        price: cents(25, 17),
        floor: cents(16, 9),
        max_count: each(8, 4),
        stock: each(32, 16),
        places: &[3, 4, 5],
    },
    Gpu {
        id: "NVIDIA RTX A5000",
        name: "RTX A5000",
        pool: Some("AMPERE_24"),
        memory_gb: 24,
        cuda_cores: 8_192,
        price: cents(27, 16),
        floor: cents(17, 10),
        max_count: each(8, 8),
        stock: each(32, 16),
        places: &[0, 4, 5],
    },
    Gpu {
        id: "NVIDIA RTX A6000",
        name: "RTX A6000",
        pool: Some("AMPERE_48"),
        memory_gb: 48,
        cuda_cores: 10_752,
        price: cents(49, 33),
        floor: cents(28, 19),
        max_count: each(8, 8),
        stock: each(32, 16),
        places: &[0, 2, 4, 6],
    },
    Gpu {
        id: "NVIDIA A40",
        name: "A40",
        pool: Some("AMPERE_48"),
        memory_gb: 48,
        cuda_cores: 10_752,
        price: cents(40, 0),
        floor: cents(24, 0),
        max_count: each(10, 0),
        stock: each(60, 0),
        places: &[3, 4, 5],
    },
    Gpu {
        id: "NVIDIA L4",
        name: "L4",
        pool: Some("AMPERE_24"),
        memory_gb: 24,
        cuda_cores: 7_424,
        price: cents(43, 29),
        floor: cents(22, 15),
        max_count: each(8, 2),
        stock: each(32, 4),
        places: &[2, 4, 7],
    },
    Gpu {
        id: "NVIDIA L40S",
        name: "L40S",
        pool: Some("ADA_48_PRO"),
        memory_gb: 48,
        cuda_cores: 18_176,
        price: cents(86, 79),
        floor: cents(48, 43),
        max_count: each(8, 4),
        stock: each(32, 8),
        places: &[1, 2, 4, 5],
    },
    Gpu {
        id: "NVIDIA A100 80GB PCIe",
        name: "A100 PCIe",
        pool: Some("AMPERE_80"),
        memory_gb: 80,
        cuda_cores: 6_912,
        price: cents(164, 119),
        floor: cents(82, 60),
        max_count: each(8, 8),
        stock: each(24, 8),
        places: &[0, 3, 4, 6],
    },
    Gpu {
        id: "NVIDIA A100-SXM4-80GB",
        name: "A100 SXM",
        pool: Some("AMPERE_80"),
        memory_gb: 80,
        cuda_cores: 6_912,
        price: cents(174, 139),
        floor: cents(95, 79),
        max_count: each(8, 8),
        stock: each(16, 8),
        places: &[0, 1, 2],
    },
    Gpu {
        id: "NVIDIA H100 PCIe",
        name: "H100 PCIe",
        pool: Some("ADA_80_PRO"),
        memory_gb: 80,
        cuda_cores: 14_592,
        price: cents(239, 199),
        floor: cents(135, 125),
        max_count: each(8, 8),
        stock: each(16, 8),
        places: &[0, 3, 6],
    },
    Gpu {
        id: "NVIDIA H100 80GB HBM3",
        name: "H100 SXM",
        pool: Some("ADA_80_PRO"),
        memory_gb: 80,
        cuda_cores: 16_896,
        price: cents(299, 269),
        floor: cents(175, 150),
        max_count: each(8, 8),
        stock: each(16, 8),
        places: &[1, 2, 7],
    },
];

const fn each(secure: u32, community: u32) -> Each<u32> {
    Each { secure, community }
}

const fn cents(secure: i64, community: i64) -> Each<Micros> {
    Each { secure: Micros(secure * 10_000), community: Micros(community * 10_000) }
}

pub(crate) fn gpu(id: &str) -> Option<&'static Gpu> {
    GPUS.iter().find(|gpu| gpu.id == id)
}

pub(crate) fn data_centre(id: &str) -> Option<&'static DataCentre> {
    DATA_CENTRES.iter().find(|place| place.id == id)
}

/// GPUs of one model in one data centre.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) gpu: String,
    pub(crate) data_center: String,
    pub(crate) secure: u32,
    pub(crate) community: u32,
}

impl Shelf {
    pub(crate) fn total(&self, tier: Tier) -> u32 {
        match tier {
            Tier::Secure => self.secure,
            Tier::Community => self.community,
        }
    }
}

/// The stock at first start.
pub(crate) fn shelves() -> Vec<Shelf> {
    let each = GPUS.iter().flat_map(|gpu| {
        gpu.places.iter().map(|at| Shelf {
            gpu: gpu.id.to_owned(),
            data_center: DATA_CENTRES[*at].id.to_owned(),
            secure: gpu.stock.secure,
            community: gpu.stock.community,
        })
    });
    each.collect()
}

/// RunPod's word for how much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Availability {
    None,
    Low,
    Medium,
    High,
}

impl Availability {
    /// `free` of `total`, when `count` are wanted on one machine.
    pub(crate) fn of(free: u32, total: u32, count: u32) -> Self {
        if free < count || total == 0 {
            Self::None
        } else if free * 4 <= total {
            Self::Low
        } else if free * 2 <= total {
            Self::Medium
        } else {
            Self::High
        }
    }
}
