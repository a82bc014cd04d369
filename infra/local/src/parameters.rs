//! Parameter Store: SecureStrings from a file that is made at first start, readable by its owner only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::edge::Refusal;
use crate::template::Account;

/// The parameters by their full names.
pub struct Parameters {
    account: Account,
    values: BTreeMap<String, String>,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Parameters").field("names", &self.values.keys()).finish_non_exhaustive()
    }
}

impl Parameters {
    /// Reads the file, makes what is missing under `prefix`, and writes the file if something was. Without a file
    /// they live in memory. `given` values are used and never written.
    pub fn open(
        file: Option<&Path>,
        prefix: &str,
        given: BTreeMap<String, String>,
        account: Account,
    ) -> Result<Self> {
        let mut values: BTreeMap<String, String> = match file {
            Some(file) if file.exists() => {
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
                serde_json::from_str(&text).with_context(|| format!("parameters in {}", file.display()))?
            }
            _ => BTreeMap::new(),
        };
        let mut made = false;
        for (name, make) in MADE {
            if let Entry::Vacant(missing) = values.entry(format!("{prefix}/{name}")) {
                missing.insert(make()?);
                made = true;
            }
        }
        if let Some(file) = file.filter(|_| made) {
            write(file, &values).with_context(|| format!("write {}", file.display()))?;
        }
        values.extend(given.into_iter().map(|(name, value)| (format!("{prefix}/{name}"), value)));
        Ok(Self { account, values })
    }

    /// Answers an operation of the service.
    pub fn call(&self, operation: &str, body: &[u8]) -> Response {
        let answer = match operation {
            "GetParameter" => self.one(body),
            "GetParameters" => self.several(body),
            "GetParametersByPath" => self.below(body),
            other => Err(("UnknownOperationException", format!("{other} is not understood"))),
        };
        match answer {
            Ok(answer) => respond(StatusCode::OK, &answer),
            Err((kind, message)) => {
                respond(StatusCode::BAD_REQUEST, &json!({ "__type": kind, "message": message }))
            }
        }
    }

    fn one(&self, body: &[u8]) -> Result<Value, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            name: String,
            #[serde(default)]
            with_decryption: bool,
        }
        let Request { name, with_decryption } = read(body)?;
        let parameter = self.get(&name, with_decryption);
        parameter
            .map(|parameter| json!({ "Parameter": parameter }))
            .ok_or(("ParameterNotFound", String::new()))
    }

    fn several(&self, body: &[u8]) -> Result<Value, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            names: Vec<String>,
            #[serde(default)]
            with_decryption: bool,
        }
        let Request { names, with_decryption } = read(body)?;
        if names.len() > 10 {
            return Err(("ValidationException", "Member must have length less than or equal to 10".into()));
        }
        let (known, unknown): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.values.contains_key(name));
        let known: Vec<_> = known.iter().filter_map(|name| self.get(name, with_decryption)).collect();
        Ok(json!({ "Parameters": known, "InvalidParameters": unknown }))
    }

    fn below(&self, body: &[u8]) -> Result<Value, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            path: String,
            #[serde(default)]
            recursive: bool,
            #[serde(default)]
            with_decryption: bool,
        }
        let Request { path, recursive, with_decryption } = read(body)?;
        let path = format!("{}/", path.trim_end_matches('/'));
        let inside =
            |name: &&String| name.strip_prefix(&path).is_some_and(|rest| recursive || !rest.contains('/'));
        let found: Vec<_> =
            self.values.keys().filter(inside).filter_map(|name| self.get(name, with_decryption)).collect();
        Ok(json!({ "Parameters": found }))
    }

    fn get(&self, name: &str, decrypted: bool) -> Option<Value> {
        let value = self.values.get(name)?;
        let Account { id, region } = &self.account;
        Some(json!({
            "Name": name,
            "Type": "SecureString",
            // Whoever forgets to ask for decryption gets nothing of use on AWS either
            "Value": if decrypted { value.as_str() } else { "encrypted" },
            "Version": 1,
            "ARN": format!("arn:aws:ssm:{region}:{id}:parameter{name}"),
            "DataType": "text",
        }))
    }
}

/// What is made at first start, as an owner would make it before the first deployment.
const MADE: [(&str, Make); 3] =
    [("signing-key", signing_key), ("runner-key", secret_key), ("secrets-key", secret_key)];

type Make = fn() -> Result<String>;
type Error = (&'static str, String);

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| ("SerializationException", error.to_string()))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    response
}

/// The error that a struck call is answered with.
pub fn refuse(refusal: Refusal) -> Response {
    let (status, kind) = match refusal {
        Refusal::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Refusal::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException"),
    };
    respond(status, &json!({ "__type": kind, "message": "An error occurred on the server side." }))
}

/// An EC P-256 private key as PKCS#8 PEM.
fn signing_key() -> Result<String> {
    let key =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| anyhow!("generate a key"))?;
    let der = key.to_pkcs8v1().map_err(|_| anyhow!("encode a key"))?;
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}

/// 256 random bits, base64.
fn secret_key() -> Result<String> {
    let mut key = [0; 32];
    aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut key)
        .map_err(|_| anyhow!("no randomness"))?;
    Ok(STANDARD.encode(key))
}

fn write(file: &Path, values: &BTreeMap<String, String>) -> Result<()> {
    let new = file.with_extension("new");
    let mut writer =
        std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writer.write_all(serde_json::to_string_pretty(values)?.as_bytes())?;
    writer.sync_all()?;
    std::fs::rename(new, file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    async fn call(parameters: &Parameters, operation: &str, body: Value) -> Value {
        let response = parameters.call(operation, body.to_string().as_bytes());
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn keys_are_made_once_and_kept_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parameters.json");
        let open = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Parameters::open(Some(&file), "/gpu/local", given, Account::default()).unwrap()
        };
        let first = open(&[("providers/runpod", "fake-key")]);
        let second = open(&[]);
        let key = json!({"Name": "/gpu/local/signing-key", "WithDecryption": true});
        let made = call(&first, "GetParameter", key.clone()).await;
        let pem = made["Parameter"]["Value"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\nMI"), "{pem}");
        assert_eq!(made, call(&second, "GetParameter", key).await);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&file).unwrap().contains("fake-key"));

        let names =
            json!({"Names": ["/gpu/local/providers/runpod", "/gpu/local/none"], "WithDecryption": true});
        let several = call(&first, "GetParameters", names).await;
        assert_eq!(several["Parameters"][0]["Value"], "fake-key");
        assert_eq!(several["InvalidParameters"], json!(["/gpu/local/none"]));
        let below = call(&first, "GetParametersByPath", json!({"Path": "/gpu/local"})).await;
        assert_eq!(below["Parameters"].as_array().unwrap().len(), 3);
        let missing = call(&second, "GetParameter", json!({"Name": "/gpu/local/providers/runpod"})).await;
        assert_eq!(missing["__type"], "ParameterNotFound");
        let sealed = call(&first, "GetParameter", json!({"Name": "/gpu/local/signing-key"})).await;
        assert_eq!(sealed["Parameter"]["Value"], "encrypted");
    }
}
