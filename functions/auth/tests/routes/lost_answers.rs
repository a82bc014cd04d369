//! A write that was done and whose answer was lost is repeated by the client of AWS. Nobody is signed out by that.

use serde_json::json;

use crate::support::{ADMIN, App, PASSWORD};

#[tokio::test]
async fn a_registration_is_made_once() {
    let app = App::open().await;
    app.lose(&["TransactWriteItems", "PutItem", "UpdateItem"]);
    let session = app.register("ada@example.com").await;
    assert!(app.all_lost());
    app.refresh(&session).await.expect(200);
}

#[tokio::test]
async fn a_session_goes_on() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    app.lose(&["PutItem", "UpdateItem"]);
    let session = app.login("ada@example.com", PASSWORD).await.expect(200);
    assert!(app.all_lost());
    app.lose(&["PutItem"]);
    let session = app.refresh(&session).await.expect(200);
    assert!(app.all_lost());
    app.refresh(&session).await.expect(200);
}

#[tokio::test]
async fn a_password_is_changed() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    app.lose(&["PutItem"]);
    let body = json!({"current_password": PASSWORD, "new_password": "a different horse"});
    app.post("/v1/me/password", &body).bearer(&session["access_token"]).send().await.expect(204);
    assert!(app.all_lost());
    app.login("ada@example.com", "a different horse").await.expect(200);
    app.refresh(&session).await.expect(200);
}

#[tokio::test]
async fn a_key_is_made_and_revoked() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    app.lose(&["TransactWriteItems"]);
    let key = app.api_key(&session).await;
    assert!(app.all_lost());
    app.get("/v1/me").bearer(&key["key"]).send().await.expect(200);
    let list = app.get("/v1/me/api-keys").bearer(&session["access_token"]).send().await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    app.lose(&["TransactWriteItems"]);
    let path = format!("/v1/me/api-keys/{}", key["id"].as_str().unwrap());
    app.call("DELETE", &path).bearer(&session["access_token"]).send().await.expect(204);
    assert!(app.all_lost());
}

#[tokio::test]
async fn an_account_is_changed() {
    let app = App::open().await;
    let (root, ada) = (app.register(ADMIN).await, app.register("ada@example.com").await);
    app.lose(&["PutItem"]);
    let path = format!("/v1/admin/users/{}", ada["user"]["id"].as_str().unwrap());
    let call = app.patch(&path, &json!({"active": false})).bearer(&root["access_token"]);
    assert_eq!(call.send().await.expect(200)["active"], false);
    assert!(app.all_lost());
    assert_eq!(app.refresh(&ada).await.problem(401), "session_over");
}
