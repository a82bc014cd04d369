//! A client of the API, as a user's program is one.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Stack;

/// A signed-in user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) http: reqwest::Client,
    pub(crate) api: String,
    pub(crate) email: String,
    pub(crate) id: String,
    pub(crate) token: String,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// A problem with this status and code; the fields that it names.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Vec<String> {
        let kind = self
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(kind, "application/problem+json", "{}", self.body);
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert!(self.body["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{}", self.body);
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["field"].as_str()).map(str::to_owned).collect()
    }
}

pub(crate) const PASSWORD: &str = "correct-horse-battery-fake";

impl User {
    pub(crate) async fn register(stack: &Stack, email: &str) -> Self {
        let mut user = Self {
            http: stack.http.clone(),
            api: stack.api.clone(),
            email: email.to_owned(),
            id: String::new(),
            token: String::new(),
        };
        let account = json!({ "email": email, "password": PASSWORD });
        user.post("/v1/auth/register", &account).await.expect(201);
        let session = user.post("/v1/auth/login", &account).await.expect(200);
        session["access_token"].as_str().expect("a token").clone_into(&mut user.token);
        let me = user.get("/v1/me").await.expect(200);
        me["id"].as_str().expect("an id").clone_into(&mut user.id);
        user
    }

    /// The same user with an API key, which outlives an access token's quarter of an hour.
    pub(crate) async fn with_key(mut self) -> Self {
        let made = self.post("/v1/me/api-keys", &json!({ "name": "test" })).await.expect(201);
        made["key"].as_str().expect("a key").clone_into(&mut self.token);
        self
    }

    /// Nobody in particular.
    pub(crate) fn anonymous(stack: &Stack) -> Self {
        let (http, api) = (stack.http.clone(), stack.api.clone());
        Self { http, api, email: String::new(), id: String::new(), token: String::new() }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Self::answer(request).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    /// A body as it is, whatever it is.
    pub(crate) async fn post_raw(&self, path: &str, body: Vec<u8>) -> Answer {
        let request =
            self.http.post(format!("{}{path}", self.api)).header("content-type", "application/json");
        Self::answer(request.bearer_auth(&self.token).body(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// Submits a job that must be accepted; its id.
    pub(crate) async fn submit(&self, job: &Value) -> String {
        let job = self.post("/v1/jobs", job).await.expect(201);
        job["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}")).await.expect(200)
    }

    /// Every event of a job so far.
    pub(crate) async fn events(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/jobs/{id}/events?limit=500")).await.expect(200);
        page["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) async fn log(&self, id: &str) -> String {
        let log = self.get(&format!("/v1/jobs/{id}/log")).await.expect(200);
        log["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the job has an event of this type, or has ended.
    pub(crate) async fn until(&self, id: &str, kind: &str) -> Value {
        let enough = |message: &Value| message["event"]["type"] == kind || message["type"] == "completion";
        self.listen(&json!({ "job_id": id }), enough).await;
        self.job(id).await
    }

    /// Waits until the job has ended, and gives it back.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.listen(&json!({ "job_id": id }), |message| message["type"] == "completion").await;
        self.job(id).await
    }

    /// Makes a workflow that must be accepted; its id.
    pub(crate) async fn workflow(&self, definition: &Value) -> String {
        let made = self.post("/v1/workflows", &json!({ "definition": definition })).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Starts a run that must be accepted; its id.
    pub(crate) async fn start(&self, workflow: &str, params: &Value) -> String {
        let path = format!("/v1/workflows/{workflow}/runs");
        let run = self.post(&path, &json!({ "params": params })).await.expect(201);
        run["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn run(&self, id: &str) -> Value {
        self.get(&format!("/v1/runs/{id}")).await.expect(200)
    }

    /// Waits until the run has ended, and gives it back.
    pub(crate) async fn run_ended(&self, id: &str) -> Value {
        let enough = |message: &Value| {
            let ended = |status: &Value| status.as_str().is_some_and(|status| status != "running");
            message["event"]["type"] == "ended"
                || message["type"] == "subscribed" && ended(&message["run_status"])
        };
        self.run_until(id, enough).await;
        self.run(id).await
    }

    /// Waits until something is heard of the run.
    pub(crate) async fn run_until(&self, id: &str, enough: impl Fn(&Value) -> bool) {
        self.listen(&json!({ "run_id": id }), enough).await;
    }

    /// Every node of a run by its name, items of maps not among them.
    pub(crate) async fn nodes(&self, run: &str) -> std::collections::BTreeMap<String, Value> {
        let nodes = self.all(&format!("/v1/runs/{run}/nodes?limit=100")).await;
        nodes.into_iter().map(|node| (node["node"].as_str().unwrap_or_default().to_owned(), node)).collect()
    }

    /// Every event of a run so far.
    pub(crate) async fn run_events(&self, run: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let page = self.get(&format!("/v1/runs/{run}/events?limit=500&after={}", events.len())).await;
            let page = page.expect(200);
            events.extend(page["items"].as_array().cloned().unwrap_or_default());
            if page["more"] != true {
                return events;
            }
        }
    }

    /// Everything that a list has, page by page.
    pub(crate) async fn all(&self, list: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{list}{cursor}")).await.expect(200);
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Hears of the job or run until `enough`. A push that a fault swallowed is made good by the next pong's replay: the
    /// subscription is renewed from time to time.
    async fn listen(&self, of: &Value, enough: impl Fn(&Value) -> bool) {
        let heard = tokio::time::timeout(Duration::from_mins(2), async {
            loop {
                let renew = tokio::time::timeout(Duration::from_secs(3), self.listen_once(of, &enough)).await;
                if renew == Ok(true) {
                    return;
                }
            }
        });
        if heard.await.is_err() {
            let events = match of["run_id"].as_str() {
                Some(run) => self.run_events(run).await,
                None => self.events(of["job_id"].as_str().unwrap_or_default()).await,
            };
            panic!("{of} did not get there: {:#}", Value::Array(events));
        }
    }

    async fn listen_once(&self, of: &Value, enough: &impl Fn(&Value) -> bool) -> bool {
        let ticket = self.post("/v1/realtime/ticket", &json!({})).await;
        let Some(url) = ticket.body["url"].as_str() else { return false };
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url).await else { return false };
        let mut subscribe = json!({ "action": "subscribe", "after": 0 });
        if let (Some(subscribe), Some(of)) = (subscribe.as_object_mut(), of.as_object()) {
            subscribe.extend(of.clone());
        }
        if socket.send(Message::text(subscribe.to_string())).await.is_err() {
            return false;
        }
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            let batch = message["messages"].as_array().cloned();
            if batch.unwrap_or_else(|| vec![message]).iter().any(enough) {
                return true;
            }
        }
        false
    }
}
