//! What a submission says, and what it means where it says nothing.

use std::{collections::BTreeMap, fmt};

use domain::job::{FieldError, Limits, SealedText, Spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Priority, RetryOn, Spot, Strategy};
use crate::money::Price;

const GPUS: u32 = 1;
const DISK_GIB: u32 = 20;
/// A day: a command that hangs costs its owner a day at most, and what is known to take longer says so.
const TIMEOUT_SECONDS: u32 = 86_400;
const QUEUE_TIMEOUT_SECONDS: u32 = 86_400;

/// A new job. Only `image` and `command` are required.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "fine-tune",
    "image": "docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime",
    "command": ["python", "train.py", "--epochs", "3"],
    "env": {"MODEL": "tiny"},
    "secret_env": {"HUB_TOKEN": "not-a-real-token"},
    "secrets": {"HF_TOKEN": "hf"},
    "gpu": {"model": "RTX 4090", "count": 1},
    "max_price_per_hour": {"amount": "0.80", "currency": "USD"},
    "spot": "prefer",
    "timeout_seconds": 7200,
    "tags": {"team": "research"}
}))]
pub struct SubmitJob {
    /// One line, up to 128 characters. Without one the job is named after its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// A container image reference: `[registry/]name[:tag][@digest]`.
    #[schema(max_length = 512)]
    pub image: String,
    /// The program and its arguments; each is one word, no shell splits them.
    #[schema(min_items = 1, max_items = 1024)]
    pub command: Vec<String>,
    /// The command's environment. Names that begin with `GPU_` belong to the platform.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// As `env`, but each value is encrypted, is given to the command alone, and is never shown again.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub secret_env: BTreeMap<String, SecretText>,
    /// Named secrets of the owner: a variable's name with a secret's name, or a list where both are the same. The command
    /// gets the value that the secret has when it starts.
    #[serde(default)]
    pub secrets: SecretNames,
    #[serde(default)]
    pub gpu: GpuNeed,
    /// At least that many virtual CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1024)]
    pub cpus: Option<u32>,
    /// At least that much main memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 16384)]
    pub memory_gib: Option<u32>,
    /// Disk of the container.
    #[serde(default = "disk_gib")]
    #[schema(minimum = 1, maximum = 16384, default = 20)]
    pub disk_gib: u32,
    #[serde(default = "spot")]
    #[schema(default = "never")]
    pub spot: Spot,
    /// Offers above it are not taken, nor those in another currency. Without it there is no ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price_per_hour: Option<Price>,
    /// What all its attempts together may cost; reached, it ends the job. Another currency is converted at the platform's
    /// rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Price>,
    #[serde(default = "strategy")]
    #[schema(default = "cost")]
    pub strategy: Strategy,
    /// Their offers go first.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub preferred_providers: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub forbidden_providers: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub preferred_regions: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub forbidden_regions: Vec<String>,
    /// How long the command may run, counted from its start; then it gets SIGTERM, and SIGKILL 30 seconds later.
    #[serde(default = "timeout_seconds")]
    #[schema(minimum = 1, maximum = 2_592_000, default = 86_400)]
    pub timeout_seconds: u32,
    /// How long the job may look for capacity.
    #[serde(default = "queue_timeout_seconds")]
    #[schema(minimum = 1, maximum = 2_592_000, default = 86_400)]
    pub queue_timeout_seconds: u32,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default = "priority")]
    #[schema(default = "normal")]
    pub priority: Priority,
    /// Words to find the job by, up to 50.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Any JSON, kept and returned; up to 16 KiB.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
}

/// The GPUs of a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuNeed {
    /// A model such as `RTX 4090` or `A100 80GB`; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many on one machine.
    #[serde(default = "gpus")]
    #[schema(minimum = 1, maximum = 16, default = 1)]
    pub count: u32,
    /// The least memory of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1024)]
    pub memory_gib: Option<u32>,
}

impl Default for GpuNeed {
    fn default() -> Self {
        Self { model: None, count: GPUS, memory_gib: None }
    }
}

/// When a finished attempt is followed by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"max_attempts": 3, "on": ["preemption", "lost_instance"], "exit_codes": [], "backoff_seconds": 5}))]
pub struct Retry {
    /// Attempts in all, the first included.
    #[schema(minimum = 1, maximum = 20, default = 3)]
    pub max_attempts: u32,
    /// Causes that lead to another attempt; by default the loss of the machine and nothing that the program did.
    pub on: Vec<RetryOn>,
    /// With `exit_code`: the codes that are worth another try; none means every code but 0.
    pub exit_codes: Vec<i32>,
    /// Seconds before the second attempt, doubled for each further one up to an hour.
    #[schema(minimum = 0, maximum = 3600, default = 5)]
    pub backoff_seconds: u32,
}

impl Default for Retry {
    fn default() -> Self {
        domain::job::Retry::default().into()
    }
}

impl From<domain::job::Retry> for Retry {
    fn from(retry: domain::job::Retry) -> Self {
        Self {
            max_attempts: retry.max_attempts,
            on: retry.on.into_iter().map(Into::into).collect(),
            exit_codes: retry.exit_codes,
            backoff_seconds: retry.backoff_seconds,
        }
    }
}

impl From<Retry> for domain::job::Retry {
    fn from(retry: Retry) -> Self {
        Self {
            max_attempts: retry.max_attempts,
            on: retry.on.into_iter().map(Into::into).collect(),
            exit_codes: retry.exit_codes,
            backoff_seconds: retry.backoff_seconds,
        }
    }
}

/// The named secrets of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected names of secrets: an object such as {\"HF_TOKEN\": \"hf\"}, or a list"
)]
pub enum SecretNames {
    /// A variable's name with a secret's name.
    Variables(BTreeMap<String, String>),
    /// The secret's name is the variable's too.
    List(Vec<String>),
}

impl Default for SecretNames {
    fn default() -> Self {
        Self::Variables(BTreeMap::new())
    }
}

impl SecretNames {
    fn into_variables(self) -> BTreeMap<String, String> {
        match self {
            Self::Variables(variables) => variables,
            Self::List(names) => names.into_iter().map(|name| (name.clone(), name)).collect(),
        }
    }
}

/// A value on its way to being sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn gpus() -> u32 {
    GPUS
}

fn disk_gib() -> u32 {
    DISK_GIB
}

fn timeout_seconds() -> u32 {
    TIMEOUT_SECONDS
}

fn queue_timeout_seconds() -> u32 {
    QUEUE_TIMEOUT_SECONDS
}

pub(crate) fn spot() -> Spot {
    domain::job::Spot::default().into()
}

pub(crate) fn strategy() -> Strategy {
    domain::job::Strategy::default().into()
}

fn priority() -> Priority {
    domain::job::Priority::default().into()
}

/// `docker.io/library/python:3.12` becomes `python`.
fn name_of(image: &str) -> String {
    let without_digest = image.split('@').next().unwrap_or_default();
    let last = without_digest.rsplit('/').next().unwrap_or_default();
    let name: String = last.split(':').next().unwrap_or_default().chars().take(Limits::NAME_CHARS).collect();
    if name.is_empty() { "job".to_owned() } else { name }
}

impl SubmitJob {
    /// A submission that says no more than it must.
    pub fn new(image: impl Into<String>, command: Vec<String>) -> Self {
        Self {
            name: None,
            description: None,
            image: image.into(),
            command,
            env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            secrets: SecretNames::default(),
            gpu: GpuNeed::default(),
            cpus: None,
            memory_gib: None,
            disk_gib: DISK_GIB,
            spot: spot(),
            max_price_per_hour: None,
            max_cost: None,
            strategy: strategy(),
            preferred_providers: Vec::new(),
            forbidden_providers: Vec::new(),
            preferred_regions: Vec::new(),
            forbidden_regions: Vec::new(),
            timeout_seconds: TIMEOUT_SECONDS,
            queue_timeout_seconds: QUEUE_TIMEOUT_SECONDS,
            retry: Retry::default(),
            priority: priority(),
            tags: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// The specification, whose secrets have names but no values yet, and the values to seal into it; or everything that
    /// is wrong, in the order of the fields.
    pub fn read(self) -> Result<(Spec, BTreeMap<String, String>), Vec<FieldError>> {
        let mut errors = Vec::new();
        let max_price_per_hour =
            self.max_price_per_hour.as_ref().map(|price| price.read("max_price_per_hour")).transpose();
        let max_price_per_hour = max_price_per_hour.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let max_cost = self.max_cost.as_ref().map(|price| price.read("max_cost")).transpose();
        let max_cost = max_cost.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let secrets: BTreeMap<String, String> =
            self.secret_env.into_iter().map(|(name, SecretText(value))| (name, value)).collect();
        check_secrets(&secrets, &mut errors);
        let spec = Spec {
            name: self.name.unwrap_or_else(|| name_of(&self.image)),
            description: self.description.filter(|text| !text.is_empty()),
            image: self.image,
            command: self.command,
            env: self.env,
            secret_env: secrets.keys().map(|name| (name.clone(), SealedText(String::new()))).collect(),
            secrets: self.secrets.into_variables(),
            gpu: domain::job::GpuNeed {
                model: self.gpu.model,
                count: self.gpu.count,
                memory_gib: self.gpu.memory_gib,
            },
            cpus: self.cpus,
            memory_gib: self.memory_gib,
            disk_gib: self.disk_gib,
            spot: self.spot.into(),
            max_price_per_hour,
            max_cost,
            strategy: self.strategy.into(),
            preferred_providers: self.preferred_providers,
            forbidden_providers: self.forbidden_providers,
            preferred_regions: self.preferred_regions,
            forbidden_regions: self.forbidden_regions,
            timeout_seconds: self.timeout_seconds,
            queue_timeout_seconds: self.queue_timeout_seconds,
            retry: self.retry.into(),
            priority: self.priority.into(),
            tags: self.tags,
            metadata: self.metadata,
        };
        errors.splice(0..0, spec.check());
        if errors.is_empty() { Ok((spec, secrets)) } else { Err(errors) }
    }
}

/// What the domain cannot check, because it only ever sees sealed values.
fn check_secrets(secrets: &BTreeMap<String, String>, errors: &mut Vec<FieldError>) {
    let bytes: usize = secrets.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > Limits::ENV_BYTES {
        errors
            .push(FieldError::new("secret_env", format!("has {bytes} bytes; at most {}", Limits::ENV_BYTES)));
    }
    if secrets.values().any(|value| value.contains('\0')) {
        errors.push(FieldError::new("secret_env", "contains a NUL character"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<(Spec, BTreeMap<String, String>), Vec<String>> {
        let job: SubmitJob = serde_json::from_value(body).expect("a body of the right shape");
        job.read().map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn image_and_command_are_enough() {
        let (spec, secrets) =
            read(json!({"image": "docker.io/library/python:3.12", "command": ["python"]})).unwrap();
        assert_eq!(spec.name, "python");
        assert_eq!((spec.gpu.count, spec.disk_gib, spec.timeout_seconds), (1, 20, 86_400));
        assert_eq!(spec.retry, domain::job::Retry::default());
        assert!(secrets.is_empty());
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let fields = read(json!({
            "name": "a\u{202e}b",
            "image": "x".repeat(100_000),
            "command": ["y".repeat(100_000)],
            "env": {"GPU_X": "1", "2": ""},
            "secret_env": {"TOKEN": "a\u{0}b"},
            "gpu": {"count": 0},
            "timeout_seconds": 0,
            "max_price_per_hour": {"amount": "-1", "currency": "USD"},
            "tags": {"a\nb": ""}
        }))
        .unwrap_err();
        for field in [
            "name",
            "image",
            "command",
            "env.GPU_X",
            "env.2",
            "secret_env",
            "gpu.count",
            "timeout_seconds",
            "max_price_per_hour.amount",
            "tags.ab",
        ] {
            assert!(fields.iter().any(|f| f == field), "{field} is missing in {fields:?}");
        }
    }

    #[test]
    fn secrets_are_named_by_an_object_or_a_list() {
        let secrets = |given: Value| {
            read(json!({"image": "a", "command": ["b"], "env": {"B": ""}, "secrets": given}))
                .map(|(spec, _)| spec.secrets)
        };
        assert_eq!(secrets(json!({"T": "hf"})).unwrap(), BTreeMap::from([("T".into(), "hf".into())]));
        assert_eq!(secrets(json!(["T"])).unwrap(), BTreeMap::from([("T".into(), "T".into())]));
        assert_eq!(secrets(json!(["1T"])).unwrap_err(), ["secrets.1T", "secrets.1T"]);
        assert_eq!(secrets(json!({"B": "hf"})).unwrap_err(), ["secrets.B"]);
        assert_eq!(secrets(json!({"T": "a b"})).unwrap_err(), ["secrets.T"]);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let body = json!({"image": "a", "command": ["b"], "gpus": 2});
        assert!(serde_json::from_value::<SubmitJob>(body).unwrap_err().to_string().contains("gpus"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let job: SubmitJob =
            serde_json::from_value(json!({"image": "a", "command": ["b"], "secret_env": {"T": "hidden"}}))
                .unwrap();
        assert!(!format!("{job:?}").contains("hidden"));
    }
}
