//! What a job asks for, and what is wrong with it, field by field.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Retry, lifecycle::DEADLINE_GRACE};
use crate::money::Money;

/// Whether a job takes instances that the cloud may take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// On-demand alone.
    #[default]
    Never,
    /// Spot where it can be had, on-demand otherwise.
    Prefer,
    /// Spot alone.
    Only,
}

/// What a job's placement aims for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The lowest price.
    #[default]
    Cost,
    /// The most GPU memory for the price.
    Performance,
    /// The best chance to start at once.
    Availability,
    /// A bit of each.
    Balanced,
}

/// A job's place in its owner's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

/// The GPUs of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuNeed {
    /// A model such as `RTX 4090`; any if unset.
    pub model: Option<String>,
    /// How many on one machine.
    pub count: u32,
    /// The least memory of each.
    pub memory_gib: Option<u32>,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    pub description: Option<String>,
    /// A container image reference.
    pub image: String,
    /// The command and its arguments; each is one word, no shell splits them.
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are kept under a key of their own and never shown again.
    pub secret_env: BTreeMap<String, SealedText>,
    /// Environment variables, each with the name of its owner's secret that it has the value of at each start.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    pub gpu: GpuNeed,
    pub cpus: Option<u32>,
    pub memory_gib: Option<u32>,
    pub disk_gib: u32,
    pub spot: Spot,
    pub max_price_per_hour: Option<Money>,
    /// What all attempts together may cost; reached, it ends the job.
    #[serde(default)]
    pub max_cost: Option<Money>,
    pub strategy: Strategy,
    pub preferred_providers: Vec<String>,
    pub forbidden_providers: Vec<String>,
    pub preferred_regions: Vec<String>,
    pub forbidden_regions: Vec<String>,
    /// How long the command may run, counted from its start.
    pub timeout_seconds: u32,
    /// How long the job may look for capacity, counted from its admission.
    pub queue_timeout_seconds: u32,
    pub retry: Retry,
    pub priority: Priority,
    pub tags: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, Value>,
}

/// A value that only the runner of its job gets to see: encrypted, base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedText(pub String);

impl std::fmt::Debug for SealedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What is wrong with one field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The path of the field in the request, such as `gpu.count` or `env.HOME`.
    pub field: String,
    /// Why it is refused and what would be accepted.
    pub message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Bounds of a specification. They keep a job's row well below DynamoDB's 400 KB.
#[derive(Debug, Clone, Copy)]
pub struct Limits;

impl Limits {
    pub const NAME_CHARS: usize = 128;
    pub const DESCRIPTION_CHARS: usize = 2_000;
    pub const IMAGE_BYTES: usize = 512;
    pub const COMMAND_BYTES: usize = 32 * 1024;
    pub const COMMAND_WORDS: usize = 1_024;
    pub const ENV_BYTES: usize = 32 * 1024;
    pub const ENV_VARIABLES: usize = 256;
    /// Named secrets that a job refers to.
    pub const SECRETS: usize = 32;
    pub const TAGS: usize = 50;
    pub const TAG_KEY_CHARS: usize = 128;
    pub const TAG_VALUE_CHARS: usize = 256;
    pub const METADATA_BYTES: usize = 16 * 1024;
    pub const GPUS: u32 = 16;
    pub const LIST: usize = 32;
    /// 30 days.
    pub const TIMEOUT_SECONDS: u32 = 30 * 86_400;
    /// The names that the runner keeps to itself begin so.
    pub const RESERVED_ENV_PREFIX: &'static str = "GPU_";
}

impl Spec {
    /// Everything that is wrong, in the order of the fields; empty means fine.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));

        text(&mut no, "name", &self.name, 1, Limits::NAME_CHARS);
        if let Some(description) = &self.description {
            paragraph(&mut no, "description", description, Limits::DESCRIPTION_CHARS);
        }
        image(&mut no, &self.image);
        command(&mut no, &self.command);
        env(&mut no, &self.env, &self.secret_env);
        references(&mut no, self);
        range(&mut no, "gpu.count", self.gpu.count, 1, Limits::GPUS);
        if let Some(model) = &self.gpu.model {
            text(&mut no, "gpu.model", model, 1, 64);
        }
        optional_range(&mut no, "gpu.memory_gib", self.gpu.memory_gib, 1, 1_024);
        optional_range(&mut no, "cpus", self.cpus, 1, 1_024);
        optional_range(&mut no, "memory_gib", self.memory_gib, 1, 16_384);
        range(&mut no, "disk_gib", self.disk_gib, 1, 16_384);
        if self.max_price_per_hour.is_some_and(|price| price.micros <= 0) {
            no("max_price_per_hour", "must be more than 0; leave it out for no ceiling".into());
        }
        if self.max_cost.is_some_and(|cost| cost.micros <= 0) {
            no("max_cost", "must be more than 0; leave it out for no ceiling".into());
        }
        for (field, list) in [
            ("preferred_providers", &self.preferred_providers),
            ("forbidden_providers", &self.forbidden_providers),
            ("preferred_regions", &self.preferred_regions),
            ("forbidden_regions", &self.forbidden_regions),
        ] {
            names(&mut no, field, list);
        }
        range(&mut no, "timeout_seconds", self.timeout_seconds, 1, Limits::TIMEOUT_SECONDS);
        range(&mut no, "queue_timeout_seconds", self.queue_timeout_seconds, 1, Limits::TIMEOUT_SECONDS);
        range(&mut no, "retry.max_attempts", self.retry.max_attempts, 1, 20);
        range(&mut no, "retry.backoff_seconds", self.retry.backoff_seconds, 0, 3_600);
        if self.retry.on.len() > 8 || self.retry.exit_codes.len() > 64 {
            no("retry", "lists at most 8 causes and 64 exit codes".into());
        }
        tags(&mut no, &self.tags);
        metadata(&mut no, &self.metadata);
        errors
    }

    /// Whether a runner gets values that no log may show.
    pub fn has_secrets(&self) -> bool {
        !self.secret_env.is_empty() || !self.secrets.is_empty()
    }

    /// The longest that the platform lets the job live, counted from its admission: its search for capacity and every
    /// attempt with its back-off.
    pub fn longest_life(&self) -> SignedDuration {
        let attempts = i64::from(self.retry.max_attempts);
        let each =
            i64::from(self.timeout_seconds) + DEADLINE_GRACE.as_secs() + i64::from(BOOT_TIMEOUT_SECONDS);
        let pauses = attempts * i64::from(self.retry.backoff_seconds.min(3_600)) * 4;
        SignedDuration::from_secs(attempts * (i64::from(self.queue_timeout_seconds) + each) + pauses)
    }
}

/// How long an instance may take from its creation to its runner's first word: boot and image pull.
pub const BOOT_TIMEOUT_SECONDS: u32 = 1_800;

/// Checks the tags of a job, for a submission and for an edit.
pub fn tags(no: &mut impl FnMut(&str, String), tags: &BTreeMap<String, String>) {
    if tags.len() > Limits::TAGS {
        no("tags", format!("has {} entries; at most {}", tags.len(), Limits::TAGS));
    }
    for (key, value) in tags.iter().take(Limits::TAGS) {
        text(no, &format!("tags.{}", shown(key)), key, 1, Limits::TAG_KEY_CHARS);
        text(no, &format!("tags.{}", shown(key)), value, 0, Limits::TAG_VALUE_CHARS);
    }
}

/// One line of text: bounded, and nothing that a terminal or a log would act on.
pub fn text(no: &mut impl FnMut(&str, String), field: &str, value: &str, min: usize, max: usize) {
    let chars = value.chars().count();
    if chars < min || value.trim().is_empty() && min > 0 {
        no(field, "must not be empty".into());
    } else if chars > max {
        no(field, format!("has {chars} characters; at most {max}"));
    } else if value.chars().any(is_unprintable) {
        no(field, "contains control characters; use plain text on one line".into());
    }
}

/// Several lines of text.
pub fn paragraph(no: &mut impl FnMut(&str, String), field: &str, value: &str, max: usize) {
    let chars = value.chars().count();
    if chars > max {
        no(field, format!("has {chars} characters; at most {max}"));
    } else if value.chars().any(|c| is_unprintable(c) && c != '\n' && c != '\t') {
        no(field, "contains control characters; use plain text".into());
    }
}

/// Control characters, and the marks that reorder what a reader sees.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn shown(key: &str) -> String {
    key.chars().filter(|c| !is_unprintable(*c)).take(40).collect()
}

fn image(no: &mut impl FnMut(&str, String), image: &str) {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    if image.is_empty() {
        no("image", "must name a container image such as docker.io/library/python:3.12".into());
    } else if image.len() > Limits::IMAGE_BYTES {
        no("image", format!("has {} bytes; at most {}", image.len(), Limits::IMAGE_BYTES));
    } else if !image.bytes().all(allowed) || !image.as_bytes()[0].is_ascii_alphanumeric() {
        no("image", "is not a container image reference; expected [registry/]name[:tag][@digest]".into());
    }
}

fn command(no: &mut impl FnMut(&str, String), command: &[String]) {
    let bytes: usize = command.iter().map(|word| word.len() + 1).sum();
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        no("command", "must name a program, such as [\"python\", \"train.py\"]".into());
    } else if command.len() > Limits::COMMAND_WORDS {
        no("command", format!("has {} words; at most {}", command.len(), Limits::COMMAND_WORDS));
    } else if bytes > Limits::COMMAND_BYTES {
        no(
            "command",
            format!(
                "has {bytes} bytes; at most {}: put longer programs into the image",
                Limits::COMMAND_BYTES
            ),
        );
    } else if command.iter().any(|word| word.contains('\0')) {
        no("command", "contains a NUL character".into());
    }
}

/// Checks the name of an environment variable.
pub fn variable(no: &mut impl FnMut(&str, String), field: &str, name: &str) {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty()
        || name.len() > 256
        || !name.bytes().all(letters)
        || name.as_bytes()[0].is_ascii_digit()
    {
        no(field, "is not a name of an environment variable: letters, digits and _ alone".into());
    } else if name.starts_with(Limits::RESERVED_ENV_PREFIX) && name != "GPU_CHECKPOINT_DIR" {
        no(field, "is reserved: names that begin with GPU_ are set by the platform".into());
    }
}

/// Checks the variables that have an owner's secret for their value.
fn references(no: &mut impl FnMut(&str, String), spec: &Spec) {
    if spec.secrets.len() > Limits::SECRETS {
        no("secrets", format!("has {} entries; at most {}", spec.secrets.len(), Limits::SECRETS));
    }
    for (name, secret) in spec.secrets.iter().take(Limits::SECRETS) {
        let field = format!("secrets.{}", shown(name));
        variable(no, &field, name);
        variable(no, &field, secret);
        if spec.env.contains_key(name) {
            no(&field, "is also in env; keep one of them".into());
        }
        if spec.secret_env.contains_key(name) {
            no(&field, "is also in secret_env; keep one of them".into());
        }
    }
}

fn env(
    no: &mut impl FnMut(&str, String),
    env: &BTreeMap<String, String>,
    secret: &BTreeMap<String, SealedText>,
) {
    if env.len() + secret.len() > Limits::ENV_VARIABLES {
        no("env", format!("has {} variables; at most {}", env.len() + secret.len(), Limits::ENV_VARIABLES));
    }
    let bytes: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > Limits::ENV_BYTES {
        no("env", format!("has {bytes} bytes; at most {}", Limits::ENV_BYTES));
    }
    let sealed: usize = secret.iter().map(|(name, value)| name.len() + value.0.len()).sum();
    if sealed > 2 * Limits::ENV_BYTES {
        no("secret_env", format!("is too large; at most {} bytes", Limits::ENV_BYTES));
    }
    let names = env.keys().map(|name| ("env", name)).chain(secret.keys().map(|name| ("secret_env", name)));
    for (field, name) in names.take(Limits::ENV_VARIABLES) {
        let field = format!("{field}.{}", shown(name));
        variable(no, &field, name);
    }
    for (name, value) in env.iter().take(Limits::ENV_VARIABLES) {
        if value.contains('\0') {
            no(&format!("env.{}", shown(name)), "contains a NUL character".into());
        }
    }
    for name in env.keys().filter(|name| secret.contains_key(*name)) {
        no(&format!("secret_env.{}", shown(name)), "is also in env; keep one of them".into());
    }
}

fn names(no: &mut impl FnMut(&str, String), field: &str, list: &[String]) {
    if list.len() > Limits::LIST {
        no(field, format!("has {} entries; at most {}", list.len(), Limits::LIST));
    }
    for name in list.iter().take(Limits::LIST) {
        text(no, field, name, 1, 64);
    }
}

fn metadata(no: &mut impl FnMut(&str, String), metadata: &BTreeMap<String, Value>) {
    let bytes = serde_json::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    if bytes > Limits::METADATA_BYTES {
        no("metadata", format!("has {bytes} bytes as JSON; at most {}", Limits::METADATA_BYTES));
    }
}

fn range(no: &mut impl FnMut(&str, String), field: &str, value: u32, min: u32, max: u32) {
    if !(min..=max).contains(&value) {
        no(field, format!("is {value}; expected {min} to {max}"));
    }
}

fn optional_range(no: &mut impl FnMut(&str, String), field: &str, value: Option<u32>, min: u32, max: u32) {
    if let Some(value) = value {
        range(no, field, value, min, max);
    }
}
