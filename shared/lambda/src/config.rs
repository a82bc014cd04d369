//! What the environment tells a function. `infra/template.yaml` gives every function the same variables, so one type
//! reads them all; a variable that is missing anywhere is a mistake of the deployment.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use domain::{Rates, account::Email};

/// The configuration of a function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `TABLE_NAME`
    pub table: String,
    /// `JOB_MACHINE_ARN`
    pub job_machine: String,
    /// `RUN_MACHINE_ARN`
    pub run_machine: String,
    /// `API_URL`: public base of the HTTP API, without a slash at its end. Also the issuer of our tokens.
    pub api_url: String,
    /// `WEBSOCKET_URL`: where clients connect, with their ticket in the query.
    pub websocket_url: String,
    /// `WEBSOCKET_ENDPOINT`: where we reach the connections.
    pub websocket_endpoint: String,
    /// `PARAMETER_PREFIX`: in front of every parameter's name, without a slash at its end.
    pub parameter_prefix: String,
    /// `RUNPOD_URL`, `ALIBABA_URL` and so on: what stands in for a cloud, by the provider's name.
    pub cloud_urls: BTreeMap<&'static str, String>,
    /// `HEARTBEAT_SECONDS`: between two reports of a runner that nobody watches. 60 s unless set.
    pub heartbeat: Duration,
    /// `WATCHED_SECONDS`: between two reports of a runner that somebody watches. 2 s unless set.
    pub watched: Duration,
    /// `BOOT_CHECK_SECONDS`: how long a boot is waited for before the provider is asked how it goes. 300 s unless set.
    pub boot_check: Duration,
    /// `CAPACITY_BACKOFF_SECONDS`: before capacity is looked for again, the first time. 15 s unless set.
    pub capacity_backoff: Duration,
    /// `OFFERS_FRESH_SECONDS`: up to which age a catalogue is as good as new. 60 s unless set.
    pub offers_fresh: Duration,
    /// `OFFERS_STALE_SECONDS`: from which age on a launch asks the provider first. 600 s unless set.
    pub offers_stale: Duration,
    /// `DEFAULT_CONCURRENCY`: jobs of one owner that are admitted at once. 20 unless set.
    pub default_concurrency: u32,
    /// `DEFAULT_GPUS`: GPUs of one owner's admitted jobs at once. 32 unless set.
    pub default_gpus: u32,
    /// `CNY_PER_USD`: the rate that amounts of two currencies are compared at. 7.10 unless set.
    pub rates: Rates,
    /// `BILL_AFTER_SECONDS`: from an attempt's end until its cloud is asked what it billed. 172,800 s (two days) unless set.
    pub bill_after: Duration,
    /// `FIRST_ADMIN_EMAIL`: whoever registers with it becomes an administrator.
    pub first_admin: Option<Email>,
    /// `REGISTRATION`: who may register. Closed unless set.
    pub registration: Registration,
    /// `LOOPBACK_WEBHOOKS`: whether webhooks may call this machine itself. False unless set; refused unless the API is on
    /// this machine too.
    pub loopback_webhooks: bool,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// The first administrator alone.
    Closed,
}

impl FromStr for Registration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err("expected open or closed"),
        }
    }
}

/// Everything that is wrong with the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment is not complete: {}", self.0.join("; "))
    }
}

/// As `Display`: it is what `main` prints when it returns the error.
impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables that `lookup` knows. An empty one counts as absent.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let config = Self {
            table: reader.required("TABLE_NAME"),
            job_machine: reader.required("JOB_MACHINE_ARN"),
            run_machine: reader.required("RUN_MACHINE_ARN"),
            api_url: reader.url("API_URL"),
            websocket_url: reader.url("WEBSOCKET_URL"),
            websocket_endpoint: reader.url("WEBSOCKET_ENDPOINT"),
            parameter_prefix: reader.required("PARAMETER_PREFIX").trim_end_matches('/').to_owned(),
            cloud_urls: reader.cloud_urls(),
            heartbeat: reader.seconds("HEARTBEAT_SECONDS", 60.0),
            watched: reader.seconds("WATCHED_SECONDS", 2.0),
            boot_check: reader.seconds("BOOT_CHECK_SECONDS", 300.0),
            capacity_backoff: reader.seconds("CAPACITY_BACKOFF_SECONDS", 15.0),
            offers_fresh: reader.seconds("OFFERS_FRESH_SECONDS", 60.0),
            offers_stale: reader.seconds("OFFERS_STALE_SECONDS", 600.0),
            default_concurrency: reader.parsed("DEFAULT_CONCURRENCY").unwrap_or(20),
            default_gpus: reader.parsed("DEFAULT_GPUS").unwrap_or(32),
            rates: reader.rates(),
            bill_after: reader.seconds("BILL_AFTER_SECONDS", 172_800.0),
            first_admin: reader.first_admin(),
            registration: reader.parsed("REGISTRATION").unwrap_or(Registration::Closed),
            loopback_webhooks: reader.parsed("LOOPBACK_WEBHOOKS").unwrap_or(false),
        };
        if config.loopback_webhooks && !is_on_this_machine(&config.api_url) {
            reader.errors.push("LOOPBACK_WEBHOOKS is true: only a local stack may have that".to_owned());
        }
        if reader.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(reader.errors)) }
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let host = url::Url::parse(url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    match host {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

struct Reader<L> {
    lookup: L,
    errors: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &str) -> String {
        let value = self.optional(name);
        if value.is_none() {
            self.errors.push(format!("{name} is not set"));
        }
        value.unwrap_or_default()
    }

    fn url(&mut self, name: &str) -> String {
        let url = self.required(name);
        if !url.is_empty() && !["http://", "https://", "ws://", "wss://"].iter().any(|s| url.starts_with(s)) {
            self.errors.push(format!("{name} is not a URL: {url}"));
        }
        url.trim_end_matches('/').to_owned()
    }

    fn cloud_urls(&self) -> BTreeMap<&'static str, String> {
        let url = |name: &str| self.optional(&format!("{}_URL", name.to_uppercase()));
        providers::CLOUDS.iter().filter_map(|cloud| Some((cloud.name, url(cloud.name)?))).collect()
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.optional(name)?;
        text.parse().map_err(|error| self.errors.push(format!("{name} is {text}: {error}"))).ok()
    }

    fn seconds(&mut self, name: &str, default: f64) -> Duration {
        let seconds: f64 = self.parsed(name).unwrap_or(default);
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() => duration,
            _ => {
                self.errors.push(format!("{name} is {seconds}: expected more than 0 seconds"));
                Duration::ZERO
            }
        }
    }

    fn rates(&mut self) -> Rates {
        let Some(text) = self.optional("CNY_PER_USD") else { return Rates::default() };
        Rates::parse(&text).unwrap_or_else(|| {
            self.errors.push(format!("CNY_PER_USD is {text}: expected a decimal of more than 0"));
            Rates::default()
        })
    }

    fn first_admin(&mut self) -> Option<Email> {
        let text = self.optional("FIRST_ADMIN_EMAIL")?;
        Email::parse(&text).map_err(|error| self.errors.push(format!("FIRST_ADMIN_EMAIL {error}"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let base = [
            ("TABLE_NAME", "gpu-dev"),
            ("JOB_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-dev-job"),
            ("RUN_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-dev-run"),
            ("API_URL", "http://127.0.0.1:8080/"),
            ("WEBSOCKET_URL", "ws://127.0.0.1:8080/ws"),
            ("WEBSOCKET_ENDPOINT", "http://127.0.0.1:8081/live"),
            ("PARAMETER_PREFIX", "/gpu/dev"),
        ];
        Config::read(|name| {
            let find =
                |list: &[(&str, &str)]| list.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            find(changes).or_else(|| find(&base))
        })
    }

    #[test]
    fn defaults_hold_for_what_is_not_set() {
        let config = variables(&[("RUNPOD_URL", ""), ("FIRST_ADMIN_EMAIL", "")]).unwrap();
        assert_eq!(config.api_url, "http://127.0.0.1:8080");
        assert_eq!((config.heartbeat, config.watched), (Duration::from_mins(1), Duration::from_secs(2)));
        assert_eq!(
            (config.registration, config.cloud_urls, config.first_admin),
            (Registration::Closed, BTreeMap::new(), None)
        );
    }

    #[test]
    fn values_are_read() {
        let config = variables(&[
            ("HEARTBEAT_SECONDS", "0.5"),
            ("REGISTRATION", "open"),
            ("RUNPOD_URL", "http://127.0.0.1:9"),
            ("DEFAULT_CONCURRENCY", "3"),
        ])
        .unwrap();
        assert_eq!((config.heartbeat, config.default_concurrency), (Duration::from_millis(500), 3));
        assert_eq!(config.registration, Registration::Open);
        assert_eq!(config.cloud_urls, BTreeMap::from([("runpod", "http://127.0.0.1:9".to_owned())]));
    }

    #[test]
    fn webhooks_call_this_machine_on_a_local_stack_alone() {
        let wish = ("LOOPBACK_WEBHOOKS", "true");
        assert!(!variables(&[]).unwrap().loopback_webhooks);
        for url in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"] {
            assert!(variables(&[wish, ("API_URL", url)]).unwrap().loopback_webhooks, "{url}");
        }
        for url in ["https://api.example.com", "https://127.0.0.1.example.com", "http://10.0.0.1"] {
            let error = variables(&[wish, ("API_URL", url)]).unwrap_err().to_string();
            assert!(error.contains("LOOPBACK_WEBHOOKS"), "{error}");
        }
        assert!(variables(&[("LOOPBACK_WEBHOOKS", "yes")]).is_err());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let error = variables(&[
            ("TABLE_NAME", ""),
            ("API_URL", "127.0.0.1"),
            ("HEARTBEAT_SECONDS", "-1"),
            ("DEFAULT_CONCURRENCY", "many"),
            ("REGISTRATION", "maybe"),
            ("DEFAULT_GPUS", "-1"),
            ("CNY_PER_USD", "0"),
            ("FIRST_ADMIN_EMAIL", "root"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "TABLE_NAME",
            "API_URL",
            "HEARTBEAT_SECONDS",
            "DEFAULT_CONCURRENCY",
            "REGISTRATION",
            "DEFAULT_GPUS",
            "CNY_PER_USD",
            "FIRST_ADMIN_EMAIL",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("JOB_MACHINE_ARN"), "{error}");
    }
}
