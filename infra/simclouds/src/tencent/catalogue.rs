//! What the simulated Tencent Cloud has to rent.
//!
//! Names of instance types, regions and zones are the cloud's. **Prices and stock are synthetic**: plausible, never
//! quoted from anyone.

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) id: &'static str,
    pub(crate) family: &'static str,
    /// As the annotation of a super node's pod names it.
    pub(crate) gpu: &'static str,
    pub(crate) gpus: u32,
    /// Of one GPU, in GiB.
    pub(crate) gpu_gib: u32,
    pub(crate) cpus: u32,
    pub(crate) memory_gib: u32,
    /// Synthetic: millionths of a yuan a second, on demand.
    pub(crate) rate: i64,
    /// Synthetic: in each zone that has it.
    pub(crate) stock: u32,
    pub(crate) zones: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) id: &'static str,
    /// The number that labels of nodes have.
    pub(crate) number: &'static str,
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
}

const fn place(id: &'static str, number: &'static str, name: &'static str, region: &'static str) -> Zone {
    Zone { id, number, name, region }
}

pub(crate) static ZONES: [Zone; 7] = [
    place("ap-guangzhou-3", "100003", "广州三区", "ap-guangzhou"),
    place("ap-guangzhou-6", "100006", "广州六区", "ap-guangzhou"),
    place("ap-guangzhou-7", "100007", "广州七区", "ap-guangzhou"),
    place("ap-shanghai-2", "200002", "上海二区", "ap-shanghai"),
    place("ap-shanghai-4", "200004", "上海四区", "ap-shanghai"),
    place("ap-beijing-5", "800005", "北京五区", "ap-beijing"),
    place("ap-beijing-6", "800006", "北京六区", "ap-beijing"),
];

pub(crate) static REGIONS: [(&str, &str); 3] =
    [("ap-guangzhou", "华南地区(广州)"), ("ap-shanghai", "华东地区(上海)"), ("ap-beijing", "华北地区(北京)")];

const EVERYWHERE: &[&str] = &[
    "ap-guangzhou-3",
    "ap-guangzhou-6",
    "ap-guangzhou-7",
    "ap-shanghai-2",
    "ap-shanghai-4",
    "ap-beijing-5",
    "ap-beijing-6",
];
const SOME: &[&str] = &["ap-guangzhou-6", "ap-guangzhou-7", "ap-shanghai-4", "ap-beijing-6"];
const FEW: &[&str] = &["ap-guangzhou-6", "ap-shanghai-4"];

/// In each family the smallest first.
pub(crate) static KINDS: [Kind; 15] = [
    kind("GN7.2XLARGE32", "GN7", "T4", 1, 16, 8, 32, 2_300, 40, EVERYWHERE),
    kind("GN7.5XLARGE80", "GN7", "T4", 1, 16, 20, 80, 2_900, 30, EVERYWHERE),
    kind("GN7.10XLARGE160", "GN7", "T4", 2, 16, 40, 160, 5_800, 12, SOME),
    kind("GN7.20XLARGE320", "GN7", "T4", 4, 16, 80, 320, 11_600, 6, SOME),
    kind("GN10X.2XLARGE40", "GN10X", "V100", 1, 32, 8, 40, 4_900, 20, EVERYWHERE),
    kind("GN10X.9XLARGE160", "GN10X", "V100", 4, 32, 36, 160, 19_600, 6, SOME),
    kind("GN10X.18XLARGE320", "GN10X", "V100", 8, 32, 72, 320, 39_200, 3, FEW),
    kind("PNV4.7XLARGE116", "PNV4", "A10*PNV4", 1, 24, 28, 116, 3_600, 30, SOME),
    kind("PNV4.14XLARGE232", "PNV4", "A10*PNV4", 2, 24, 56, 232, 7_200, 10, SOME),
    kind("PNV4.28XLARGE466", "PNV4", "A10*PNV4", 4, 24, 112, 466, 14_400, 4, FEW),
    kind("GT4.4XLARGE96", "GT4", "A100", 1, 40, 16, 96, 8_400, 12, SOME),
    kind("GT4.8XLARGE192", "GT4", "A100", 2, 40, 32, 192, 16_800, 6, SOME),
    kind("GT4.20XLARGE474", "GT4", "A100", 4, 40, 82, 474, 33_600, 4, FEW),
    kind("GT4.41XLARGE948", "GT4", "A100", 8, 40, 164, 948, 67_200, 2, FEW),
    kind("SA5.2XLARGE16", "SA5", "", 0, 0, 8, 16, 310, 200, EVERYWHERE),
];

#[expect(clippy::too_many_arguments, reason = "a row of the table above")]
const fn kind(
    id: &'static str,
    family: &'static str,
    gpu: &'static str,
    gpus: u32,
    gpu_gib: u32,
    cpus: u32,
    memory_gib: u32,
    rate: i64,
    stock: u32,
    zones: &'static [&'static str],
) -> Kind {
    Kind { id, family, gpu, gpus, gpu_gib, cpus, memory_gib, rate, stock, zones }
}

pub(crate) fn find(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id)
}

pub(crate) fn zone(id: &str) -> Option<&'static Zone> {
    ZONES.iter().find(|zone| zone.id == id || zone.number == id)
}

pub(crate) fn zones(region: &str) -> impl Iterator<Item = &'static Zone> {
    ZONES.iter().filter(move |zone| zone.region == region)
}
