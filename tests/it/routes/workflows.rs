//! `/v1/workflows` and `/v1/templates`: definitions in both forms, everything that is wrong at once, versions,
//! other people's workflows, keys.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Stack, User};

const YAML: &str = "# what a person wrote
name: train-and-tell
params:
  epochs: {type: integer, minimum: 1, default: 3}
nodes:
  train:
    job:
      image: docker.io/library/busybox:1.36
      command: [sh, -c, 'echo ${{ params.epochs }}']
  good:
    depends_on: [train]
    condition: params.epochs > 1
";

/// A workflow of one condition.
fn small(name: &str) -> Value {
    json!({ "name": name, "nodes": { "yes": { "condition": "true" } } })
}

async fn make(user: &User, definition: Value) -> Value {
    user.post("/v1/workflows", &json!({ "definition": definition })).await.expect(201)
}

fn path(workflow: &Value) -> String {
    workflow["links"]["self"].as_str().expect("its path").to_owned()
}

async fn put(user: &User, path: &str, body: &Value) -> Answer {
    user.send(Method::PUT, path, Some(body), &[]).await
}

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_kept_as_it_was_written_and_every_version_of_it() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let answer = user.post("/v1/workflows", &json!({ "yaml": YAML, "note": "the first" })).await;
    let location = answer.headers["location"].to_str().expect("text").to_owned();
    let made = answer.expect(201);
    assert_eq!(path(&made), location);
    assert_eq!((&made["name"], &made["version"]), (&json!("train-and-tell"), &json!(1)));
    assert_eq!((&made["paused"], &made["template"]), (&json!(false), &Value::Null));
    assert_eq!(made["runs"]["success_rate"], Value::Null);
    assert_eq!(user.get(&location).await.expect(200), made);

    let first = user.get(&format!("{location}/versions/1")).await.expect(200);
    assert_eq!(
        (&first["yaml"], &first["note"], &first["nodes"]),
        (&json!(YAML), &json!("the first"), &json!(2))
    );
    assert_eq!(first["by"], json!(user.id));
    assert_eq!(first["definition"]["params"]["epochs"]["default"], 3);

    // The same again is no version; another one is, and the first one stays.
    let same = put(&user, &location, &json!({ "yaml": YAML })).await.expect(200);
    assert_eq!(same["version"], 1);
    let mut changed = first["definition"].clone();
    changed["description"] = json!("如今有说明");
    let update = json!({ "definition": changed, "base_version": 1, "note": "说明" });
    let second = put(&user, &location, &update).await.expect(200);
    assert_eq!((&second["version"], &second["description"]), (&json!(2), &json!("如今有说明")));
    // A repeat of a change that was done is no conflict with itself; another one on the old version is.
    assert_eq!(put(&user, &location, &update).await.expect(200)["version"], 2);
    let late = json!({ "definition": small("late"), "base_version": 1 });
    put(&user, &location, &late).await.problem(409, "version_conflict");

    let versions = user.get(&format!("{location}/versions?limit=1")).await.expect(200);
    assert_eq!(versions["items"][0]["version"], 2);
    let next = versions["next"].as_str().expect("another page");
    let rest = user.get(&format!("{location}/versions?cursor={next}")).await.expect(200);
    assert_eq!((&rest["items"][0]["version"], &rest["next"]), (&json!(1), &Value::Null));
    let second = user.get(&format!("{location}/versions/2")).await.expect(200);
    assert_eq!(second["yaml"], Value::Null, "it was written as JSON");
    assert_eq!(second["definition"], changed);
    user.get(&format!("{location}/versions/3")).await.problem(404, "not_found");
    user.get(&format!("{location}/versions/one")).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let wrong = "name: wrong
params:
  epochs: {type: whole}
nodes:
  train:
    depends_on: [good]
    job: {image: '', command: [sh]}
  good:
    depends_on: [train]
    condition: params.epoch >
  tell:
    depends_on: [trian]
    webhook: {url: 'https://example.com'}
";
    let expected = [
        "params.epochs",
        "nodes.train",
        "nodes.train.job.image",
        "nodes.good.condition",
        "nodes.tell.depends_on[0]",
    ];
    let checked = user.post("/v1/workflows:validate", &json!({ "yaml": wrong })).await.expect(200);
    assert_eq!((&checked["valid"], &checked["graph"]), (&json!(false), &Value::Null));
    let errors = checked["errors"].as_array().cloned().unwrap_or_default();
    for place in expected {
        let said = |error: &Value| error["field"].as_str().is_some_and(|field| field.starts_with(place));
        assert!(errors.iter().any(said), "{place} is not among {errors:#?}");
    }
    let typo = errors.iter().find(|error| error["field"] == "nodes.tell.depends_on[0]").expect("the typo");
    assert_eq!(typo["line"], 12);
    assert!(typo["message"].as_str().is_some_and(|said| said.contains("did you mean `train`")), "{typo}");

    let refused = user.post("/v1/workflows", &json!({ "yaml": wrong })).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert_eq!(refused.body["code"], "invalid_fields");
    assert_eq!(refused.body["errors"], checked["errors"], "creating says what checking says");
    let workflow = make(&user, small("right")).await;
    let refused = put(&user, &path(&workflow), &json!({ "yaml": wrong })).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert_eq!(refused.body["errors"], checked["errors"]);

    for (body, field) in [
        (json!({}), "definition"),
        (json!({ "definition": small("a"), "yaml": YAML }), "yaml"),
        (json!({ "definition": small("a"), "note": "x".repeat(501) }), "note"),
        (json!({ "definition": small("a"), "colour": 1 }), "colour"),
        (json!({ "definition": small("") }), "name"),
        (json!({ "yaml": "name: [" }), "definition"),
        (json!({ "definition": { "name": "a", "nodes": {} } }), "nodes"),
    ] {
        let fields = user.post("/v1/workflows", &body).await.problem(422, "invalid_fields");
        assert!(fields.iter().any(|named| named.starts_with(field)), "{field} is not among {fields:?}");
    }
    // A name that stands twice is seen, though JSON's parsers keep the last.
    let twice = r#"{"definition": {"name": "a", "nodes": {"b": {"condition": "true"}, "b": {"condition": "false"}}}}"#;
    let answer = user.post_raw("/v1/workflows", twice.into()).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.body);
    let huge = json!({ "yaml": format!("name: a # {}", "x".repeat(5 << 20)) });
    user.post("/v1/workflows", &huge).await.problem(413, "body_too_large");
    assert_eq!(names(&user.get("/v1/workflows").await.expect(200)), ["right"], "nothing else was kept");

    let checked = user.post("/v1/workflows:validate", &json!({ "yaml": YAML })).await.expect(200);
    assert_eq!(
        (&checked["valid"], &checked["nodes"], &checked["edges"]),
        (&json!(true), &json!(2), &json!(1))
    );
    assert_eq!(checked["graph"]["edges"][0], json!({ "from": "train", "to": "good", "condition": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_definition_goes_in_and_comes_out() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let node = |n: usize| {
        let before = if n == 0 { json!([]) } else { json!([format!("node-{}", n - 1)]) };
        let job =
            json!({ "image": "docker.io/library/busybox:1.36", "command": ["sh", "-c", "x".repeat(300)] });
        (format!("node-{n}"), json!({ "depends_on": before, "job": job }))
    };
    let nodes: serde_json::Map<String, Value> = (0..5_000).map(node).collect();
    let workflow = make(&user, json!({ "name": "large", "nodes": nodes })).await;
    let version = user.get(&format!("{}/versions/1", path(&workflow))).await.expect(200);
    assert_eq!(version["nodes"], 5_000);
    assert_eq!(version["definition"]["nodes"].as_object().map(serde_json::Map::len), Some(5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_a_repeat_harmless() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let send = async |body: &Value| {
        user.send(Method::POST, "/v1/workflows", Some(body), &[("idempotency-key", "once")]).await
    };
    let body = json!({ "definition": small("once") });
    send(&json!({ "definition": small("") })).await.problem(422, "invalid_fields");
    let first = send(&body).await.expect(201);
    let again = send(&body).await;
    assert_eq!(again.headers.get("idempotent-replayed").and_then(|v| v.to_str().ok()), Some("true"));
    assert_eq!(again.headers["location"].to_str().ok(), first["links"]["self"].as_str());
    assert_eq!(again.expect(201), first);
    send(&json!({ "definition": small("other") })).await.problem(422, "idempotency_key_reused");
    assert_eq!(names(&user.get("/v1/workflows").await.expect(200)), ["once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_workflow_does_not_exist() {
    let stack = Stack::start().await;
    let (mine, other, admin) = (stack.user().await, stack.user().await, stack.admin().await);
    let workflow = make(&mine, small("mine")).await;
    let base = path(&workflow);
    let schedule = mine.post(&format!("{base}/schedules"), &json!({ "cron": "@daily" })).await.expect(201);
    let schedule = schedule["link"].as_str().expect("its path").to_owned();
    for path in ["", "/versions", "/versions/1", "/runs", "/schedules"] {
        other.get(&format!("{base}{path}")).await.problem(404, "not_found");
        admin.get(&format!("{base}{path}")).await.expect(200);
    }
    other.get(&schedule).await.problem(404, "not_found");
    put(&other, &base, &json!({ "definition": small("stolen") })).await.problem(404, "not_found");
    // Not even whether it would be acceptable is said about what is not theirs.
    put(&other, &base, &json!({ "definition": small("") })).await.problem(404, "not_found");
    other.patch(&base, &json!({ "template": "public" })).await.problem(404, "not_found");
    for action in ["activate", "pause"] {
        other.post(&format!("{base}/{action}"), &json!({})).await.problem(404, "not_found");
    }
    other.post(&format!("{base}/schedules"), &json!({ "cron": "@daily" })).await.problem(404, "not_found");
    other.patch(&schedule, &json!({ "active": false })).await.problem(404, "not_found");
    other.delete(&schedule).await.problem(404, "not_found");
    other.delete(&base).await.problem(404, "not_found");
    assert_eq!(other.get("/v1/workflows").await.expect(200)["items"], json!([]));
    assert_eq!(other.get("/v1/runs").await.expect(200)["items"], json!([]));
    for path in ["/v1/runs/run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f", "/v1/runs/mine", "/v1/workflows/mine"] {
        mine.get(path).await.problem(404, "not_found");
    }
    let nobody = User::anonymous(&stack);
    for path in ["/v1/workflows", "/v1/runs", "/v1/templates", &base] {
        nobody.get(path).await.problem(401, "not_authenticated");
    }
    nobody.post("/v1/workflows:validate", &json!({ "yaml": YAML })).await.problem(401, "not_authenticated");
    assert_eq!(mine.get(&base).await.expect(200), workflow_with_next(&workflow, &mine, &base).await);
}

/// The workflow as it was made, with the slot that its schedule gave it.
async fn workflow_with_next(workflow: &Value, user: &User, base: &str) -> Value {
    let schedules = user.get(&format!("{base}/schedules")).await.expect(200);
    let mut workflow = workflow.clone();
    workflow["next_due"] = schedules["items"][0]["next_due"].clone();
    workflow
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_and_pausing_shows() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(path(&make(&user, small(&format!("Nightly {n}"))).await));
    }
    user.post(&format!("{}/pause", made[1]), &json!({})).await.expect(200);
    let again = user.post(&format!("{}/pause", made[1]), &json!({})).await.expect(200);
    assert_eq!(again["paused"], true, "asking again changes nothing");
    let list = async |query: &str| names(&user.get(&format!("/v1/workflows?{query}")).await.expect(200));
    assert_eq!(list("name=nightly").await.len(), 5);
    assert_eq!(list("status=paused").await, ["Nightly 1"]);
    assert_eq!(list("status=active&name=NIGHTLY%203").await, ["Nightly 3"]);
    assert_eq!(list("template=true").await, Vec::<String>::new());
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = user.get(&format!("/v1/workflows?{query}")).await.expect(200);
        seen.extend(names(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, ["Nightly 4", "Nightly 3", "Nightly 2", "Nightly 1", "Nightly 0"]);
    user.post(&format!("{}/activate", made[1]), &json!({})).await.expect(200);
    assert_eq!(list("status=paused").await, Vec::<String>::new());
    for query in ["limit=0", "status=on", "template=perhaps", "cursor=bm90IG91cnM", "colour=red"] {
        let answer = user.get(&format!("/v1/workflows?{query}")).await;
        assert_eq!(answer.status.as_u16(), 422, "{query}: {}", answer.body);
    }

    assert_eq!(user.delete(&made[0]).await.status.as_u16(), 204);
    user.delete(&made[0]).await.problem(404, "not_found");
    user.get(&made[0]).await.problem(404, "not_found");
    assert_eq!(list("name=nightly").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_shared_and_instantiated() {
    let stack = Stack::start().await;
    let (author, other) = (stack.user().await, stack.user().await);
    let body = json!({ "yaml": YAML, "template": "private" });
    let template = author.post("/v1/workflows", &body).await.expect(201);
    let (base, id) = (path(&template), template["id"].as_str().expect("its id"));
    let at = format!("/v1/templates/{id}");
    other.get(&at).await.problem(404, "not_found");
    other.post(&format!("{at}/instantiate"), &json!({})).await.problem(404, "not_found");
    assert_eq!(names(&author.get("/v1/templates").await.expect(200)), ["train-and-tell"]);
    assert_eq!(other.get("/v1/templates").await.expect(200)["items"], json!([]));

    let public = author.patch(&base, &json!({ "template": "public" })).await.expect(200);
    assert_eq!(public["template"], "public");
    let offered = other.get("/v1/templates?mine=false").await.expect(200);
    assert_eq!((&offered["items"][0]["id"], &offered["items"][0]["mine"]), (&json!(id), &json!(false)));
    assert_eq!(other.get("/v1/templates?mine=true").await.expect(200)["items"], json!([]));
    assert_eq!(other.get(&at).await.expect(200)["yaml"], json!(YAML));
    other.get(&base).await.problem(404, "not_found");

    // As it stands, with no body at all; and with other words, once under a key.
    let as_it_is = other.send(Method::POST, &format!("{at}/instantiate"), None, &[]).await.expect(201);
    let version = other.get(&format!("{}/versions/1", path(&as_it_is))).await.expect(200);
    assert_eq!((&version["yaml"], &as_it_is["owner"]), (&json!(YAML), &json!(other.id)));
    let change = json!({ "name": "mine now", "params": { "epochs": 9 } });
    let send = async |body: &Value| {
        let headers = [("idempotency-key", "mine")];
        other.send(Method::POST, &format!("{at}/instantiate"), Some(body), &headers).await
    };
    let changed = send(&change).await.expect(201);
    assert_eq!(send(&change).await.expect(201), changed);
    send(&json!({ "name": "another" })).await.problem(422, "idempotency_key_reused");
    let version = other.get(&format!("{}/versions/1", path(&changed))).await.expect(200);
    assert_eq!(version["definition"]["params"]["epochs"]["default"], 9);
    assert_eq!(names(&other.get("/v1/workflows").await.expect(200)), ["mine now", "train-and-tell"]);
    for (body, field) in [
        (json!({ "params": { "epochs": 0 } }), "params.epochs"),
        (json!({ "params": { "colour": 1 } }), "params.colour"),
        (json!({ "name": "two\nlines" }), "name"),
    ] {
        let fields = other.post(&format!("{at}/instantiate"), &body).await.problem(422, "invalid_fields");
        assert!(fields.iter().any(|named| named.starts_with(field)), "{field} is not among {fields:?}");
    }

    let ended = author.patch(&base, &json!({ "template": null })).await.expect(200);
    assert_eq!(ended["template"], Value::Null);
    other.get(&at).await.problem(404, "not_found");
    other.get(&path(&as_it_is)).await.expect(200);
}
