//! The part of RunPod's GraphQL schema that is simulated: which type has which fields, and the inputs.

use serde::Deserialize;

/// What a field holds: a scalar, or an object of the named type (or a list of them).
pub(crate) type Field = (&'static str, Option<&'static str>);

pub(crate) fn fields(object: &str) -> &'static [Field] {
    match object {
        "Query" => &[("pod", Some("Pod")), ("myself", Some("User")), ("gpuTypes", Some("GpuType"))],
        "Mutation" => &[
            ("podFindAndDeployOnDemand", Some("Pod")),
            ("podRentInterruptable", Some("Pod")),
            ("podStop", Some("Pod")),
            ("podResume", Some("Pod")),
            ("podBidResume", Some("Pod")),
            ("podTerminate", None),
        ],
        "User" => &[
            ("id", None),
            ("pubKey", None),
            ("clientBalance", None),
            ("currentSpendPerHr", None),
            ("networkVolumes", Some("NetworkVolume")),
            ("pods", Some("Pod")),
        ],
        "NetworkVolume" => &[("id", None), ("name", None), ("size", None), ("dataCenterId", None)],
        "Pod" => &[
            ("id", None),
            ("bidPerGpu", None),
            ("containerDiskInGb", None),
            ("costPerHr", None),
            ("createdAt", None),
            ("desiredStatus", None),
            ("dockerArgs", None),
            ("dockerId", None),
            ("env", None),
            ("gpuCount", None),
            ("imageName", None),
            ("lastStartedAt", None),
            ("lastStatusChange", None),
            ("machineId", None),
            ("memoryInGb", None),
            ("name", None),
            ("podType", None),
            ("port", None),
            ("ports", None),
            ("templateId", None),
            ("uptimeSeconds", None),
            ("vcpuCount", None),
            ("volumeInGb", None),
            ("volumeMountPath", None),
            ("runtime", Some("PodRuntime")),
            ("machine", Some("PodMachineInfo")),
        ],
        "PodRuntime" => &[("uptimeInSeconds", None), ("ports", Some("PodRuntimePorts"))],
        "PodRuntimePorts" => {
            &[("ip", None), ("isIpPublic", None), ("privatePort", None), ("publicPort", None), ("type", None)]
        }
        "PodMachineInfo" => &[
            ("gpuDisplayName", None),
            ("gpuTypeId", None),
            ("podHostId", None),
            ("dataCenterId", None),
            ("secureCloud", None),
        ],
        "GpuType" => &[
            ("id", None),
            ("displayName", None),
            ("manufacturer", None),
            ("memoryInGb", None),
            ("cudaCores", None),
            ("maxGpuCount", None),
            ("maxGpuCountSecureCloud", None),
            ("maxGpuCountCommunityCloud", None),
            ("secureCloud", None),
            ("communityCloud", None),
            ("securePrice", None),
            ("communityPrice", None),
            ("oneWeekPrice", None),
            ("oneMonthPrice", None),
            ("threeMonthPrice", None),
            ("secureSpotPrice", None),
            ("communitySpotPrice", None),
            ("lowestPrice", Some("LowestPrice")),
        ],
        "LowestPrice" => &[
            ("gpuName", None),
            ("gpuTypeId", None),
            ("minimumBidPrice", None),
            ("uninterruptablePrice", None),
            ("stockStatus", None),
            ("totalCount", None),
            ("rentedCount", None),
            ("maxUnreservedGpuCount", None),
        ],
        _ => &[],
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodInput {
    pub(crate) pod_id: String,
    pub(crate) gpu_count: Option<u32>,
    pub(crate) bid_per_gpu: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GpuTypesInput {
    pub(crate) id: Option<String>,
    pub(crate) ids: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct LowestPriceInput {
    pub(crate) gpu_count: Option<u32>,
    pub(crate) secure_cloud: Option<bool>,
    pub(crate) data_center_id: Option<String>,
    pub(crate) country_code: Option<String>,
    /// Every simulated machine has enough of these.
    #[serde(rename = "minMemoryInGb")]
    pub(crate) _min_memory: Option<u32>,
    #[serde(rename = "minVcpuCount")]
    pub(crate) _min_vcpu: Option<u32>,
    #[serde(rename = "minDisk")]
    pub(crate) _min_disk: Option<u32>,
    #[serde(rename = "totalDisk")]
    pub(crate) _total_disk: Option<u32>,
    #[serde(rename = "supportPublicIp")]
    pub(crate) _public_ip: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) enum CloudType {
    #[serde(rename = "ALL")]
    All,
    #[serde(rename = "SECURE")]
    Secure,
    #[serde(rename = "COMMUNITY")]
    Community,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvEntry {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What both mutations that rent take; `bidPerGpu` is of the interruptable one only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RentInput {
    pub(crate) bid_per_gpu: Option<f64>,
    pub(crate) name: Option<String>,
    pub(crate) image_name: Option<String>,
    pub(crate) docker_args: Option<String>,
    pub(crate) env: Option<Vec<EnvEntry>>,
    pub(crate) ports: Option<String>,
    pub(crate) cloud_type: Option<CloudType>,
    pub(crate) gpu_type_id: Option<String>,
    pub(crate) gpu_type_id_list: Option<Vec<String>>,
    pub(crate) gpu_count: Option<u32>,
    pub(crate) data_center_id: Option<String>,
    pub(crate) country_code: Option<String>,
    pub(crate) container_disk_in_gb: Option<u32>,
    pub(crate) volume_in_gb: Option<u32>,
    pub(crate) volume_mount_path: Option<String>,
    pub(crate) template_id: Option<String>,
    pub(crate) network_volume_id: Option<String>,
    pub(crate) container_registry_auth_id: Option<String>,
    pub(crate) allowed_cuda_versions: Option<Vec<String>>,
    pub(crate) min_cuda_version: Option<String>,
    pub(crate) stop_after: Option<String>,
    pub(crate) terminate_after: Option<String>,
    /// Every simulated machine has enough of these, and none of them does anything.
    #[serde(rename = "minVcpuCount")]
    pub(crate) _min_vcpu: Option<u32>,
    #[serde(rename = "minMemoryInGb")]
    pub(crate) _min_memory: Option<u32>,
    #[serde(rename = "minDisk")]
    pub(crate) _min_disk: Option<u32>,
    #[serde(rename = "minDownload")]
    pub(crate) _min_download: Option<u32>,
    #[serde(rename = "minUpload")]
    pub(crate) _min_upload: Option<u32>,
    #[serde(rename = "startSsh")]
    pub(crate) _start_ssh: Option<bool>,
    #[serde(rename = "startJupyter")]
    pub(crate) _start_jupyter: Option<bool>,
    #[serde(rename = "supportPublicIp")]
    pub(crate) _public_ip: Option<bool>,
}
