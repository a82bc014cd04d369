//! Where a pod may run: the GPU that its annotations or its node selector name, in the zones that it accepts.

use super::job;
use crate::tencent::catalogue::{self, KINDS};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) const GPU_TYPE: &str = "eks.tke.cloud.tencent.com/gpu-type";
pub(crate) const GPU_COUNT: &str = "eks.tke.cloud.tencent.com/gpu-count";
const CPUS: &str = "eks.tke.cloud.tencent.com/cpu";
const MEMORY: &str = "eks.tke.cloud.tencent.com/mem";
pub(crate) const SPOT: &str = "eks.tke.cloud.tencent.com/spot-pod";
const TAGS: &str = "eks.tke.cloud.tencent.com/resource-tag";
const ZONES: [&str; 2] = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
const KIND: &str = "node.kubernetes.io/instance-type";
const SUPER_NODE: &str = "eklet";

/// What a pod accepts, best first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) zones: Vec<&'static str>,
}

/// What the bill of the pod is tagged with.
pub(crate) fn tags(pod: &Value) -> BTreeMap<String, String> {
    let said = pod["metadata"]["annotations"][TAGS].as_str();
    said.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

pub(crate) fn spot(pod: &Value) -> bool {
    pod["metadata"]["annotations"][SPOT] == "true"
}

/// How many GPUs the pod gets.
pub(crate) fn gpus(pod: &Value) -> u32 {
    let said = pod["metadata"]["annotations"][GPU_COUNT].as_str().and_then(|text| text.parse().ok());
    match job::gpus(&pod["spec"]) {
        0 => said.unwrap_or(0),
        limit => limit,
    }
}

/// Err: why there is no such place at all.
pub(crate) fn need(pod: &Value, region: &str) -> Result<Need, String> {
    let spec = &pod["spec"];
    let zones = zones(spec, region)?;
    let count = gpus(pod);
    let notes = &pod["metadata"]["annotations"];
    if let Some(said) = notes[GPU_COUNT].as_str()
        && said.parse() != Ok(count)
    {
        return Err(format!("annotation {GPU_COUNT} {said:?} does not match nvidia.com/gpu {count}"));
    }
    let mut kinds = Vec::new();
    if let Some(wanted) = notes[GPU_TYPE].as_str() {
        for gpu in wanted.split(',').map(str::trim) {
            if !KINDS.iter().any(|kind| kind.gpu == gpu && !gpu.is_empty()) {
                return Err(format!("unsupported gpu-type {gpu:?}"));
            }
            kinds.extend(specification(gpu, count, pod));
        }
        if kinds.is_empty() {
            return Err(format!(
                "no specification of {wanted} has {count} GPUs with the resources asked for"
            ));
        }
    } else if count == 0 {
        kinds.extend(KINDS.iter().filter(|kind| kind.gpus == 0).map(|kind| kind.id));
    }
    let selected = labels(spec, KIND);
    if let Some(wanted) = selected.filter(|ids| !ids.iter().any(|id| id == SUPER_NODE)) {
        if kinds.is_empty() {
            kinds = wanted.iter().filter_map(|id| catalogue::find(id)).map(|kind| kind.id).collect();
        } else {
            kinds.retain(|kind| wanted.iter().any(|id| id == kind));
        }
        kinds.retain(|kind| catalogue::find(kind).is_some_and(|kind| kind.gpus >= count));
        if kinds.is_empty() {
            return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
        }
    }
    if kinds.is_empty() {
        return Err(format!("a pod with nvidia.com/gpu on a super node needs the annotation {GPU_TYPE}"));
    }
    Ok(Need { kinds, zones })
}

/// The one that the annotations name by CPUs and memory, or the smallest that has what is requested. A larger one, and
/// dearer, is not given instead when that is sold out.
fn specification(gpu: &str, count: u32, pod: &Value) -> Option<&'static str> {
    let (spec, notes) = (&pod["spec"], &pod["metadata"]["annotations"]);
    let named = |name: &str| notes[name].as_str().map(str::to_owned);
    let sum = |name: &str| {
        let each = spec["containers"].as_array().into_iter().flatten();
        let each =
            each.filter_map(|one| super::names::quantity(one["resources"]["requests"][name].as_str()?));
        each.sum::<f64>()
    };
    let (cpus, memory) = (sum("cpu"), sum("memory") / 1_073_741_824.0);
    let mut fits = KINDS.iter().filter(|kind| {
        kind.gpu == gpu
            && kind.gpus == count
            && cpus <= f64::from(kind.cpus)
            && memory <= f64::from(kind.memory_gib)
            && named(CPUS).is_none_or(|text| text == kind.cpus.to_string())
            && named(MEMORY).is_none_or(|text| text == format!("{}Gi", kind.memory_gib))
    });
    fits.next().map(|kind| kind.id)
}

fn zones(spec: &Value, region: &str) -> Result<Vec<&'static str>, String> {
    let wanted = ZONES.iter().find_map(|label| labels(spec, label));
    let all = catalogue::zones(region);
    let zones: Vec<&'static str> = all
        .filter(|zone| {
            wanted.as_ref().is_none_or(|ids| ids.iter().any(|id| id == zone.id || id == zone.number))
        })
        .map(|zone| zone.id)
        .collect();
    if zones.is_empty() {
        return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    Ok(zones)
}

/// What the selector, or a required affinity, accepts for a label.
fn labels(spec: &Value, label: &str) -> Option<Vec<String>> {
    if let Some(one) = spec["nodeSelector"][label].as_str() {
        return Some(vec![one.to_owned()]);
    }
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    let matching = terms.as_array()?.iter().filter_map(|term| term["matchExpressions"].as_array());
    let wanted = matching.flatten().find(|one| one["key"] == label && one["operator"] == "In")?;
    let values = wanted["values"].as_array()?.iter();
    Some(values.filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(gpu: &str, count: &str, selector: Value) -> Value {
        json!({
            "metadata": {"annotations": {GPU_TYPE: gpu}},
            "spec": {
                "nodeSelector": selector,
                "containers": [{"resources": {"limits": {"nvidia.com/gpu": count}, "requests": {"cpu": "4"}}}],
            },
        })
    }

    #[test]
    fn the_first_type_asked_for_comes_first() {
        let need = need(&pod("V100,T4", "1", json!({})), "ap-guangzhou").unwrap();
        assert_eq!(need.kinds, ["GN10X.2XLARGE40", "GN7.2XLARGE32"]);
        assert_eq!(need.zones.len(), 3);
    }

    #[test]
    fn cpus_and_memory_name_the_specification() {
        let mut large = pod("T4", "1", json!({}));
        large["metadata"]["annotations"][CPUS] = "20".into();
        large["metadata"]["annotations"][MEMORY] = "80Gi".into();
        assert_eq!(need(&large, "ap-guangzhou").unwrap().kinds, ["GN7.5XLARGE80"]);
        large["metadata"]["annotations"][MEMORY] = "81Gi".into();
        assert!(need(&large, "ap-guangzhou").is_err());
    }

    #[test]
    fn a_zone_has_a_name_and_a_number() {
        for zone in ["ap-guangzhou-6", "100006"] {
            let selector = json!({"topology.kubernetes.io/zone": zone});
            assert_eq!(need(&pod("T4", "2", selector), "ap-guangzhou").unwrap().zones, ["ap-guangzhou-6"]);
        }
        let abroad = json!({"topology.kubernetes.io/zone": "ap-beijing-6"});
        assert!(need(&pod("T4", "1", abroad), "ap-guangzhou").is_err());
    }

    #[test]
    fn what_nobody_has_is_not_scheduled() {
        assert!(need(&pod("H999", "1", json!({})), "ap-guangzhou").unwrap_err().contains("H999"));
        assert!(need(&pod("T4", "3", json!({})), "ap-guangzhou").is_err());
    }
}
