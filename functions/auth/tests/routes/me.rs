//! `/v1/me`, `/v1/me/password`

use serde_json::json;

use crate::support::{App, PASSWORD};

const NEW: &str = "a different horse";

#[tokio::test]
async fn a_profile_changes_field_by_field() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let edit = async |body| app.patch("/v1/me", &body).bearer(&session["access_token"]).send().await;
    let full = json!({"first_name": "Ada", "last_name": "Lovelace", "organization": "分析机", "phone": "+44 20 7946 0000",
        "avatar": "https://example.com/ada.png"});
    let me = edit(full.clone()).await.expect(200);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(me[field], *value, "{field}");
    }
    let me = edit(json!({"phone": null})).await.expect(200);
    assert_eq!((&me["phone"], &me["first_name"]), (&json!(null), &json!("Ada")));
    assert_eq!(edit(json!({})).await.expect(200)["first_name"], "Ada");
    let shown = app.get("/v1/me").bearer(&session["access_token"]).send().await.expect(200);
    assert_eq!(shown["organization"], "分析机");
}

#[tokio::test]
async fn what_is_not_ones_own_to_change_is_refused() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    for field in ["role", "email", "active", "id", "password", "epoch"] {
        let call = app.patch("/v1/me", &json!({ field: "admin" })).bearer(&session["access_token"]);
        assert_eq!(call.send().await.fields(422), [field]);
    }
    let bad = json!({"first_name": "x".repeat(101), "phone": "call me", "avatar": "javascript:alert(1)"});
    let call = app.patch("/v1/me", &bad).bearer(&session["access_token"]);
    assert_eq!(call.send().await.fields(422), ["first_name", "phone", "avatar"]);
    let me = app.get("/v1/me").bearer(&session["access_token"]).send().await.expect(200);
    assert_eq!((&me["role"], &me["first_name"]), (&json!("user"), &json!(null)));
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let app = App::open().await;
    let here = app.register("ada@example.com").await;
    let there = app.login("ada@example.com", PASSWORD).await.expect(200);
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        app.post("/v1/me/password", &body).bearer(&here["access_token"]).send().await
    };
    assert_eq!(change("not the password", NEW).await.problem(403), "wrong_password");
    assert_eq!(change(PASSWORD, "short").await.fields(422), ["new_password"]);
    assert_eq!(change(PASSWORD, "ADA@example.com").await.fields(422), ["new_password"]);
    app.refresh(&there).await.expect(200);
    let there = app.login("ada@example.com", PASSWORD).await.expect(200);

    change(PASSWORD, NEW).await.expect(204);
    assert_eq!(app.refresh(&there).await.problem(401), "session_over");
    let here = app.refresh(&here).await.expect(200);
    app.refresh(&here).await.expect(200);
    assert_eq!(app.login("ada@example.com", PASSWORD).await.problem(401), "wrong_credentials");
    app.login("ada@example.com", NEW).await.expect(200);
}

#[tokio::test]
async fn guessing_the_current_password_is_throttled() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let body = json!({"current_password": "a wrong guess", "new_password": NEW});
    for _ in 0..10 {
        app.post("/v1/me/password", &body).bearer(&session["access_token"]).send().await.expect(403);
    }
    let call = app.post("/v1/me/password", &body).bearer(&session["access_token"]);
    assert_eq!(call.send().await.problem(429), "too_many_tries");
}
