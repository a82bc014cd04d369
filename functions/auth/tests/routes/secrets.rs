//! Secrets: what goes in never comes out.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{ADMIN, App};

const VALUE: &str = "fake-secret-0123456789";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_secret_is_kept_replaced_listed_and_deleted() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let token = &session["access_token"];
    let body = json!({"value": VALUE});
    let made = app.put("/v1/secrets/HF_TOKEN", &body).bearer(token).send().await.expect(201);
    assert_eq!((&made["name"], &made["bytes"]), (&json!("HF_TOKEN"), &json!(VALUE.len())));
    app.clock.advance(SignedDuration::from_secs(60));
    let body = json!({"value": "fake-other"});
    let again = app.put("/v1/secrets/HF_TOKEN", &body).bearer(token).send().await.expect(200);
    assert_eq!(again["created_at"], made["created_at"], "{again}");
    assert_ne!(again["updated_at"], made["updated_at"], "{again}");
    assert_eq!((&again["bytes"], &again["last_used_at"]), (&json!(10), &Value::Null));
    app.put("/v1/secrets/A1", &body).bearer(token).send().await.expect(201);
    let list = app.get("/v1/secrets").bearer(token).send().await.expect(200);
    assert_eq!(names(&list), ["A1", "HF_TOKEN"]);
    assert_eq!(list["items"][1], again);
    app.call("DELETE", "/v1/secrets/HF_TOKEN").bearer(token).send().await.expect(204);
    assert_eq!(
        app.call("DELETE", "/v1/secrets/HF_TOKEN").bearer(token).send().await.problem(404),
        "not_found"
    );
    let list = app.get("/v1/secrets").bearer(token).send().await.expect(200);
    assert_eq!(names(&list), ["A1"]);
}

#[tokio::test]
async fn a_value_is_in_no_answer_and_in_no_row() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let token = &session["access_token"];
    let body = json!({"value": VALUE});
    let made = app.put("/v1/secrets/HF_TOKEN", &body).bearer(token).send().await.expect(201);
    let list = app.get("/v1/secrets").bearer(token).send().await.expect(200);
    let rows = app.rows().await;
    assert!(rows.contains("HF_TOKEN"), "{rows}");
    for text in [made.to_string(), list.to_string(), rows] {
        assert!(!text.contains(VALUE), "{text}");
    }
    for wrong in
        [json!({"value": [VALUE]}), json!({"value": {"a": VALUE}}), json!({"value": format!("{VALUE}\u{0}")})]
    {
        let answer = app.put("/v1/secrets/HF_TOKEN", &wrong).bearer(token).send().await;
        assert!(!answer.body.to_string().contains(VALUE), "{answer:?}");
        assert_eq!(answer.fields(422), ["value"]);
    }
    assert_eq!(
        app.get("/v1/secrets/HF_TOKEN").bearer(token).send().await.status,
        405,
        "there is no way to read one"
    );
}

#[tokio::test]
async fn nobody_sees_or_touches_another_users() {
    let app = App::open().await;
    let ada = app.register("ada@example.com").await;
    let others = [app.register("bob@example.com").await, app.register(ADMIN).await];
    let body = json!({"value": VALUE});
    app.put("/v1/secrets/HF_TOKEN", &body).bearer(&ada["access_token"]).send().await.expect(201);
    for other in others {
        let token = &other["access_token"];
        assert!(names(&app.get("/v1/secrets").bearer(token).send().await.expect(200)).is_empty());
        let delete = app.call("DELETE", "/v1/secrets/HF_TOKEN").bearer(token).send().await;
        assert_eq!(delete.problem(404), "not_found");
        // The same name is theirs to use, and stays apart.
        app.put("/v1/secrets/HF_TOKEN", &json!({"value": "x"})).bearer(token).send().await.expect(201);
    }
    let list = app.get("/v1/secrets").bearer(&ada["access_token"]).send().await.expect(200);
    assert_eq!(list["items"][0]["bytes"], VALUE.len());
}

#[tokio::test]
async fn names_values_and_their_number_are_bounded() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let token = &session["access_token"];
    let put = async |name: &str, value: &str| {
        let path = format!("/v1/secrets/{name}");
        app.put(&path, &json!({"value": value})).bearer(token).send().await
    };
    for name in ["1A", "A-B", "GPU_TOKEN"] {
        assert_eq!(put(name, VALUE).await.fields(422), ["name"], "{name}");
    }
    for value in [String::new(), "v".repeat(32 * 1024 + 1)] {
        assert_eq!(put("A", &value).await.fields(422), ["value"]);
    }
    let extra = json!({"value": VALUE, "name": "A"});
    app.put("/v1/secrets/A", &extra).bearer(token).send().await.expect(422);
    for number in 0..100 {
        put(&format!("A{number}"), VALUE).await.expect(201);
    }
    assert_eq!(put("ONE_MORE", VALUE).await.problem(409), "too_many_secrets");
    put("A7", "fake-new-value").await.expect(200);
}
