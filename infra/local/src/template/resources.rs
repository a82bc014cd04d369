//! Resources as typed values. Each property is either enforced here, or listed as having no meaning on one
//! machine ([`Unused`]); any other one is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::Stack;
use super::apis::ApiParts;
use super::evaluate::{Scope, stream_arn};
use super::unused::has_no_counterpart;

/// A property that is understood and has no meaning on one machine.
pub(super) type Unused = Option<IgnoredAny>;

/// A function and how it is run.
#[derive(Debug, Clone)]
pub struct Function {
    /// Physical name.
    pub name: String,
    /// File name of its program; also its short name in journals.
    pub binary: String,
    pub environment: BTreeMap<String, String>,
    pub memory_mib: u32,
    pub timeout: Duration,
    /// Invocations that may run at once; none means no limit of its own.
    pub concurrency: Option<usize>,
    /// Actions that its policies allow.
    pub actions: BTreeSet<String>,
}

/// A table, as CreateTable wants it.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub stream_arn: String,
    pub attributes: Vec<Attribute>,
    pub keys: Vec<KeyElement>,
    pub indexes: Vec<Index>,
    pub stream_view: Option<String>,
    pub ttl_attribute: Option<String>,
    pub deletion_protection: bool,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Attribute {
    pub attribute_name: String,
    pub attribute_type: String,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct KeyElement {
    pub attribute_name: String,
    pub key_type: String,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Index {
    pub index_name: String,
    pub key_schema: Vec<KeyElement>,
    pub projection: Value,
}

/// A function that a table's stream feeds.
#[derive(Debug, Clone)]
pub struct EventSource {
    pub stream_arn: String,
    pub function: String,
    /// Filter patterns; a record passes if one of them matches. Empty passes everything.
    pub filters: Vec<Value>,
    pub batch_size: usize,
    pub window: Duration,
    /// Batches that are under way at once, each with rows of its own.
    pub lanes: usize,
    pub bisect: bool,
    /// Retries after the first try; none means until the record is too old.
    pub max_retries: Option<u32>,
    pub max_age: Option<Duration>,
    pub from_start: bool,
    /// Whether the function's answer says which records failed.
    pub reports_failures: bool,
}

/// A state machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub name: String,
    /// The definition with its substitutions made.
    pub definition: String,
}

/// A resource that a function of the stack makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Custom {
    #[serde(skip)]
    pub kind: String,
    /// ARN of the function.
    pub service_token: String,
    #[serde(rename = "ServiceTimeout")]
    _timeout: Unused,
    /// The rest, for the function.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

#[derive(Debug, Clone)]
pub struct Schedule {
    pub name: String,
    pub expression: String,
    pub enabled: bool,
    /// ARN of the function.
    pub target: String,
    pub input: Value,
    pub max_retries: u32,
}

/// Evaluates every resource of the template.
pub(super) fn build(scope: &Scope<'_>, folder: &Path) -> Result<Stack> {
    let mut stack = Stack::default();
    let mut parts = ApiParts::default();
    let mut errors = Vec::new();
    for (id, resource) in &scope.resources {
        if let Err(error) = add(scope, folder, id, resource, &mut stack, &mut parts) {
            errors.push(format!("{id}: {error:#}"));
        }
    }
    if errors.is_empty() {
        stack.apis = parts.join()?;
        return Ok(stack);
    }
    bail!("{}", errors.join("\n"))
}

/// What a resource may say besides its properties.
const KEYS: [&str; 7] =
    ["Type", "Properties", "Condition", "Metadata", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy"];

fn add(
    scope: &Scope<'_>,
    folder: &Path,
    id: &str,
    resource: &Value,
    stack: &mut Stack,
    parts: &mut ApiParts,
) -> Result<()> {
    let resource = resource.as_object().ok_or_else(|| anyhow!("not a mapping"))?;
    if let Some(key) = resource.keys().find(|key| !KEYS.contains(&key.as_str())) {
        bail!("{key} is not understood");
    }
    if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
        && !scope.condition(condition)?
    {
        return Ok(());
    }
    let kind = resource.get("Type").and_then(Value::as_str).ok_or_else(|| anyhow!("Type is missing"))?;
    let mut properties = resource.get("Properties").cloned().unwrap_or_else(|| Map::new().into());
    if kind == "AWS::Serverless::Function" {
        properties = with_globals(scope, properties)?;
    }
    let properties = scope.evaluate(&properties)?;
    let id = id.to_owned();
    match kind {
        "AWS::Serverless::Function" => {
            stack.functions.insert(id.clone(), function(scope, &id, typed(properties)?)?);
        }
        "AWS::Serverless::StateMachine" => {
            stack.machines.insert(id.clone(), machine(&id, typed(properties)?, folder)?);
        }
        "AWS::DynamoDB::Table" => {
            stack.tables.insert(id.clone(), table(scope, &id, typed(properties)?)?);
        }
        "AWS::Lambda::EventSourceMapping" => {
            stack.event_sources.insert(id, event_source(typed(properties)?)?);
        }
        "AWS::Scheduler::Schedule" => {
            stack.schedules.insert(id.clone(), schedule(&id, typed(properties)?)?);
        }
        "AWS::ApiGatewayV2::Api" => {
            parts.apis.insert(id, typed(properties)?);
        }
        "AWS::ApiGatewayV2::Stage" => parts.stages.push(typed(properties)?),
        "AWS::ApiGatewayV2::Route" => parts.routes.push(typed(properties)?),
        "AWS::ApiGatewayV2::Integration" => {
            parts.integrations.insert(id, typed(properties)?);
        }
        kind if kind.starts_with("Custom::") => {
            let custom = Custom { kind: kind.to_owned(), ..typed(properties)? };
            stack.custom.insert(id, custom);
        }
        kind if has_no_counterpart(kind) => {}
        other => bail!("type {other} is not understood"),
    }
    Ok(())
}

fn typed<T: DeserializeOwned>(properties: Value) -> Result<T> {
    serde_json::from_value(properties).map_err(Into::into)
}

/// Lays the function's own properties over `Globals.Function`, as SAM does: environments merge, the rest is
/// replaced.
fn with_globals(scope: &Scope<'_>, own: Value) -> Result<Value> {
    if let Some(section) = scope.globals.keys().find(|section| *section != "Function") {
        bail!("Globals.{section} is not understood");
    }
    let mut merged = match scope.globals.get("Function") {
        Some(Value::Object(globals)) => globals.clone(),
        _ => Map::new(),
    };
    let Value::Object(own) = own else { bail!("Properties is not a mapping") };
    for (key, value) in own {
        let merged_variables = (key == "Environment")
            .then(|| {
                let mut all = merged.get("Environment")?.get("Variables")?.as_object()?.clone();
                all.extend(value.get("Variables")?.as_object()?.clone());
                Some(serde_json::json!({ "Variables": all }))
            })
            .flatten();
        merged.insert(key, merged_variables.unwrap_or(value));
    }
    Ok(Value::Object(merged))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FunctionProperties {
    function_name: Option<String>,
    code_uri: String,
    memory_size: Option<u32>,
    timeout: Option<u64>,
    environment: Option<Environment>,
    reserved_concurrent_executions: Option<usize>,
    #[serde(rename = "Handler")]
    _handler: Unused,
    #[serde(rename = "Runtime")]
    _runtime: Unused,
    #[serde(rename = "Architectures")]
    _architectures: Unused,
    #[serde(rename = "Description")]
    _description: Unused,
    #[serde(default)]
    policies: Vec<Value>,
    #[serde(rename = "LoggingConfig")]
    _logging: Unused,
    #[serde(rename = "Tags")]
    _tags: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Environment {
    variables: BTreeMap<String, Value>,
}

fn function(scope: &Scope<'_>, id: &str, properties: FunctionProperties) -> Result<Function> {
    let binary = Path::new(&properties.code_uri)
        .file_stem()
        .and_then(|name| name.to_str())
        .ok_or_else(|| anyhow!("CodeUri names no program"))?
        .to_owned();
    let policies = properties.policies.into_iter().map(|policy| statements(scope, policy));
    let policies = policies.collect::<Result<Vec<_>>>()?;
    let mut environment = BTreeMap::new();
    for (name, value) in properties.environment.map(|environment| environment.variables).unwrap_or_default() {
        let value = match value {
            Value::String(value) => value,
            Value::Number(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            other => bail!("environment variable {name} is {other}"),
        };
        environment.insert(name, value);
    }
    Ok(Function {
        name: properties.function_name.unwrap_or_else(|| id.to_owned()),
        binary,
        environment,
        memory_mib: properties.memory_size.unwrap_or(128),
        timeout: Duration::from_secs(properties.timeout.unwrap_or(3)),
        concurrency: properties.reserved_concurrent_executions,
        actions: crate::permissions::allowed(policies).context("Policies")?,
    })
}

/// A policy's own text: one that stands by itself in the template is referred to by its name.
fn statements(scope: &Scope<'_>, policy: Value) -> Result<Value> {
    let Value::String(name) = &policy else { return Ok(policy) };
    let document = scope
        .resources
        .get(name)
        .filter(|resource| resource["Type"] == "AWS::IAM::ManagedPolicy")
        .ok_or_else(|| anyhow!("policy {name} is not in the template"))?;
    scope.evaluate(&document["Properties"]["PolicyDocument"]).with_context(|| format!("policy {name}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct MachineProperties {
    name: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    definition_uri: PathBuf,
    #[serde(default)]
    definition_substitutions: BTreeMap<String, String>,
    #[serde(rename = "Policies")]
    _policies: Unused,
    #[serde(rename = "Role")]
    _role: Unused,
    /// The history shows everything here.
    #[serde(rename = "Logging")]
    _logging: Unused,
    #[serde(rename = "Tracing")]
    _tracing: Unused,
    #[serde(rename = "Tags")]
    _tags: Unused,
}

fn machine(id: &str, properties: MachineProperties, folder: &Path) -> Result<Machine> {
    if properties.kind.is_some_and(|kind| kind != "STANDARD") {
        bail!("only STANDARD machines are understood");
    }
    let path = folder.join(&properties.definition_uri);
    let mut definition =
        std::fs::read_to_string(&path).with_context(|| format!("definition {}", path.display()))?;
    for (name, value) in &properties.definition_substitutions {
        let placeholder = format!("${{{name}}}");
        if !definition.contains(&placeholder) {
            bail!("the definition has no {placeholder}");
        }
        definition = definition.replace(&placeholder, value);
    }
    Ok(Machine { name: properties.name.unwrap_or_else(|| id.to_owned()), definition })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct TableProperties {
    table_name: Option<String>,
    billing_mode: String,
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    stream_specification: Option<StreamSpecification>,
    time_to_live_specification: Option<TimeToLive>,
    #[serde(default)]
    deletion_protection_enabled: bool,
    #[serde(rename = "PointInTimeRecoverySpecification")]
    _recovery: Unused,
    #[serde(rename = "SSESpecification")]
    _encryption: Unused,
    #[serde(rename = "Tags")]
    _tags: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StreamSpecification {
    stream_view_type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

fn table(scope: &Scope<'_>, id: &str, properties: TableProperties) -> Result<Table> {
    if properties.billing_mode != "PAY_PER_REQUEST" {
        bail!("only PAY_PER_REQUEST tables are understood");
    }
    let name = properties.table_name.unwrap_or_else(|| id.to_owned());
    Ok(Table {
        stream_arn: stream_arn(scope.account, &name),
        name,
        attributes: properties.attribute_definitions,
        keys: properties.key_schema,
        indexes: properties.global_secondary_indexes,
        stream_view: properties.stream_specification.map(|stream| stream.stream_view_type),
        ttl_attribute: properties
            .time_to_live_specification
            .filter(|ttl| ttl.enabled)
            .map(|ttl| ttl.attribute_name),
        deletion_protection: properties.deletion_protection_enabled,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct EventSourceProperties {
    event_source_arn: String,
    function_name: String,
    starting_position: String,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    parallelization_factor: Option<usize>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    maximum_retry_attempts: Option<i64>,
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(default)]
    function_response_types: Vec<String>,
    filter_criteria: Option<FilterCriteria>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

fn event_source(properties: EventSourceProperties) -> Result<EventSource> {
    let mut filters = Vec::new();
    for filter in properties.filter_criteria.map(|criteria| criteria.filters).unwrap_or_default() {
        let pattern = serde_json::from_str(&filter.pattern).context("filter pattern")?;
        crate::filter::check(&pattern)?;
        filters.push(pattern);
    }
    if let Some(other) =
        properties.function_response_types.iter().find(|kind| *kind != "ReportBatchItemFailures")
    {
        bail!("response type {other} is not understood");
    }
    let lanes = properties.parallelization_factor.unwrap_or(1);
    if !(1..=10).contains(&lanes) {
        bail!("ParallelizationFactor {lanes} is not between 1 and 10");
    }
    Ok(EventSource {
        lanes,
        stream_arn: properties.event_source_arn,
        function: properties.function_name,
        filters,
        batch_size: properties.batch_size.unwrap_or(100),
        window: Duration::from_secs(properties.maximum_batching_window_in_seconds.unwrap_or(0)),
        bisect: properties.bisect_batch_on_function_error,
        max_retries: properties.maximum_retry_attempts.and_then(|retries| retries.try_into().ok()),
        max_age: properties
            .maximum_record_age_in_seconds
            .and_then(|age| age.try_into().ok())
            .map(Duration::from_secs),
        from_start: match properties.starting_position.as_str() {
            "TRIM_HORIZON" => true,
            "LATEST" => false,
            other => bail!("StartingPosition {other} is not understood"),
        },
        reports_failures: !properties.function_response_types.is_empty(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ScheduleProperties {
    name: Option<String>,
    schedule_expression: String,
    state: Option<String>,
    flexible_time_window: FlexibleWindow,
    target: ScheduleTarget,
    #[serde(rename = "Description")]
    _description: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FlexibleWindow {
    mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ScheduleTarget {
    arn: String,
    input: Option<String>,
    retry_policy: Option<RetryPolicy>,
    #[serde(rename = "RoleArn")]
    _role: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RetryPolicy {
    maximum_retry_attempts: Option<u32>,
    #[serde(rename = "MaximumEventAgeInSeconds")]
    _age: Unused,
}

fn schedule(id: &str, properties: ScheduleProperties) -> Result<Schedule> {
    if properties.flexible_time_window.mode != "OFF" {
        bail!("only FlexibleTimeWindow OFF is understood");
    }
    crate::schedule::Expression::parse(&properties.schedule_expression)?;
    Ok(Schedule {
        name: properties.name.unwrap_or_else(|| id.to_owned()),
        expression: properties.schedule_expression,
        enabled: properties.state.is_none_or(|state| state == "ENABLED"),
        target: properties.target.arn,
        input: match properties.target.input {
            Some(input) => serde_json::from_str(&input).context("Input")?,
            None => Map::new().into(),
        },
        max_retries: properties
            .target
            .retry_policy
            .and_then(|policy| policy.maximum_retry_attempts)
            .unwrap_or(185),
    })
}
