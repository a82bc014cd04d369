//! What the simulated Alibaba Cloud has to rent.
//!
//! Ids of instance types, regions and zones are the cloud's. **Prices and stock are synthetic**: plausible, never quoted
//! from anyone.

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) id: &'static str,
    pub(crate) family: &'static str,
    pub(crate) gpu: &'static str,
    pub(crate) gpus: u32,
    /// Of one GPU, in GiB.
    pub(crate) gpu_gib: f64,
    pub(crate) cpus: u32,
    pub(crate) memory_gib: f64,
    /// Synthetic: millionths of a yuan a second, on demand.
    pub(crate) rate: i64,
    /// Synthetic: in each zone that has it.
    pub(crate) stock: u32,
    pub(crate) zones: &'static [&'static str],
}

/// A region and its zones.
pub(crate) static REGIONS: [(&str, &[&str]); 5] = [
    ("cn-hangzhou", &["cn-hangzhou-h", "cn-hangzhou-i", "cn-hangzhou-j"]),
    ("cn-shanghai", &["cn-shanghai-l", "cn-shanghai-m"]),
    ("cn-beijing", &["cn-beijing-i", "cn-beijing-l"]),
    ("cn-shenzhen", &["cn-shenzhen-d", "cn-shenzhen-e"]),
    ("ap-southeast-1", &["ap-southeast-1a", "ap-southeast-1b"]),
];

const EVERYWHERE: &[&str] = &[
    "cn-hangzhou-i",
    "cn-hangzhou-j",
    "cn-shanghai-l",
    "cn-shanghai-m",
    "cn-beijing-i",
    "cn-beijing-l",
    "cn-shenzhen-d",
    "ap-southeast-1a",
];
const SOME: &[&str] = &["cn-hangzhou-i", "cn-shanghai-l", "cn-beijing-l", "ap-southeast-1b"];
const FEW: &[&str] = &["cn-hangzhou-j", "cn-beijing-l"];

pub(crate) static KINDS: [Kind; 12] = [
    kind("ecs.gn6i-c4g1.xlarge", "ecs.gn6i", "NVIDIA T4", 1, 14.9, 4, 15.0, 2_200, 40, EVERYWHERE),
    kind("ecs.gn6i-c8g1.2xlarge", "ecs.gn6i", "NVIDIA T4", 1, 14.9, 8, 31.0, 2_700, 40, EVERYWHERE),
    kind("ecs.gn6i-c24g1.12xlarge", "ecs.gn6i", "NVIDIA T4", 2, 14.9, 48, 186.0, 6_300, 10, SOME),
    kind("ecs.gn6v-c8g1.2xlarge", "ecs.gn6v", "NVIDIA V100", 1, 16.0, 8, 32.0, 5_800, 20, EVERYWHERE),
    kind("ecs.gn6v-c8g1.8xlarge", "ecs.gn6v", "NVIDIA V100", 4, 16.0, 32, 128.0, 23_200, 6, SOME),
    kind("ecs.gn7i-c8g1.2xlarge", "ecs.gn7i", "NVIDIA A10", 1, 24.0, 8, 30.0, 2_650, 40, EVERYWHERE),
    kind("ecs.gn7i-c16g1.4xlarge", "ecs.gn7i", "NVIDIA A10", 1, 24.0, 16, 60.0, 2_900, 40, EVERYWHERE),
    kind("ecs.gn7i-c32g1.16xlarge", "ecs.gn7i", "NVIDIA A10", 2, 24.0, 64, 376.0, 7_400, 10, SOME),
    kind("ecs.gn7-c12g1.3xlarge", "ecs.gn7", "NVIDIA A100", 1, 40.0, 12, 94.0, 9_100, 12, SOME),
    kind("ecs.gn7-c13g1.13xlarge", "ecs.gn7", "NVIDIA A100", 4, 40.0, 52, 378.0, 36_400, 4, FEW),
    kind("ecs.gn7e-c16g1.4xlarge", "ecs.gn7e", "NVIDIA A100", 1, 80.0, 16, 125.0, 9_700, 10, SOME),
    kind("ecs.gn7e-c16g1.16xlarge", "ecs.gn7e", "NVIDIA A100", 4, 80.0, 64, 500.0, 38_800, 4, FEW),
];

#[expect(clippy::too_many_arguments, reason = "a row of the table above")]
const fn kind(
    id: &'static str,
    family: &'static str,
    gpu: &'static str,
    gpus: u32,
    gpu_gib: f64,
    cpus: u32,
    memory_gib: f64,
    rate: i64,
    stock: u32,
    zones: &'static [&'static str],
) -> Kind {
    Kind { id, family, gpu, gpus, gpu_gib, cpus, memory_gib, rate, stock, zones }
}

pub(crate) fn find(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id)
}

/// The zones of a region; None: there is no such region.
pub(crate) fn zones(region: &str) -> Option<&'static [&'static str]> {
    REGIONS.iter().find(|(id, _)| *id == region).map(|(_, zones)| *zones)
}

pub(crate) fn region_of(zone: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(_, zones)| zones.contains(&zone)).map(|(id, _)| *id)
}
