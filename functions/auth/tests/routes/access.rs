//! Who gets in: every operation of the document, with and without credentials.

use serde_json::{Value, json};

use crate::support::{ADMIN, App};

/// Method, path and whether anybody may call it, of every operation that the document says is ours.
fn operations() -> Vec<(String, String, bool)> {
    let document = serde_json::to_value(contract::openapi()).unwrap();
    let ours = ["auth", "me", "admin", "secrets", "examples"].map(Value::from);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if ours.contains(&operation["tags"][0]) {
                let path = path
                    .replace("{id}", "key_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")
                    .replace("{name}", "HF_TOKEN");
                operations.push((method.to_uppercase(), path, operation["security"] == json!([{}])));
            }
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_of_the_document_is_served_and_protected_as_it_says() {
    let app = App::open().await;
    let operations = operations();
    assert_eq!(operations.len(), 17);
    let forged = json!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMDE4ZjVlNmM4YTdiN2MzZDllMGYxYTJiM2M0ZDVlNmYifQ.");
    for (method, path, open) in operations {
        let call = || app.call(&method, &path).json(&json!({}));
        let bare = call().send().await;
        if open {
            assert!(![404, 405].contains(&bare.status) && bare.status < 500, "{method} {path}: {bare:?}");
            continue;
        }
        assert_eq!(bare.problem(401), "not_authenticated", "{method} {path}");
        assert_eq!(call().bearer(&forged).send().await.problem(401), "invalid_token", "{method} {path}");
        let key = json!("gpuk_not-a-real-key");
        assert_eq!(call().bearer(&key).send().await.problem(401), "invalid_api_key", "{method} {path}");
    }
}

#[tokio::test]
async fn the_examples_greet_whom_they_may() {
    let app = App::open().await;
    let (root, ada) = (app.register(ADMIN).await, app.register("ada@example.com").await);
    let get = async |path: &str, session: &Value| app.get(path).bearer(&session["access_token"]).send().await;
    let hello = get("/v1/examples/protected", &ada).await.expect(200);
    assert_eq!(hello["message"], "Hello ada@example.com.");
    assert_eq!((&hello["user_id"], &hello["role"]), (&ada["user"]["id"], &json!("user")));
    assert_eq!(get("/v1/examples/admin", &ada).await.problem(403), "admin_required");
    assert_eq!(get("/v1/examples/admin", &root).await.expect(200)["role"], "admin");
    get("/v1/examples/protected", &root).await.expect(200);
}
