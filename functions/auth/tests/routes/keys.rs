//! `/v1/me/api-keys`

use jiff::SignedDuration;
use serde_json::json;

use crate::support::App;

#[tokio::test]
async fn a_key_is_shown_once_and_acts_as_its_owner() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let created = app.api_key(&session).await;
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("gpuk_") && key.len() == 48, "{key}");
    assert_eq!(created["hint"], key[..9]);
    assert_eq!(created["last_used_at"], json!(null));

    let me = app.get("/v1/me").bearer(&created["key"]).send().await.expect(200);
    assert_eq!(me["email"], "ada@example.com");
    let list = app.get("/v1/me/api-keys").bearer(&session["access_token"]).send().await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["name"]), (&created["id"], &json!("ci")));
    assert!(list["items"][0]["last_used_at"].is_string(), "{list}");
    assert!(!list.to_string().contains(key));
}

#[tokio::test]
async fn a_stolen_key_cannot_make_itself_at_home() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let created = app.api_key(&session).await;
    let password = json!({"current_password": "x", "new_password": "a different horse"});
    for call in [
        app.post("/v1/me/api-keys", &json!({"name": "more"})),
        app.post("/v1/me/password", &password),
        app.call("DELETE", "/v1/me/api-keys/key_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"),
    ] {
        assert_eq!(call.bearer(&created["key"]).send().await.problem(403), "session_required");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let other = app.register("bob@example.com").await;
    let (kept, revoked) = (app.api_key(&session).await, app.api_key(&session).await);
    let path = format!("/v1/me/api-keys/{}", revoked["id"].as_str().unwrap());
    let revoke = || app.call("DELETE", &path);
    assert_eq!(revoke().bearer(&other["access_token"]).send().await.problem(404), "not_found");
    app.get("/v1/me").bearer(&revoked["key"]).send().await.expect(200);
    revoke().bearer(&session["access_token"]).send().await.expect(204);
    assert_eq!(app.get("/v1/me").bearer(&revoked["key"]).send().await.problem(401), "invalid_api_key");
    assert_eq!(revoke().bearer(&session["access_token"]).send().await.problem(404), "not_found");
    app.get("/v1/me").bearer(&kept["key"]).send().await.expect(200);
}

#[tokio::test]
async fn a_key_ends_when_it_says() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let create = |body| app.post("/v1/me/api-keys", &body).bearer(&session["access_token"]).send();
    let fields = create(json!({"name": "", "expires_at": "2020-01-01T00:00:00Z"})).await.fields(422);
    assert_eq!(fields, ["name", "expires_at"]);
    assert_eq!(create(json!({"name": "a", "expires_at": "tomorrow"})).await.fields(422), ["expires_at"]);
    let end = app::ports::Clock::now(&*app.clock) + SignedDuration::from_secs(60);
    let key = create(json!({"name": "a", "expires_at": end.to_string()})).await.expect(201);
    app.get("/v1/me").bearer(&key["key"]).send().await.expect(200);
    app.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(app.get("/v1/me").bearer(&key["key"]).send().await.problem(401), "invalid_api_key");
}

#[tokio::test]
async fn an_account_has_a_number_of_keys() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    for _ in 0..25 {
        app.api_key(&session).await;
    }
    let call = app.post("/v1/me/api-keys", &json!({"name": "one more"})).bearer(&session["access_token"]);
    assert_eq!(call.send().await.problem(409), "too_many_keys");
}
