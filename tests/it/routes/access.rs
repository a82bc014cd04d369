//! Every operation of the API, as its own document lists them, against callers who must not get through: nobody, a token
//! that somebody else wrote, a plain user where an administrator is due, and another user with the ids of what is not
//! theirs. An operation that is added is tried without a word here; one on a kind of thing that is new fails until the
//! thing is made below.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Stack, User, shell_job};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

struct Operation {
    method: Method,
    path: String,
    body: Option<Value>,
    is_open: bool,
}

impl Operation {
    fn of_admins(&self) -> bool {
        self.path.contains("/admin")
    }
}

async fn operations(stack: &Stack) -> Vec<Operation> {
    let api = User::anonymous(stack).get("/v1/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let schema = schema["$ref"].as_str().and_then(|to| api.pointer(&to[1..])).unwrap_or(schema);
            all.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                body: operation
                    .get("requestBody")
                    .map(|_| schema.get("example").cloned().unwrap_or(json!({}))),
                is_open: operation["security"] == json!([{}]),
            });
        }
    }
    assert!(all.len() > 80, "{} operations", all.len());
    all
}

impl User {
    async fn tries(&self, operation: &Operation, path: &str) -> (u16, Value) {
        let answer = self.send(operation.method.clone(), path, operation.body.as_ref(), &[]).await;
        (answer.status.as_u16(), answer.body)
    }
}

/// The token with another signature; with a `header` of its own it has none.
fn forged(token: &str, header: Option<&str>) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[0] = header.unwrap_or(parts[0]);
    let signature: String = parts[2].chars().rev().collect();
    parts[2] = if header.is_some() { "" } else { &signature };
    parts.join(".")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_answers_without_a_token_that_we_made() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let with = |token: String| User { token, ..user.clone() };
    let callers = [
        ("nobody", User::anonymous(&stack)),
        ("another signature", with(forged(&user.token, None))),
        // {"alg":"none"} and {"alg":"HS256"}
        ("no algorithm", with(forged(&user.token, Some("eyJhbGciOiJub25lIn0")))),
        ("a symmetric algorithm", with(forged(&user.token, Some("eyJhbGciOiJIUzI1NiJ9")))),
        ("no token at all", with("fake".to_owned())),
        ("an unknown key", with("gpk_fakefakefakefakefakefakefakefake".to_owned())),
    ];
    let mut wrong = Vec::new();
    for operation in operations(&stack).await.iter().filter(|operation| !operation.is_open) {
        for (who, caller) in &callers {
            let (status, body) = caller.tries(operation, &operation.path).await;
            if status != 401 {
                wrong.push(format!("{who}: {} {}: {status} {body}", operation.method, operation.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_user_is_no_administrator() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let mut tried = 0;
    for operation in operations(&stack).await.iter().filter(|operation| operation.of_admins()) {
        let path = operation.path.replace("{id}", &user.id);
        let (status, body) = user.tries(operation, &path).await;
        assert_eq!((status, &body["code"]), (403, &json!("admin_required")), "{} {path}", operation.method);
        tried += 1;
    }
    assert!(tried >= 4, "{tried} operations of administrators");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_not_there() {
    let stack = Stack::start().await;
    let (owner, other) = (stack.user().await, stack.user().await);
    let made = async |path: &str, body: Value| {
        let made = owner.post(path, &body).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    };
    let job = owner.submit(&shell_job("sleep 60", json!({}))).await;
    let definition = json!({ "name": "mine", "nodes": { "only": { "condition": "true" } } });
    let workflow = owner.workflow(&definition).await;
    let run = owner.start(&workflow, &json!({})).await;
    let schedule = made(
        &format!("/v1/workflows/{workflow}/schedules"),
        json!({ "cron": "0 3 * * *", "time_zone": "UTC" }),
    )
    .await;
    let key = made("/v1/me/api-keys", json!({ "name": "mine" })).await;
    let secret = json!({ "value": "fake-secret-value" });
    owner.send(Method::PUT, "/v1/secrets/MINE", Some(&secret), &[]).await.expect(201);

    let mut wrong = Vec::new();
    for operation in operations(&stack).await.iter().filter(|operation| operation.path.contains('{')) {
        // Templates are everybody's; what is of notifications is tried where it is made.
        let is_elsewhere =
            ["/v1/templates/", "/v1/notifications/"].iter().any(|of| operation.path.starts_with(of));
        if operation.of_admins() || is_elsewhere {
            continue;
        }
        let id = match operation.path.split('/').nth(2) {
            Some("jobs") => &job,
            Some("workflows") => &workflow,
            Some("runs") => &run,
            Some("me") => &key,
            Some("secrets") if operation.method == Method::PUT => continue,
            Some("secrets") => "MINE",
            kind => panic!("nothing of the kind {kind:?} is made here"),
        };
        let path = operation.path.replace("{id}", id).replace("{schedule}", &schedule);
        let mut path = path.replace("{node}", "only").replace("{name}", id).replace("{n}", "1");
        if path.ends_with("/compare") {
            path = format!("{path}?with={run}");
        }
        let (status, body) = other.tries(operation, &path).await;
        if status != 404 {
            wrong.push(format!("{} {path}: {status} {body}", operation.method));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(owner.job(&job).await["cancel_requested_at"], Value::Null, "nothing was done");
    owner.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.expect(202);
    owner.ended(&job).await;
}
