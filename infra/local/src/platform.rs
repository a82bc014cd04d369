//! Puts the parts together: reads the template, starts what it names, and says where it all answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::serve::ListenerExt;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::activity::Activity;
use crate::bill::{Meter, Usage};
use crate::clouds::Clouds;
use crate::edge::Edges;
use crate::functions::{self, Functions};
use crate::http::{Front, Origin, Routes, WEBSOCKET_PATH};
use crate::lambda::{Function, Host};
use crate::machines::Machines;
use crate::parameters::Parameters;
use crate::permissions::Permissions;
use crate::simulated::{Cloud, Simulations};
use crate::stream::Follower;
use crate::table::Dynamodb;
use crate::template::{self, Account, Protocol, Schedule, Values};
use crate::{endpoint, http, websocket};

/// How the stack is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port of the API; 0 takes a free one.
    pub port: u16,
    /// Port of the AWS endpoint; 0 takes a free one.
    pub aws_port: u16,
    /// Where everything is kept; none keeps it in memory.
    pub data: Option<PathBuf>,
    pub template: PathBuf,
    /// Where the functions' programs are.
    pub functions: PathBuf,
    /// The clouds that are simulated.
    pub clouds: BTreeSet<Cloud>,
    /// Whether to serve the small functions that the recorded Step Functions cases call.
    pub test_functions: bool,
    /// How long a function's process may be idle.
    pub idle: Duration,
    /// Values for the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Secrets that are used and not kept: the names below the parameter prefix.
    pub secrets: BTreeMap<String, String>,
    /// Where the functions' output is written; none means the data folder's `logs`, or standard error.
    pub logs: Option<PathBuf>,
    /// The built frontend.
    pub frontend: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 8080,
            aws_port: 0,
            data: None,
            template: "infra/template.yaml".into(),
            functions: "target/debug".into(),
            clouds: Cloud::ALL.into(),
            test_functions: false,
            idle: Duration::from_secs(30),
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            logs: None,
            frontend: None,
        }
    }
}

/// Where the stack answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    pub api: String,
    pub websocket: String,
    pub aws: String,
    pub clouds: BTreeMap<String, String>,
}

/// A running stack. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct Stack {
    pub ready: Ready,
    pub platform: Arc<Platform>,
    _tasks: JoinSet<()>,
    _simulations: Simulations,
    _lock: Option<File>,
}

/// The parts that requests need.
#[derive(Debug)]
pub struct Platform {
    pub account: Account,
    pub activity: Activity,
    pub edges: Arc<Edges>,
    pub functions: Functions,
    pub dynamodb: Dynamodb,
    pub parameters: Parameters,
    pub machines: Machines,
    pub clouds: Clouds,
    pub permissions: Permissions,
    pub websocket: Option<Arc<websocket::Front>>,
    meter: Arc<Meter>,
    schedules: Vec<Schedule>,
    transitions_before: Mutex<u64>,
}

/// The parameter below which the secrets stand, as the template calls it.
const PREFIX: &str = "ParameterPrefix";

impl Stack {
    /// Starts everything that the template names.
    pub async fn start(options: Options) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let api_listener = listen(options.port).await?;
        let aws_listener = listen(options.aws_port).await?;
        let api_url = format!("http://{}", api_listener.local_addr()?);
        let aws_url = format!("http://{}", aws_listener.local_addr()?);
        for folder in options.data.iter().chain(&options.logs) {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let logs = match (&options.logs, &options.data) {
            (Some(logs), _) => Some(logs.clone()),
            (None, Some(data)) => Some(data.join("logs")),
            (None, None) => None,
        };
        if let Some(logs) = &logs {
            std::fs::create_dir_all(logs).with_context(|| format!("create {}", logs.display()))?;
        }
        let lock = options.data.as_deref().map(lock).transpose()?;
        let account = Account::default();
        let simulations = Simulations::start(&options.clouds, options.data.as_deref()).await?;
        let clouds = simulations.urls.clone();
        let values = values(&options, &aws_url, &clouds);
        let prefix =
            values.given.get(PREFIX).or_else(|| values.preset.get(PREFIX)).cloned().unwrap_or_default();
        let template = template::load(&options.template, &values, &account)?;

        let activity = Activity::default();
        let meter = Arc::new(Meter::default());
        let edges = Arc::new(Edges::default());
        let places = Places::new(&template, &account, &api_url, &aws_url);
        let host = Host::new(
            template
                .functions
                .values()
                .map(|function| places.function(function, &options, logs.as_ref()))
                .collect(),
            options.idle,
            activity.clone(),
            meter.clone(),
        )?;
        let functions = Functions { host, edges: edges.clone() };
        let file = |name: &str| options.data.as_ref().map(|data| data.join(name));
        let dynamodb =
            Dynamodb::open(file("tables.sqlite").as_deref(), template.tables.values(), meter.clone()).await?;
        let mut secrets = options.secrets.clone();
        secrets.extend(simulations.parameters.clone());
        let parameters =
            Parameters::open(file("parameters.json").as_deref(), &prefix, secrets, account.clone())?;
        let machines = Machines::open(
            file("executions.sqlite"),
            &account,
            template.machines.values(),
            functions.clone(),
            options.test_functions,
        )
        .await?;
        let transitions = machines.transitions();
        let (mut http_api, mut websocket_api) = (None, None);
        for api in template.apis.values().cloned() {
            let place = if api.protocol == Protocol::Http { &mut http_api } else { &mut websocket_api };
            if place.replace(api).is_some() {
                bail!("two APIs of one protocol are not understood");
            }
        }
        let websocket =
            websocket_api.map(|api| Arc::new(websocket::Front::new(api, functions.clone(), meter.clone())));
        let platform = Arc::new(Platform {
            account: account.clone(),
            activity: activity.clone(),
            edges,
            functions: functions.clone(),
            dynamodb: dynamodb.clone(),
            parameters,
            machines,
            clouds: Clouds::new(clouds.clone())?,
            permissions: Permissions::new(
                template
                    .functions
                    .values()
                    .map(|function| (function.binary.clone(), function.actions.clone())),
            ),
            websocket: websocket.clone(),
            meter: meter.clone(),
            schedules: template.schedules.values().cloned().collect(),
            transitions_before: Mutex::new(transitions),
        });
        tasks.spawn(serve(aws_listener, endpoint::router(platform.clone())));
        for (id, custom) in &template.custom {
            make(&functions, id, custom).await?;
        }
        if let Some(api) = http_api {
            let front = Front {
                routes: Routes::new(&api.routes)?,
                origin: Origin { account: account.id.clone(), api: api.id, stage: api.stage },
                functions: functions.clone(),
                meter,
                websocket,
                files: options.frontend.clone().filter(|folder| folder.is_dir()),
            };
            tasks.spawn(serve(api_listener, http::router(Arc::new(front))));
        }
        for (name, source) in template.event_sources {
            let table = template
                .tables
                .values()
                .find(|table| table.stream_arn == source.stream_arn && table.stream_view.is_some())
                .with_context(|| format!("{name}: no table has the stream {}", source.stream_arn))?;
            let follower = Follower {
                checkpoint: file(&format!("{name}.place")),
                table: table.name.clone(),
                name,
                source,
                account: account.clone(),
                dynamodb: dynamodb.clone(),
                functions: functions.clone(),
                activity: activity.clone(),
            };
            tasks.spawn(follower.follow());
        }
        for schedule in platform.schedules.iter().filter(|schedule| schedule.enabled) {
            tasks.spawn(keep(platform.clone(), schedule.clone()));
        }
        if template.tables.values().any(|table| table.ttl_attribute.is_some()) {
            tasks.spawn(expire(dynamodb.clone()));
        }
        tasks.spawn(trim(dynamodb));
        let websocket = format!("{}{WEBSOCKET_PATH}", api_url.replacen("http", "ws", 1));
        let ready = Ready { api: api_url, websocket, aws: aws_url, clouds };
        let jobs = if ready.clouds.is_empty() { "the real clouds" } else { "simulated clouds" };
        info!(api = ready.api, aws = ready.aws, jobs, "the stack is up");
        Ok(Self { ready, platform, _tasks: tasks, _simulations: simulations, _lock: lock })
    }
}

impl Stack {
    /// Ends the stack in order: what runs gets a moment to end, then the functions' processes are ended.
    pub async fn stop(self) {
        if tokio::time::timeout(STOPPING, self.platform.activity.rest()).await.is_err() {
            warn!("something still ran at the end");
        }
        self.platform.functions.host.drain();
    }
}

/// How long a stop waits for what runs.
const STOPPING: Duration = Duration::from_secs(2);

/// Has a custom resource made, as a deployment would: with a request that has no address for the answer, so that the
/// function's result is the answer. What fails a deployment fails the start.
async fn make(functions: &Functions, id: &str, custom: &template::Custom) -> Result<()> {
    let request = json!({
        "RequestType": "Create",
        "RequestId": uuid::Uuid::new_v4(),
        "StackId": "local",
        "ResourceType": custom.kind,
        "LogicalResourceId": id,
        "ServiceToken": custom.service_token,
        "ResourceProperties": custom.properties,
    });
    let outcome = functions.host.invoke(&custom.service_token, request.to_string().into()).await;
    let made = match outcome {
        crate::lambda::Outcome::Ok(_) => Ok(()),
        crate::lambda::Outcome::Failed(error) => Err(String::from_utf8_lossy(&error).into_owned()),
        crate::lambda::Outcome::Refused { error, message } => Err(format!("{error}: {message}")),
    };
    made.map_err(|error| anyhow::anyhow!("{id} could not be made: {error}"))
}

/// Takes the data folder for this process; the lock ends with it, however it ends.
fn lock(data: &Path) -> Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    if let Err(error) = file.try_lock() {
        bail!("{} is used by another stack ({error})", data.display());
    }
    Ok(file)
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| format!("listen on port {port}"))
}

async fn serve(listener: TcpListener, app: Router) {
    let listener = listener.tap_io(|socket| {
        // Small answers must not wait for an acknowledgement
        if let Err(error) = socket.set_nodelay(true) {
            warn!(%error, "a socket could not be set up");
        }
    });
    if let Err(error) = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await {
        error!(%error, "a port is no longer served");
    }
}

/// What the template's parameters are here.
fn values(options: &Options, aws_url: &str, clouds: &BTreeMap<String, String>) -> Values {
    let mut preset: BTreeMap<String, String> =
        [("Stage", "local"), (PREFIX, "/gpu/local"), ("Registration", "open"), ("Protect", "false")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    for cloud in clouds.keys() {
        let name = format!("{}{}Url", cloud[..1].to_uppercase(), &cloud[1..]);
        preset.insert(name, format!("{aws_url}/_clouds/{cloud}"));
    }
    Values { preset, given: options.parameters.clone() }
}

/// Where the host names of AWS lead on this machine.
#[derive(Debug)]
struct Places {
    account: Account,
    aws_url: String,
    /// Beginnings of URLs, and what they become.
    names: Vec<(String, String)>,
}

impl Places {
    fn new(template: &template::Stack, account: &Account, api_url: &str, aws_url: &str) -> Self {
        let mut names = Vec::new();
        for api in template.apis.values() {
            let host = format!("{}.execute-api.{}.amazonaws.com", api.id, account.region);
            match api.protocol {
                Protocol::Http => names.push((format!("https://{host}"), api_url.to_owned())),
                Protocol::WebSocket => {
                    names.push((format!("https://{host}"), aws_url.to_owned()));
                    let url = format!("{}{WEBSOCKET_PATH}", api_url.replacen("http", "ws", 1));
                    names.push((format!("wss://{host}/{}", api.stage), url));
                }
            }
        }
        Self { account: account.clone(), aws_url: aws_url.to_owned(), names }
    }

    fn function(&self, function: &template::Function, options: &Options, logs: Option<&PathBuf>) -> Function {
        let short = function.binary.clone();
        let mut environment: BTreeMap<String, String> = function
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), self.resolve(value, &short)))
            .collect();
        let own = [
            ("AWS_ENDPOINT_URL", self.aws_url.clone()),
            ("AWS_REGION", self.account.region.clone()),
            ("AWS_DEFAULT_REGION", self.account.region.clone()),
            ("AWS_ACCESS_KEY_ID", format!("{}{short}", endpoint::KEY_PREFIX)),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Function {
            name: function.name.clone(),
            arn: self.account.function_arn(&function.name),
            program: options.functions.join(&function.binary),
            environment,
            memory_mib: function.memory_mib,
            timeout: function.timeout,
            concurrency: function.concurrency,
            log: logs.map(|logs| logs.join(format!("{short}.log"))),
            short,
        }
    }

    fn resolve(&self, value: &str, function: &str) -> String {
        let clouds = format!("{}/_clouds/", self.aws_url);
        if let Some(cloud) = value.strip_prefix(&clouds) {
            return format!("{}{}", self.aws_url, Clouds::path(function, cloud));
        }
        for (from, to) in &self.names {
            if let Some(rest) = value.strip_prefix(from) {
                return format!("{to}{rest}");
            }
        }
        value.to_owned()
    }
}

/// Fires a schedule whenever its time comes.
async fn keep(platform: Arc<Platform>, schedule: Schedule) {
    let Ok(expression) = crate::schedule::Expression::parse(&schedule.expression) else { return };
    loop {
        let now = crate::clock::now();
        let Some(next) = expression.next(now) else { return };
        tokio::time::sleep(next.duration_since(now).unsigned_abs()).await;
        for _ in 0..=schedule.max_retries {
            match platform.fire(&schedule.name).await {
                Some(Err(functions::Error::Service { kind, message })) => {
                    warn!(schedule = schedule.name, kind, message, "a schedule could not be fired");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Some(Err(error)) => {
                    warn!(schedule = schedule.name, %error, "what a schedule started failed");
                    break;
                }
                _ => break,
            }
        }
    }
}

/// Deletes expired rows. On AWS it takes hours, here about a minute.
async fn expire(dynamodb: Dynamodb) {
    loop {
        tokio::time::sleep(Duration::from_mins(1)).await;
        dynamodb.sweep();
    }
}

/// Drops old stream records, at the start and every hour.
async fn trim(dynamodb: Dynamodb) {
    loop {
        dynamodb.trim();
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
}

impl Platform {
    /// Fires a schedule now, named by its name or by the short name of its function. `None` if there is none.
    pub async fn fire(&self, name: &str) -> Option<Result<Value, functions::Error>> {
        let schedule = self.schedules.iter().find(|schedule| {
            schedule.name == name
                || self
                    .functions
                    .host
                    .function(&schedule.target)
                    .is_some_and(|function| function.short == name)
        })?;
        self.meter.add(|usage| usage.scheduled_invocations += 1);
        Some(self.functions.call(&schedule.target, schedule.input.clone()).await)
    }

    /// What was used since the last reset.
    pub fn usage(&self) -> Usage {
        let before = *self.transitions_before.lock().unwrap_or_else(PoisonError::into_inner);
        let mut usage = self.meter.usage();
        usage.transitions = self.machines.transitions().saturating_sub(before);
        usage
    }

    /// Counts from zero again.
    pub fn reset_usage(&self) {
        *self.transitions_before.lock().unwrap_or_else(PoisonError::into_inner) = self.machines.transitions();
        self.meter.reset();
    }

    /// What runs at this moment.
    pub async fn status(&self) -> Value {
        json!({
            "executions": self.machines.open_executions().await,
            "connections": self.websocket.as_ref().map_or(0, |front| front.open()),
            "idle_processes": self.functions.host.idle_processes(),
            "clouds": self.clouds.urls(),
        })
    }
}
