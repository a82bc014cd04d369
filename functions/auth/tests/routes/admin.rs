//! `/v1/admin/users`

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, App, PASSWORD};

async fn edit(app: &App, by: &Value, whom: &Value, body: &Value) -> Answer {
    let path = format!("/v1/admin/users/{}", whom["user"]["id"].as_str().unwrap());
    app.patch(&path, body).bearer(&by["access_token"]).send().await
}

#[tokio::test]
async fn an_admin_lists_all_accounts_in_pages() {
    let app = App::open().await;
    let admin = app.register(ADMIN).await;
    for n in [2, 1, 3] {
        app.register(&format!("user{n}@example.com")).await;
    }
    let list = async |path: &str| app.get(path).bearer(&admin["access_token"]).send().await;
    let emails = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("/v1/admin/users?limit=3").await.expect(200);
    assert_eq!(emails(&first), [ADMIN, "user1@example.com", "user2@example.com"]);
    assert!(!first.to_string().contains("argon2"));
    let path = format!("/v1/admin/users?limit=3&cursor={}", first["next"].as_str().unwrap());
    let second = list(&path).await.expect(200);
    assert_eq!((emails(&second), &second["next"]), (vec!["user3@example.com".to_owned()], &json!(null)));
    for path in ["/v1/admin/users?limit=0", "/v1/admin/users?limit=101", "/v1/admin/users?limit=x"] {
        assert_eq!(list(path).await.fields(422), ["limit"], "{path}");
    }
    assert_eq!(list("/v1/admin/users?page=2").await.fields(422), ["page"]);
    assert_eq!(list("/v1/admin/users?cursor=x").await.problem(422), "invalid_cursor");
}

#[tokio::test]
async fn a_deactivated_account_is_out_at_once() {
    let app = App::open().await;
    let (admin, ada) = (app.register(ADMIN).await, app.register("ada@example.com").await);
    let key = app.api_key(&ada).await;
    let after = edit(&app, &admin, &ada, &json!({"active": false})).await.expect(200);
    assert_eq!(after["active"], false);
    assert_eq!(app.refresh(&ada).await.problem(401), "session_over");
    assert_eq!(app.get("/v1/me").bearer(&key["key"]).send().await.problem(401), "invalid_api_key");
    assert_eq!(app.login("ada@example.com", PASSWORD).await.problem(403), "account_deactivated");
    assert_eq!(app.login("ada@example.com", "not the password").await.problem(401), "wrong_credentials");
    let more = app.post("/v1/me/api-keys", &json!({"name": "more"})).bearer(&ada["access_token"]);
    assert_eq!(more.send().await.problem(403), "account_deactivated");

    edit(&app, &admin, &ada, &json!({"active": true})).await.expect(200);
    assert_eq!(app.refresh(&ada).await.problem(401), "session_over", "the old session stays over");
    app.login("ada@example.com", PASSWORD).await.expect(200);
    app.get("/v1/me").bearer(&key["key"]).send().await.expect(200);
}

#[tokio::test]
async fn a_role_counts_at_once_for_administration_and_elsewhere_with_the_next_token() {
    let app = App::open().await;
    let (root, ada) = (app.register(ADMIN).await, app.register("ada@example.com").await);
    let users =
        async |session: &Value| app.get("/v1/admin/users").bearer(&session["access_token"]).send().await;
    assert_eq!(users(&ada).await.problem(403), "admin_required");
    edit(&app, &root, &ada, &json!({"role": "admin"})).await.expect(200);
    let ada = app.refresh(&ada).await.expect(200);
    assert_eq!(ada["user"]["role"], "admin");
    users(&ada).await.expect(200);
    edit(&app, &root, &ada, &json!({"role": "user"})).await.expect(200);
    assert_eq!(users(&ada).await.problem(403), "admin_required", "although the token still says admin");
}

#[tokio::test]
async fn the_last_admin_cannot_lock_everybody_out() {
    let app = App::open().await;
    let root = app.register(ADMIN).await;
    for body in [json!({"role": "user"}), json!({"active": false})] {
        assert_eq!(edit(&app, &root, &root, &body).await.problem(409), "own_account");
    }
    edit(&app, &root, &root, &json!({"role": "admin"})).await.expect(200);
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_changed() {
    let app = App::open().await;
    let root = app.register(ADMIN).await;
    for id in ["usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f", "nobody", "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"] {
        let path = format!("/v1/admin/users/{id}");
        let call = app.patch(&path, &json!({"active": false})).bearer(&root["access_token"]);
        assert_eq!(call.send().await.problem(404), "not_found", "{id}");
    }
    assert_eq!(edit(&app, &root, &root, &json!({"role": "owner"})).await.fields(422), ["role"]);
}
