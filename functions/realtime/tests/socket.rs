//! Tickets, connections and subscriptions, as both APIs invoke the function.

mod support;

use std::sync::Arc;

use app::{
    accounts::Accounts,
    ports::{AccountStore, ConnectionStore, Report, RunnerStore, Topic},
    realtime::Realtime,
};
use domain::{
    Principal,
    account::{Email, User},
};
use jiff::SignedDuration;
use lambda::{Event, RandomIds};
use lambda_runtime::Context;
use serde_json::{Value, json};
use support::{START, World, admin, field, socket, user};

async fn invoke(world: &World, payload: Value) -> Value {
    let event = Event { payload, context: Context::default() };
    realtime::handle(&world.platform, event).await.expect("the event is handled")
}

async fn status_of_connect(world: &World, id: &str, ticket: Option<&str>) -> Value {
    let query = ticket.map(|ticket| json!({"ticket": ticket}));
    invoke(world, socket("CONNECT", id, json!({"queryStringParameters": query}))).await["statusCode"].clone()
}

/// Says `request` on connection `id` and returns what comes back.
async fn say(world: &World, id: &str, request: Value) -> Vec<Value> {
    let text = match request {
        Value::String(text) => text,
        json => json.to_string(),
    };
    let answer = invoke(world, socket("MESSAGE", id, json!({"body": text}))).await;
    assert_eq!(answer, json!({"statusCode": 200}));
    world.gateway.messages(id)
}

async fn ticket(world: &World, principal: Principal) -> String {
    let store = Arc::new(world.table.store.clone());
    let (clock, ids) = (world.platform.clock(), Arc::new(RandomIds));
    let realtime = Realtime::new(store.clone(), store.clone(), store.clone(), store, clock, ids);
    realtime.issue_ticket(principal).await.expect("a ticket is made").text
}

#[tokio::test]
async fn a_ticket_opens_one_connection_within_a_minute() {
    let world = World::new().await;
    assert_eq!(status_of_connect(&world, "a", None).await, 401);
    assert_eq!(status_of_connect(&world, "a", Some("")).await, 401);
    assert_eq!(status_of_connect(&world, "a", Some("made-up")).await, 401);

    let good = ticket(&world, user(1)).await;
    world.clock.forward(59);
    assert_eq!(status_of_connect(&world, "a", Some(&good)).await, 200);
    assert_eq!(status_of_connect(&world, "b", Some(&good)).await, 401);

    let late = ticket(&world, user(1)).await;
    world.clock.forward(60);
    assert_eq!(status_of_connect(&world, "b", Some(&late)).await, 401);

    let open = world.table.store.connection("a").await.expect("it is read").expect("it is there");
    assert_eq!((open.principal, open.connected_at), (user(1), START + SignedDuration::from_secs(59)));
    assert!(world.table.store.connection("b").await.expect("it is read").is_none());
}

fn ticket_request(bearer: Option<&str>) -> Value {
    let headers = bearer.map_or(json!({}), |bearer| json!({"authorization": format!("Bearer {bearer}")}));
    json!({
        "version": "2.0", "routeKey": "POST /v1/realtime/ticket", "rawPath": "/v1/realtime/ticket", "rawQueryString": "",
        "headers": headers, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.test", "domainPrefix": "api", "stage": "$default",
            "requestId": "request-1", "routeKey": "POST /v1/realtime/ticket", "time": "01/Jan/1970:00:00:00 +0000", "timeEpoch": 0,
            "http": {"method": "POST", "path": "/v1/realtime/ticket", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
        },
    })
}

#[tokio::test]
async fn a_ticket_is_for_whoever_is_signed_in() {
    let world = World::new().await;
    for bearer in [None, Some("gpuk_made-up")] {
        let answer = invoke(&world, ticket_request(bearer)).await;
        assert_eq!(answer["statusCode"], 401, "{answer}");
    }

    let account = User {
        id: user(1).user,
        email: Email::parse("ada@example.com").expect("an address"),
        password: domain::account::Digest("not-a-hash".into()),
        role: domain::Role::User,
        active: true,
        profile: domain::account::Profile::default(),
        allowance: domain::account::Allowance::default(),
        epoch: 0,
        created_at: START,
        updated_at: START,
        version: 0,
    };
    world.table.store.add_user(&account).await.expect("the account is written");
    let accounts = Accounts {
        store: Arc::new(world.table.store.clone()),
        clock: world.platform.clock(),
        ids: world.platform.ids(),
        first_admin: None,
        open: false,
    };
    let (_, key) = accounts.create_api_key(account.id, "ci".into(), None).await.expect("a key is made");
    let answer = invoke(&world, ticket_request(Some(&key))).await;
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("it is JSON");
    let text = body["ticket"].as_str().expect("a ticket");
    assert_eq!(text.len(), 43);
    assert_eq!(body["url"], format!("ws://127.0.0.1:8080/ws?ticket={text}"));
    assert_eq!(body["expires_at"], "1970-01-01T00:01:00Z");
    assert_eq!(status_of_connect(&world, "a", Some(text)).await, 200);

    let rows = world.table.client.scan().table_name(support::TABLE).send().await.expect("the rows are read");
    assert!(!format!("{:?}", rows.items()).contains(text), "the ticket stands in the table");
}

#[tokio::test]
async fn a_subscription_tells_first_what_the_client_missed() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let mut job = world.submit(user(1).user, 7).await;
    for _ in 0..4 {
        world.wait_for_capacity(&mut job).await;
    }
    let id = job.id.to_string();

    let all = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 0, "id": 1})).await;
    assert_eq!(field(&all, "seq"), [1, 2, 3, 4, 5, 5]);
    assert_eq!(all[0]["event"], json!({"type": "submitted", "admitted": true}));
    let subscribed = json!({
        "type": "subscribed", "id": 1, "job_id": id, "run_id": null, "all": false, "seq": 5, "status": "queued",
        "run_status": null,
    });
    assert_eq!(all[5], subscribed);

    let some = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 3})).await;
    assert_eq!(field(&some, "seq"), [4, 5, 5]);
    let none = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 5})).await;
    assert_eq!(field(&none, "type"), ["subscribed"]);
    let from_now = say(&world, "a", json!({"action": "subscribe", "job_id": id})).await;
    assert_eq!(field(&from_now, "type"), ["subscribed"]);
    assert_eq!(world.table.store.subscriptions("a").await.expect("they are read"), [Topic::Job(job.id)]);
}

#[tokio::test]
async fn who_is_too_far_behind_is_told_to_fetch() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let mut job = world.submit(user(1).user, 7).await;
    for _ in 0..10 {
        let many = |job: &mut domain::job::Job, at| {
            (0..50).map(|_| job.wait_for_capacity("none", 30, at).expect("it is queued")).collect()
        };
        world.commit(&mut job, many).await;
    }
    assert_eq!(job.seq, 501);
    let id = job.id.to_string();

    let behind = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 0})).await;
    assert_eq!(field(&behind, "type"), ["gap", "subscribed"]);
    assert_eq!((&behind[0]["from"], &behind[0]["to"]), (&json!(1), &json!(501)));
    let ahead = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 502})).await;
    assert_eq!(field(&ahead, "type"), ["gap", "subscribed"]);
    let near = say(&world, "a", json!({"action": "subscribe", "job_id": id, "after": 1})).await;
    let expected: Vec<u64> = (2..=501).chain([501]).collect();
    assert_eq!(field(&near, "seq"), expected);
}

#[tokio::test]
async fn a_run_is_one_stream_for_all_of_its_nodes() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let mut head = world.start_run(user(1).user, 8).await;
    let id = head.run_id.to_string();
    for node in ["train", "tell"] {
        world.run_event(&mut head, node).await;
    }
    let subscribe = json!({"action": "subscribe", "run_id": id, "after": 1, "id": 1});
    let told = say(&world, "a", subscribe).await;
    assert_eq!(field(&told, "type"), ["run_event", "run_event", "subscribed"]);
    assert_eq!(field(&told, "seq"), [2, 3, 3]);
    assert_eq!(told[0]["event"]["node"], "train");
    assert_eq!(
        (&told[2]["run_id"], &told[2]["run_status"], &told[2]["job_id"]),
        (&json!(id), &json!("running"), &Value::Null)
    );
    assert_eq!(world.table.store.subscriptions("a").await.expect("they are read"), [Topic::Run(head.run_id)]);

    let ahead = say(&world, "a", json!({"action": "subscribe", "run_id": id, "after": 4})).await;
    assert_eq!(field(&ahead, "type"), ["gap", "subscribed"]);
    assert_eq!(
        (&ahead[0]["run_id"], &ahead[0]["job_id"], &ahead[0]["to"]),
        (&json!(id), &Value::Null, &json!(3))
    );

    let pong = say(&world, "a", json!({"action": "ping"})).await;
    assert_eq!(pong[0]["runs"], json!([{"run_id": id, "status": "running", "seq": 3}]));
    let status = say(&world, "a", json!({"action": "get_status", "run_id": id})).await;
    assert_eq!((&status[0]["type"], &status[0]["seq"]), (&json!("run_status"), &json!(3)));
    let connection = say(&world, "a", json!({"action": "get_status"})).await;
    assert_eq!(connection[0]["runs"], json!([id]));
    let ended = say(&world, "a", json!({"action": "unsubscribe", "run_id": id})).await;
    assert_eq!((&ended[0]["type"], &ended[0]["run_id"]), (&json!("unsubscribed"), &json!(id)));
    assert!(world.table.store.subscriptions("a").await.expect("they are read").is_empty());
}

#[tokio::test]
async fn somebody_elses_run_does_not_exist() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    world.connect("root", admin(3)).await;
    let head = world.start_run(user(2).user, 8).await;
    let id = head.run_id.to_string();
    for unknown in [&id, "run_00000000000000000000000000000099"] {
        for action in ["subscribe", "get_status"] {
            let answer = say(&world, "a", json!({"action": action, "run_id": unknown})).await;
            assert_eq!(field(&answer, "code"), ["not_found"]);
        }
    }
    assert!(world.table.store.subscribers(Topic::Run(head.run_id)).await.expect("they are read").is_empty());
    let answer = say(&world, "root", json!({"action": "subscribe", "run_id": id})).await;
    assert_eq!(field(&answer, "type"), ["subscribed"]);
}

#[tokio::test]
async fn somebody_elses_job_does_not_exist() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    world.connect("root", admin(3)).await;
    let job = world.submit(user(2).user, 7).await;
    let id = job.id.to_string();
    for unknown in [&id, "job_00000000000000000000000000000099"] {
        for action in ["subscribe", "get_status"] {
            let answer = say(&world, "a", json!({"action": action, "job_id": unknown, "id": "x"})).await;
            assert_eq!(field(&answer, "code"), ["not_found"]);
            assert_eq!((&answer[0]["type"], &answer[0]["id"]), (&json!("error"), &json!("x")));
        }
    }
    assert!(world.table.store.subscribers(Topic::Job(job.id)).await.expect("they are read").is_empty());
    let answer = say(&world, "root", json!({"action": "subscribe", "job_id": id})).await;
    assert_eq!(field(&answer, "type"), ["subscribed"]);
}

#[tokio::test]
async fn whoever_looks_makes_the_runner_report_often() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let mut job = world.submit(user(1).user, 7).await;
    let id = job.id.to_string();
    say(&world, "a", json!({"action": "subscribe", "job_id": id})).await;
    let attempt = world.provision(&mut job).await;
    let watched_until = async || {
        let runner = world.table.store.runner(attempt.id).await.expect("it is read").expect("it is there");
        runner.watched_until
    };
    assert_eq!(watched_until().await, None);

    let pong = say(&world, "a", json!({"action": "ping", "id": 5})).await;
    let position = json!([{"job_id": id, "status": "provisioning", "seq": 2}]);
    let expected =
        json!({"type": "pong", "id": 5, "at": "1970-01-01T00:00:00Z", "jobs": position, "runs": []});
    assert_eq!(pong, [expected]);
    assert_eq!(watched_until().await, Some(START + SignedDuration::from_secs(60)));

    world.clock.forward(30);
    say(&world, "a", json!({"action": "subscribe", "job_id": id})).await;
    assert_eq!(watched_until().await, Some(START + SignedDuration::from_secs(90)));
    // Nobody else's ping counts.
    world.connect("b", user(1)).await;
    world.clock.forward(30);
    assert_eq!(field(&say(&world, "b", json!({"action": "ping"})).await, "jobs"), [json!([])]);
    assert_eq!(watched_until().await, Some(START + SignedDuration::from_secs(90)));
}

#[tokio::test]
async fn status_is_told_when_asked() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let mut job = world.submit(user(1).user, 7).await;
    let id = job.id.to_string();
    let before = say(&world, "a", json!({"action": "get_status", "job_id": id})).await;
    assert_eq!((&before[0]["attempt"], &before[0]["progress"]), (&json!(0), &Value::Null));

    let attempt = world.provision(&mut job).await;
    let progress = Some(domain::job::Progress { fraction: 0.25, text: "第 1 轮".into() });
    let report = Report { progress, ..Report::default() };
    world.table.store.hear(attempt.id, "runner", 1, &report, START).await.expect("the runner is heard");
    let after = say(&world, "a", json!({"action": "get_status", "job_id": id, "id": 2})).await;
    assert_eq!(
        after,
        [json!({
            "type": "job_status", "id": 2, "job_id": id, "status": "provisioning", "seq": 2, "attempt": 1,
            "updated_at": "1970-01-01T00:00:00Z", "progress": {"fraction": 0.25, "text": "第 1 轮"},
            "heard_at": "1970-01-01T00:00:00Z", "reason": null,
        })]
    );

    say(&world, "a", json!({"action": "subscribe", "job_id": id})).await;
    say(&world, "a", json!({"action": "subscribe", "all": true})).await;
    let connection = say(&world, "a", json!({"action": "get_status"})).await;
    assert_eq!(
        connection,
        [json!({
            "type": "connection_status", "id": null, "connected_at": "1970-01-01T00:00:00Z",
            "closes_at": "1970-01-01T02:00:00Z", "jobs": [id], "runs": [], "all": true,
        })]
    );
}

#[tokio::test]
async fn an_administrator_of_all_hears_of_the_platform_too() {
    let world = World::new().await;
    for (id, who) in [("admin", admin(1)), ("user", user(2))] {
        world.connect(id, who).await;
        say(&world, id, json!({"action": "subscribe", "all": true})).await;
    }
    let platform = async || world.table.store.subscribers(Topic::Platform).await.expect("they are read");
    assert_eq!(platform().await, ["admin"]);
    say(&world, "admin", json!({"action": "unsubscribe", "all": true})).await;
    assert!(platform().await.is_empty());
}

#[tokio::test]
async fn a_subscription_can_be_ended_again() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let job = world.submit(user(1).user, 7).await;
    let id = job.id.to_string();
    let all = say(&world, "a", json!({"action": "subscribe", "all": true, "id": 0})).await;
    let subscribed = json!({
        "type": "subscribed", "id": 0, "job_id": null, "run_id": null, "all": true, "seq": null, "status": null,
        "run_status": null,
    });
    assert_eq!(all, [subscribed]);
    say(&world, "a", json!({"action": "subscribe", "job_id": id})).await;
    for _ in 0..2 {
        let ended = say(&world, "a", json!({"action": "unsubscribe", "job_id": id, "id": 1})).await;
        let expected = json!({"type": "unsubscribed", "id": 1, "job_id": id, "run_id": null, "all": false});
        assert_eq!(ended, [expected]);
    }
    let left = world.table.store.subscriptions("a").await.expect("they are read");
    assert_eq!(left, [Topic::Owner(user(1).user)]);
    say(&world, "a", json!({"action": "unsubscribe", "all": true})).await;
    assert!(world.table.store.subscriptions("a").await.expect("they are read").is_empty());
}

#[tokio::test]
async fn a_connection_has_so_many_subscriptions_and_no_more() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    let limit = u128::try_from(app::realtime::SUBSCRIPTIONS).expect("it is small");
    for n in 0..=limit {
        world.submit(user(1).user, n).await;
    }
    let subscribe = async |n: u128| {
        let id = domain::JobId::new(uuid::Uuid::from_u128(n)).to_string();
        say(&world, "a", json!({"action": "subscribe", "job_id": id})).await
    };
    for n in 0..limit {
        assert_eq!(field(&subscribe(n).await, "type"), ["subscribed"]);
    }
    assert_eq!(field(&subscribe(limit).await, "code"), ["too_many_subscriptions"]);
    assert_eq!(field(&subscribe(0).await, "type"), ["subscribed"]);
}

#[tokio::test]
async fn nonsense_is_answered_and_does_nothing() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    for (request, code) in [
        (json!("{"), "invalid_json"),
        (json!(""), "invalid_json"),
        (json!([1]), "invalid_message"),
        (json!({"action": "fly"}), "unknown_action"),
        (json!({"action": "subscribe", "job_id": "'; drop"}), "invalid_message"),
        (json!({"action": "ping", "id": "x".repeat(100_000)}), "too_large"),
    ] {
        let answer = say(&world, "a", request.clone()).await;
        assert_eq!(field(&answer, "code"), [code], "{request}");
    }
    invoke(&world, socket("MESSAGE", "a", json!({"body": "AAEC", "isBase64Encoded": true}))).await;
    let answer = world.gateway.messages("a");
    assert!(answer[0]["message"].as_str().is_some_and(|text| text.contains("binary")), "{answer:?}");
    assert!(world.table.store.subscriptions("a").await.expect("they are read").is_empty());
}

#[tokio::test]
async fn a_connection_that_ends_is_forgotten_and_one_that_is_unknown_is_closed() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    say(&world, "a", json!({"action": "subscribe", "all": true})).await;
    for _ in 0..2 {
        let answer = invoke(&world, socket("DISCONNECT", "a", json!({}))).await;
        assert_eq!(answer, json!({"statusCode": 200}));
    }
    let topic = Topic::Owner(user(1).user);
    assert!(world.table.store.subscribers(topic).await.expect("they are read").is_empty());

    let answer = invoke(&world, socket("MESSAGE", "a", json!({"body": "{\"action\":\"ping\"}"}))).await;
    assert_eq!(answer, json!({"statusCode": 410}));
    assert!(world.gateway.closed("a"));
    assert!(world.gateway.messages("a").is_empty());
}

#[tokio::test]
async fn a_connection_that_is_gone_when_it_is_answered_is_forgotten() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    world.gateway.lose("a");
    assert!(say(&world, "a", json!({"action": "subscribe", "all": true})).await.is_empty());
    assert!(world.table.store.connection("a").await.expect("it is read").is_none());
    let topic = Topic::Owner(user(1).user);
    assert!(world.table.store.subscribers(topic).await.expect("they are read").is_empty());
}

#[tokio::test]
async fn what_is_no_event_of_ours_is_an_error() {
    let world = World::new().await;
    for payload in [json!({}), json!(1), socket("RECONNECT", "a", json!({}))] {
        let event = Event { payload: payload.clone(), context: Context::default() };
        assert!(realtime::handle(&world.platform, event).await.is_err(), "{payload}");
    }
}
