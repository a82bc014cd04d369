//! The function with a table, a parameter store and a clock of its own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use app::ports::Clock;
use aws::Environment;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use axum::{Router, body::Bytes, extract::State, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use lambda::{Config, Platform, RandomIds};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const ADMIN: &str = "root@example.com";
const TABLE: &str = "gpu-test";

/// A clock that a test sets. It begins at the start of a throttle's window.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time of this age")
    }
}

/// The function under test.
pub(crate) struct App {
    pub(crate) clock: Arc<TestClock>,
    router: Router,
    aws: Arc<Aws>,
}

/// DynamoDB and the parameters on one endpoint, as the local stack serves them, with faults on demand.
struct Aws {
    table: String,
    pem: String,
    client: reqwest::Client,
    /// Operations of which the next is done, but answered with an error.
    lost: Mutex<Vec<&'static str>>,
}

/// An answer as API Gateway gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u64) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// The code of a problem with that status.
    #[track_caller]
    pub(crate) fn problem(self, status: u64) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        self.expect(status)["code"].as_str().expect("a code").to_owned()
    }

    /// The fields that a problem names.
    #[track_caller]
    pub(crate) fn fields(self, status: u64) -> Vec<String> {
        let body = self.expect(status);
        let errors = body["errors"].as_array().expect("errors");
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect()
    }
}

/// A request to be sent.
pub(crate) struct Call<'a> {
    app: &'a App,
    method: &'a str,
    path: &'a str,
    headers: Value,
    cookies: Vec<String>,
    address: &'a str,
    body: Option<String>,
}

impl<'a> Call<'a> {
    pub(crate) fn bearer(mut self, token: &Value) -> Self {
        self.headers["authorization"] = format!("Bearer {}", token.as_str().expect("a token")).into();
        self
    }

    pub(crate) fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.cookies.push(cookie.into());
        self
    }

    pub(crate) fn from(mut self, address: &'a str) -> Self {
        self.address = address;
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.headers["content-type"] = "application/json".into();
        self.body = Some(body.to_string());
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let (path, query) = self.path.split_once('?').unwrap_or((self.path, ""));
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": self.headers, "cookies": self.cookies,
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
                "http": {
                    "method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": self.address,
                    "userAgent": "test"
                },
                "requestId": "gateway", "routeKey": "$default", "stage": "$default",
                "time": "12/Mar/2030:19:03:58 +0000", "timeEpoch": 1_900_000_000_000_u64
            },
            "body": self.body, "isBase64Encoded": false,
        });
        let mut context = Context::default();
        context.request_id = "invocation".into();
        let answer = lambda::http::answer(self.app.router.clone(), LambdaEvent::new(event, context))
            .await
            .expect("the event is one of API Gateway");
        let body = answer["body"].as_str().unwrap_or_default();
        Answer {
            status: answer["statusCode"].as_u64().expect("a status"),
            headers: answer["headers"].clone(),
            cookies: serde_json::from_value(answer["cookies"].clone()).unwrap_or_default(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

impl App {
    /// Anybody may register.
    pub(crate) async fn open() -> Self {
        Self::with("open").await
    }

    pub(crate) async fn with(registration: &str) -> Self {
        let (endpoint, aws) = endpoint().await;
        let config = Config::read(|name| {
            let value = match name {
                "TABLE_NAME" => TABLE,
                "JOB_MACHINE_ARN" => "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-job",
                "RUN_MACHINE_ARN" => "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-run",
                "API_URL" => "https://api.example.com",
                "WEBSOCKET_URL" => "wss://ws.example.com",
                "WEBSOCKET_ENDPOINT" => "https://ws.example.com/live",
                "PARAMETER_PREFIX" => "/gpu/test",
                "FIRST_ADMIN_EMAIL" => ADMIN,
                "REGISTRATION" => registration,
                _ => return None,
            };
            Some(value.to_owned())
        })
        .expect("the configuration is complete");
        let clock = Arc::new(TestClock(AtomicI64::new(3_600 * 500_000)));
        let platform = Platform::new(config, Environment::at(endpoint), clock.clone(), Arc::new(RandomIds));
        Self { clock, router: auth::routes(platform), aws }
    }

    /// The answers of the next calls of these operations are lost, once each.
    pub(crate) fn lose(&self, operations: &[&'static str]) {
        self.aws.lost.lock().expect("no test panicked").extend(operations);
    }

    /// Whether every answer that was to be lost was lost.
    pub(crate) fn all_lost(&self) -> bool {
        self.aws.lost.lock().expect("no test panicked").is_empty()
    }

    pub(crate) fn call<'a>(&'a self, method: &'a str, path: &'a str) -> Call<'a> {
        let (headers, cookies) = (json!({}), Vec::new());
        Call { app: self, method, path, headers, cookies, address: "192.0.2.7", body: None }
    }

    pub(crate) fn get<'a>(&'a self, path: &'a str) -> Call<'a> {
        self.call("GET", path)
    }

    pub(crate) fn post<'a>(&'a self, path: &'a str, body: &Value) -> Call<'a> {
        self.call("POST", path).json(body)
    }

    pub(crate) fn patch<'a>(&'a self, path: &'a str, body: &Value) -> Call<'a> {
        self.call("PATCH", path).json(body)
    }

    pub(crate) fn put<'a>(&'a self, path: &'a str, body: &Value) -> Call<'a> {
        self.call("PUT", path).json(body)
    }

    /// Every row of the table, as text.
    pub(crate) async fn rows(&self) -> String {
        let client = Environment::at(&self.aws.table).dynamodb();
        let page = client.scan().table_name(TABLE).send().await.expect("the table can be read");
        format!("{:?}", page.items())
    }

    /// A new account's session.
    pub(crate) async fn register(&self, email: &str) -> Value {
        self.post("/v1/auth/register", &json!({"email": email, "password": PASSWORD}))
            .send()
            .await
            .expect(201)
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/v1/auth/login", &json!({"email": email, "password": password})).send().await
    }

    pub(crate) async fn refresh(&self, session: &Value) -> Answer {
        self.post("/v1/auth/refresh", &json!({"refresh_token": session["refresh_token"]})).send().await
    }

    /// A new API key of whoever has `session`.
    pub(crate) async fn api_key(&self, session: &Value) -> Value {
        let call = self.post("/v1/me/api-keys", &json!({"name": "ci"})).bearer(&session["access_token"]);
        call.send().await.expect(201)
    }
}

async fn endpoint() -> (String, Arc<Aws>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let table = format!("http://{}", listener.local_addr().expect("a bound port"));
    let database = dynoxide::Database::memory().expect("a database in memory");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    create(&Environment::at(&table).dynamodb()).await;

    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let der = pair.to_pkcs8v1().expect("a key in PKCS #8");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound port"));
    let aws = Arc::new(Aws { table, pem, client: reqwest::Client::new(), lost: Mutex::default() });
    let router = Router::new().route("/", post(answer)).with_state(aws.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, aws)
}

async fn answer(
    State(aws): State<Arc<Aws>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Bytes) {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target == "AmazonSSM.GetParameter" {
        let asked: Value = serde_json::from_slice(&body).expect("a request in JSON");
        let value = match asked["Name"].as_str() {
            Some("/gpu/test/signing-key") => aws.pem.clone(),
            Some("/gpu/test/secrets-key") => STANDARD.encode([7; 32]),
            other => panic!("{other:?} is none of this function's parameters"),
        };
        let answer = json!({"Parameter": {"Name": asked["Name"], "Type": "SecureString", "Value": value}});
        return (StatusCode::OK, HeaderMap::new(), answer.to_string().into());
    }
    let lost = {
        let mut lost = aws.lost.lock().expect("no test panicked");
        let found = lost.iter().position(|operation| target.ends_with(operation));
        found.map(|found| lost.swap_remove(found))
    };
    let answer =
        aws.client.post(&aws.table).headers(headers).body(body).send().await.expect("the table answers");
    if lost.is_some() {
        assert!(answer.status().is_success(), "what is lost was done: {answer:?}");
        let error = json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"});
        return (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), error.to_string().into());
    }
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(http::header::TRANSFER_ENCODING);
    (status, headers, answer.bytes().await.expect("the whole answer"))
}

/// The table as `infra/template.yaml` has it, as far as accounts need it.
async fn create(client: &aws_sdk_dynamodb::Client) {
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key of the schema")
    };
    let mut request = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range));
    for name in ["pk", "sk", "gsi1pk", "gsi1sk"] {
        let attribute =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(attribute.build().expect("an attribute of the schema"));
    }
    let index = GlobalSecondaryIndex::builder()
        .index_name("gsi1")
        .key_schema(key("gsi1pk", KeyType::Hash))
        .key_schema(key("gsi1sk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let index = index.build().expect("an index of the schema");
    request.global_secondary_indexes(index).send().await.expect("the table can be made");
}
