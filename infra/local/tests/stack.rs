//! The stack around a real function process.

use std::path::PathBuf;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

fn options() -> Options {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let tests = std::env::current_exe().unwrap();
    let programs = tests.parent().unwrap().parent().unwrap().join("examples");
    Options {
        port: 0,
        template: here.join("tests/template.yaml"),
        functions: programs,
        clouds: std::collections::BTreeSet::new(),
        ..Options::default()
    }
}

async fn start() -> Stack {
    Stack::start(options()).await.unwrap()
}

/// What one asks of the stack under test.
struct Client {
    http: reqwest::Client,
    api: String,
    aws: String,
    websocket: String,
}

impl Client {
    fn of(stack: &Stack) -> Self {
        let ready = stack.ready.clone();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, api: ready.api, aws: ready.aws, websocket: ready.websocket }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(format!("{}{path}", self.api)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn put(&self, row: Value) -> u16 {
        let request = self.http.post(format!("{}/v1/put", self.api)).json(&row);
        request.send().await.unwrap().status().as_u16()
    }

    async fn control(&self, method: http::Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/_local/{path}", self.aws));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.json().await.unwrap()
    }

    async fn fault(&self, fault: Value) {
        self.control(http::Method::POST, "faults", Some(fault)).await;
    }

    async fn rest(&self) {
        self.control(http::Method::GET, "idle", None).await;
    }

    async fn rows(&self) -> Vec<Value> {
        let body = json!({ "TableName": "rows" });
        self.aws("DynamoDB_20120810.Scan", body).await.1["Items"].as_array().unwrap().clone()
    }

    async fn aws(&self, target: &str, body: Value) -> (u16, Value) {
        let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=0000";
        let response = self
            .http
            .post(&self.aws)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", authorization)
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn invoke(&self, function: &str, body: Value) -> (u16, bool, Value) {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.aws);
        let response = self.http.post(url).body(body.to_string()).send().await.unwrap();
        let failed = response.headers().contains_key("x-amz-function-error");
        (response.status().as_u16(), failed, response.json().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_reaches_the_function_and_comes_back() {
    let stack = start().await;
    let client = Client::of(&stack);
    let (status, event) = client.get("/v1/some%20thing/x?a=1&a=2").await;
    assert_eq!(status, 200);
    assert_eq!(event["routeKey"], "ANY /v1/{proxy+}");
    assert_eq!(event["pathParameters"]["proxy"], "some thing/x");
    assert_eq!(event["queryStringParameters"]["a"], "1,2");
    let (status, body) = client.get("/nothing").await;
    assert_eq!((status, body), (404, json!({ "message": "Not Found" })));
    let (status, body) = client.get("/v1/fail").await;
    assert_eq!((status, body), (500, json!({ "message": "Internal Server Error" })));
    // The process that crashed is replaced
    assert_eq!(client.get("/v1/crash").await.0, 500);
    assert_eq!(client.get("/v1/again").await.0, 200);
    let large = client.http.post(format!("{}/v1/put", client.api)).body(vec![b' '; 10 * 1024 * 1024 + 1]);
    assert_eq!(large.send().await.unwrap().status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_its_own_environment_and_is_kept_warm() {
    let stack = start().await;
    let client = Client::of(&stack);
    let (_, first) = client.get("/v1/environment").await;
    let (_, second) = client.get("/v1/environment").await;
    assert_eq!(first["process"], second["process"]);
    assert_eq!(first["api"], client.api);
    assert_eq!(first["arn"], "arn:aws:lambda:us-east-1:000000000000:function:stage-probe");
    let names = first["names"].as_array().unwrap();
    assert!(names.contains(&json!("AWS_ENDPOINT_URL")));
    assert!(!names.iter().any(|name| name.as_str().unwrap().starts_with("CARGO")), "{names:?}");
    // While it is busy another one serves
    client.fault(json!({ "edge": "dynamodb", "operation": "PutItem", "mode": "hang" })).await;
    let busy = client.put(json!({ "key": "late" }));
    let meanwhile = async {
        while client.control(http::Method::GET, "faults", None).await["faults"][0]["hits"] != 1 {
            tokio::task::yield_now().await;
        }
        let (_, other) = client.get("/v1/environment").await;
        client.control(http::Method::DELETE, "faults", None).await;
        other
    };
    let (status, other) = tokio::join!(busy, meanwhile);
    assert_eq!(status, 201);
    assert_ne!(first["process"], other["process"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_processes_end() {
    let stack = Stack::start(Options { idle: Duration::from_millis(1), ..options() }).await.unwrap();
    let client = Client::of(&stack);
    let (_, first) = client.get("/v1/environment").await;
    let process = PathBuf::from(format!("/proc/{}", first["process"]));
    while process.exists() || stack.platform.functions.host.idle_processes() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (_, second) = client.get("/v1/environment").await;
    assert_ne!(first["process"], second["process"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_end_as_lambda_ends_them() {
    let stack = start().await;
    let client = Client::of(&stack);
    let http = |path: &str| json!({ "requestContext": { "http": {} }, "rawPath": format!("/v1/{path}") });
    assert_eq!(client.invoke("stage-probe", json!({ "a": 1 })).await, (200, false, json!({ "a": 1 })));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:stage-probe:$LATEST";
    assert_eq!(client.invoke(arn, json!(5)).await, (200, false, json!(5)));
    let (status, failed, error) = client.invoke("stage-probe", http("fail")).await;
    assert_eq!((status, failed), (200, true));
    assert_eq!(error["errorMessage"], "it failed");
    let (_, failed, error) = client.invoke("stage-probe", http("crash")).await;
    assert!(failed);
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(
        error["errorMessage"].as_str().unwrap().ends_with("Error: Runtime exited with error: exit status 3")
    );
    let (_, failed, error) = client.invoke("stage-broken", json!({})).await;
    assert!(failed);
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let (_, failed, error) = client.invoke("stage-quick", http("hang")).await;
    assert!(failed);
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("Error: Task timed out after 1.00 seconds"));
    assert_eq!(client.invoke("stage-quick", json!(1)).await, (200, false, json!(1)));
    // One at a time is what its template says
    let (hanging, other) =
        tokio::join!(client.invoke("stage-quick", http("hang")), client.invoke("stage-quick", http("hang")));
    let statuses = [hanging.0, other.0];
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(client.invoke("nobody", json!({})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_stop_the_function() {
    let stack = start().await;
    let client = Client::of(&stack);
    client.get("/v1/warm").await;
    client.fault(json!({ "edge": "dynamodb", "operation": "PutItem", "mode": "hang" })).await;
    let leaving =
        tokio::time::timeout(Duration::from_millis(200), client.put(json!({ "key": "late" }))).await;
    assert!(leaving.is_err());
    client.control(http::Method::DELETE, "faults", None).await;
    client.rest().await;
    assert_eq!(client.rows().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_from_ticket_to_disconnect() {
    let stack = start().await;
    let client = Client::of(&stack);
    let refused = tokio_tungstenite::connect_async(format!("{}?ticket=bad", client.websocket)).await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 401));
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("{}?ticket=good", client.websocket)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let (id, said) = answer.split_once(' ').unwrap();
    assert_eq!(said, "hello");
    let id = id.to_owned();

    // A row that asks for it is pushed; another is not
    assert_eq!(client.put(json!({ "key": "silent", "push": false, "connection": id })).await, 201);
    assert_eq!(client.put(json!({ "key": "loud", "push": true, "connection": id })).await, 201);
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "loud");

    socket.send(Message::text("fail")).await.unwrap();
    let error: Value =
        serde_json::from_str(&socket.next().await.unwrap().unwrap().into_text().unwrap()).unwrap();
    assert_eq!(error["message"], "Internal server error");
    assert_eq!(error["connectionId"], id.as_str());

    let known = format!("{}/live/@connections/{}", client.aws, id.replace('=', "%3D"));
    let seen = client.http.get(&known).send().await.unwrap();
    assert_eq!(seen.status(), 200);
    assert_eq!(seen.json::<Value>().await.unwrap()["identity"]["sourceIp"], "127.0.0.1");
    let long = client.http.post(&known).body(vec![b'a'; 128 * 1024 + 1]).send().await.unwrap();
    assert_eq!(long.status(), 413);

    socket.close(None).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    client.rest().await;
    let gone = client.rows().await;
    assert!(gone.iter().any(|row| row["pk"]["S"] == "gone" && row["of"]["S"] == id.as_str()), "{gone:?}");
    let late = client.http.post(&known).body("x").send().await.unwrap();
    assert_eq!(late.status(), 410);
    assert_eq!(late.headers()["x-amzn-errortype"], "GoneException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_too_much_is_closed() {
    let stack = start().await;
    let client = Client::of(&stack);
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("{}?ticket=good", client.websocket)).await.unwrap();
    socket.send(Message::text("a".repeat(32 * 1024 + 1))).await.unwrap();
    let code = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(1009));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_record_does_not_stop_the_stream() {
    let stack = start().await;
    let client = Client::of(&stack);
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("{}?ticket=good", client.websocket)).await.unwrap();
    socket.send(Message::text("who")).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let id = answer.split(' ').next().unwrap().to_owned();
    for (key, poison) in [("a", "none"), ("b", "batch"), ("c", "none"), ("d", "record"), ("e", "none")] {
        let row = json!({ "key": key, "push": true, "connection": id, "poison": poison });
        assert_eq!(client.put(row).await, 201);
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last: &String| last != "e") {
        heard.push(socket.next().await.unwrap().unwrap().into_text().unwrap().to_string());
    }
    client.rest().await;
    heard.dedup();
    assert_eq!(heard.iter().filter(|key| ["b", "d"].contains(&key.as_str())).count(), 0);
    for key in ["a", "c", "e"] {
        assert!(heard.iter().any(|heard| heard == key), "{key} in {heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_the_journal_tells() {
    let stack = start().await;
    let client = Client::of(&stack);
    client.rest().await;
    let last = client.control(http::Method::GET, "calls", None).await["last"].as_u64().unwrap();

    // The SDK tries three times
    client.fault(json!({ "edge": "dynamodb", "operation": "Put*", "function": "probe", "times": 3, "mode": "fail_before" })).await;
    assert_eq!(client.put(json!({ "key": "before" })).await, 502);
    assert_eq!(client.rows().await.len(), 0);
    let calls = client.control(http::Method::GET, &format!("calls?since={last}"), None).await;
    let puts: Vec<&Value> =
        calls["calls"].as_array().unwrap().iter().filter(|call| call["operation"] == "PutItem").collect();
    assert_eq!(puts.len(), 3);
    assert!(puts.iter().all(|call| call["function"] == "probe" && call["fault"] == "fail_before"));
    let armed = client.control(http::Method::GET, "faults", None).await;
    assert_eq!(armed["faults"][0]["hits"], 3);
    client.control(http::Method::DELETE, "faults", None).await;

    client.fault(json!({ "edge": "dynamodb", "operation": "PutItem", "function": "probe", "times": 3, "mode": "fail_after" })).await;
    assert_eq!(client.put(json!({ "key": "after" })).await, 502);
    assert_eq!(client.rows().await.len(), 1);
    client.control(http::Method::DELETE, "faults", None).await;

    // Somebody else's call is not struck
    client.fault(json!({ "edge": "dynamodb", "function": "other", "mode": "fail_before" })).await;
    assert_eq!(client.put(json!({ "key": "free" })).await, 201);
    client.control(http::Method::DELETE, "faults", None).await;

    client.fault(json!({ "edge": "lambda", "function": "probe", "mode": "throttle" })).await;
    assert_eq!(client.get("/v1/x").await.0, 503);
    client.fault(json!({ "edge": "http", "operation": "GET /v1/y", "mode": "fail_after" })).await;
    assert_eq!(client.get("/v1/y").await.0, 500);
    assert_eq!(client.get("/v1/y").await.0, 200);
    let wrong =
        client.http.post(format!("{}/_local/faults", client.aws)).body(r#"{"edge":"moon","mode":"hang"}"#);
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_fire_when_told_and_everything_is_billed() {
    let stack = start().await;
    let client = Client::of(&stack);
    client.control(http::Method::POST, "bill/reset", None).await;
    let fired = client.control(http::Method::POST, "invoke-schedule/tick", None).await;
    assert_eq!(fired["result"], "ticked");
    client.get("/v1/x").await;
    let bill = client.control(http::Method::GET, "bill", None).await;
    assert_eq!(bill["usage"]["invocations"], 2);
    assert_eq!(bill["usage"]["http_requests"], 1);
    assert_eq!(bill["usage"]["scheduled_invocations"], 1);
    assert_eq!(bill["usage"]["write_units"], 1.0);
    assert!(bill["dollars"].as_f64().unwrap() > 0.0);
}

/// The probe of the template may put rows and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_do_what_its_policies_say() {
    let stack = start().await;
    let client = Client::of(&stack);
    let call = async |key: &str, target: &str| {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request =
            client.http.post(&client.aws).header("x-amz-target", target).header("authorization", scope);
        let request = request.header("content-type", "application/x-amz-json-1.0").header("x-amz-date", "x");
        let response = request.body(r#"{"TableName":"rows"}"#).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, error) = call("test-probe", "DynamoDB_20120810.Scan").await;
    assert_eq!((status, &error["__type"]), (400, &json!("AccessDeniedException")));
    assert_eq!(error["message"], "User: probe is not authorized to perform: dynamodb:Scan");
    assert_eq!(call("test", "DynamoDB_20120810.Scan").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_calls_the_function() {
    let stack = start().await;
    let client = Client::of(&stack);
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:machine";
    let run = async |name: &str, input: Value| {
        let body = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
        let (status, started) = client.aws("AWSStepFunctions.StartExecution", body).await;
        assert_eq!(status, 200, "{started}");
        stack.platform.machines.ended(started["executionArn"].as_str().unwrap()).await;
        let body = json!({ "executionArn": started["executionArn"] });
        client.aws("AWSStepFunctions.DescribeExecution", body).await.1
    };
    let ended = run("clean", json!({ "a": 1 })).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("SUCCEEDED"), &json!(r#"{"a":1}"#)));

    client.fault(json!({ "edge": "lambda", "function": "probe", "mode": "throttle" })).await;
    assert_eq!(run("throttled", json!({})).await["status"], "SUCCEEDED");
    client.control(http::Method::DELETE, "faults", None).await;
    client.fault(json!({ "edge": "lambda", "function": "probe", "mode": "fail_before" })).await;
    let ended = run("unserved", json!({})).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("Lambda.ServiceException")));
    let ended = run("failing", json!({ "requestContext": { "http": {} }, "rawPath": "/v1/fail" })).await;
    assert_eq!(ended["status"], "FAILED");
    assert!(ended["cause"].as_str().unwrap().contains("it failed"), "{ended}");
    // Three executions of one state, and one of one state with a retry
    let bill = client.control(http::Method::GET, "bill", None).await;
    assert_eq!(bill["usage"]["transitions"], 5);

    client.fault(json!({ "edge": "states", "operation": "StartExecution", "mode": "throttle" })).await;
    let (status, error) =
        client.aws("AWSStepFunctions.StartExecution", json!({ "stateMachineArn": machine })).await;
    assert_eq!((status, &error["__type"]), (400, &json!("ThrottlingException")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_simulated_cloud_passes_its_edge() {
    let stack = Stack::start(Options { clouds: [local::simulated::Cloud::Runpod].into(), ..options() })
        .await
        .unwrap();
    let client = Client::of(&stack);
    assert!(stack.ready.clouds["runpod"].starts_with("http://127.0.0.1:"));
    let pods = async || {
        let url = format!("{}/_clouds/probe/runpod/v2/pods", client.aws);
        client.http.get(url).bearer_auth("fake-runpod-key").send().await.unwrap().status().as_u16()
    };
    assert_eq!(pods().await, 200);
    client
        .fault(
            json!({ "edge": "provider", "operation": "GET /v2/*", "function": "probe", "mode": "throttle" }),
        )
        .await;
    assert_eq!(pods().await, 429);
    assert_eq!(pods().await, 200);
    let calls = client.control(http::Method::GET, "calls", None).await;
    assert_eq!(calls["calls"][0]["operation"], "GET /v2/pods");
    assert_eq!(calls["calls"].as_array().unwrap().len(), 3);
}

/// A stack that was dropped keeps its folder until its last task has ended.
async fn start_when_free(options: impl Fn() -> Options) -> Stack {
    loop {
        match Stack::start(options()).await {
            Ok(stack) => return stack,
            Err(error) if error.to_string().contains("is used by another stack") => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_outlives_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || Options { data: Some(folder.path().to_owned()), ..options() };
    let first = Stack::start(kept()).await.unwrap();
    let client = Client::of(&first);
    // Written, and not yet pushed when the stack dies
    client.get("/v1/warm").await;
    client.fault(json!({ "edge": "connections", "mode": "hang", "times": 100 })).await;
    assert_eq!(client.put(json!({ "key": "kept", "push": true, "connection": "somebody" })).await, 201);
    drop(first);
    let second = start_when_free(kept).await;
    let client = Client::of(&second);
    assert_eq!(client.rows().await.len(), 1);
    client.rest().await;
    let calls = client.control(http::Method::GET, "calls", None).await;
    let pushes =
        calls["calls"].as_array().unwrap().iter().filter(|call| call["operation"] == "PostToConnection");
    assert!(pushes.count() >= 1, "the stream went on where it was");
}
