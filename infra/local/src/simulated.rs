//! The simulated clouds beside a stack: where each answers, and the parameter that lets the functions in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use simclouds::{alibaba, runpod, tencent};

/// A cloud that there is a simulation of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    Runpod,
    Alibaba,
    Tencent,
}

impl Cloud {
    pub const ALL: [Self; 3] = [Self::Runpod, Self::Alibaba, Self::Tencent];

    /// The provider's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runpod => "runpod",
            Self::Alibaba => "alibaba",
            Self::Tencent => "tencent",
        }
    }

    /// Reads a list such as `runpod,tencent`, or `none`.
    pub fn list(text: &str) -> Result<BTreeSet<Self>> {
        if text == "none" {
            return Ok(BTreeSet::new());
        }
        text.split(',')
            .map(|name| {
                let name = name.trim();
                let known = Self::ALL.into_iter().find(|cloud| cloud.name() == name);
                known.with_context(|| format!("there is no simulated cloud {name:?}"))
            })
            .collect()
    }

    /// The parameter of a real account, if the environment names one. A part of one is a mistake.
    pub fn account(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
        let names: &[&str] = match self {
            Self::Runpod => &["RUNPOD_API_KEY"],
            Self::Alibaba => &["ALIBABA_ACCESS_KEY_ID", "ALIBABA_ACCESS_KEY_SECRET", "ALIBABA_REGIONS"],
            Self::Tencent => {
                &["TENCENT_SECRET_ID", "TENCENT_SECRET_KEY", "TENCENT_REGION", "TENCENT_CLUSTER_ID"]
            }
        };
        let values: Vec<Option<String>> =
            names.iter().map(|name| lookup(name).filter(|value| !value.is_empty())).collect();
        if values.iter().all(Option::is_none) {
            return Ok(None);
        }
        let missing: Vec<&str> =
            names.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            bail!("{} needs {} too", self.name(), missing.join(" and "));
        }
        let values: Vec<String> = values.into_iter().flatten().collect();
        let parameter = match (self, &values[..]) {
            (Self::Runpod, [key]) => key.clone(),
            (Self::Alibaba, [id, secret, regions]) => {
                let regions: Value = serde_json::from_str(regions)
                    .context("ALIBABA_REGIONS is not the JSON of the parameter's regions")?;
                json!({"access_key_id": id, "access_key_secret": secret, "regions": regions}).to_string()
            }
            (Self::Tencent, [id, key, region, cluster]) => {
                let mut parameter =
                    json!({"secret_id": id, "secret_key": key, "region": region, "cluster_id": cluster});
                if let Some(namespace) = lookup("TENCENT_NAMESPACE").filter(|name| !name.is_empty()) {
                    parameter["namespace"] = namespace.into();
                }
                parameter.to_string()
            }
            _ => bail!("{} has an account of {} parts", self.name(), values.len()),
        };
        Ok(Some(parameter))
    }
}

/// The simulated clouds that run. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Simulations {
    pub urls: BTreeMap<String, String>,
    /// By name below the parameter prefix.
    pub parameters: BTreeMap<String, String>,
    runpod: Option<runpod::Handle>,
    alibaba: Option<alibaba::Handle>,
    tencent: Option<tencent::Handle>,
}

impl Simulations {
    /// Starts `clouds`. RunPod keeps its pods in `data`; the others begin anew.
    pub async fn start(clouds: &BTreeSet<Cloud>, data: Option<&Path>) -> Result<Self> {
        let mut simulations = Self::default();
        for cloud in clouds {
            simulations.add(*cloud, data).await.with_context(|| format!("simulated {}", cloud.name()))?;
        }
        Ok(simulations)
    }

    async fn add(&mut self, cloud: Cloud, data: Option<&Path>) -> Result<()> {
        let (url, parameter) = match cloud {
            Cloud::Runpod => {
                let data = data.map(|data| data.join("clouds/runpod"));
                if let Some(data) = &data {
                    std::fs::create_dir_all(data).with_context(|| format!("create {}", data.display()))?;
                }
                let key = "fake-runpod-key";
                let made = runpod::serve(runpod::Config { data, ..runpod::Config::new(key) }).await?;
                (self.runpod.insert(made).url.clone(), key.to_owned())
            }
            Cloud::Alibaba => {
                let (id, secret) = ("fake-alibaba-id", "fake-alibaba-secret");
                let made = alibaba::serve(alibaba::Config::new(id, secret)).await?;
                let region = json!({"id": "cn-hangzhou", "security_group_id": "sg-simulate", "image_id": "m-simulate",
                    "zones": {"cn-hangzhou-i": "vsw-simulate-i", "cn-hangzhou-j": "vsw-simulate-j"}});
                let parameter =
                    json!({"access_key_id": id, "access_key_secret": secret, "regions": [region]});
                (self.alibaba.insert(made).url.clone(), parameter.to_string())
            }
            Cloud::Tencent => {
                let (id, secret) = ("fake-tencent-id", "fake-tencent-secret");
                let config = tencent::Config::new(id, secret);
                let region = config.region.clone();
                let made = self.tencent.insert(tencent::serve(config).await?);
                let parameter = json!({"secret_id": id, "secret_key": secret, "region": region,
                    "cluster_id": made.cluster_id, "namespace": "gpu"});
                (made.url.clone(), parameter.to_string())
            }
        };
        self.urls.insert(cloud.name().to_owned(), url);
        self.parameters.insert(format!("providers/{}", cloud.name()), parameter);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(cloud: Cloud, variables: &[(&str, &str)]) -> Result<Option<String>> {
        cloud.account(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn clouds_are_listed_by_name() {
        assert_eq!(Cloud::list("none").unwrap(), BTreeSet::new());
        assert_eq!(Cloud::list("tencent, runpod").unwrap(), [Cloud::Runpod, Cloud::Tencent].into());
        assert!(Cloud::list("runpod,azure").unwrap_err().to_string().contains("azure"));
    }

    #[test]
    fn an_account_is_whole_or_none() {
        assert_eq!(account(Cloud::Runpod, &[("RUNPOD_API_KEY", "")]).unwrap(), None);
        assert_eq!(account(Cloud::Runpod, &[("RUNPOD_API_KEY", "fake")]).unwrap().unwrap(), "fake");
        let error = account(Cloud::Tencent, &[("TENCENT_SECRET_ID", "x")]).unwrap_err().to_string();
        assert!(error.contains("TENCENT_CLUSTER_ID") && !error.contains("TENCENT_SECRET_ID"), "{error}");
        let whole = [
            ("TENCENT_SECRET_ID", "fake-id"),
            ("TENCENT_SECRET_KEY", "fake-key"),
            ("TENCENT_REGION", "ap-guangzhou"),
            ("TENCENT_CLUSTER_ID", "cls-1"),
        ];
        let parameter: Value =
            serde_json::from_str(&account(Cloud::Tencent, &whole).unwrap().unwrap()).unwrap();
        assert_eq!(parameter["cluster_id"], "cls-1");
        let alibaba = [
            ("ALIBABA_ACCESS_KEY_ID", "x"),
            ("ALIBABA_ACCESS_KEY_SECRET", "y"),
            ("ALIBABA_REGIONS", "cn-hangzhou"),
        ];
        assert!(account(Cloud::Alibaba, &alibaba).is_err());
    }
}
