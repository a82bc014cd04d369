//! `/v1/auth`, `/v1/me`, `/v1/admin`, `/v1/examples`, through the whole stack.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, Stack, User};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_once_per_token_and_reuse_ends_it() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let nobody = User::anonymous(&stack);
    let session = nobody
        .post("/v1/auth/login", &json!({ "email": user.email, "password": PASSWORD }))
        .await
        .expect(200);
    let first = json!({ "refresh_token": session["refresh_token"] });
    let second = nobody.post("/v1/auth/refresh", &first).await.expect(200);
    assert_ne!(second["refresh_token"], session["refresh_token"]);
    nobody.post("/v1/auth/refresh", &first).await.problem(401, "refresh_token_reused");
    // Somebody has a copy: nobody may go on with this chain.
    let stolen = json!({ "refresh_token": second["refresh_token"] });
    assert_eq!(nobody.post("/v1/auth/refresh", &stolen).await.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_administrators_is_for_them_alone() {
    let stack = Stack::start().await;
    let (user, admin) = (stack.user().await, stack.admin().await);
    for path in ["/v1/examples/admin", "/v1/admin/users"] {
        assert_eq!(User::anonymous(&stack).get(path).await.status.as_u16(), 401, "{path}");
        assert_eq!(user.get(path).await.status.as_u16(), 403, "{path}");
        admin.get(path).await.expect(200);
    }
    user.get("/v1/examples/protected").await.expect(200);
    admin.patch(&format!("/v1/admin/users/{}", user.id), &json!({ "active": false })).await.expect(200);
    let login = json!({ "email": user.email, "password": PASSWORD });
    assert_eq!(User::anonymous(&stack).post("/v1/auth/login", &login).await.status.as_u16(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_works_until_it_is_revoked() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let made = user.post("/v1/me/api-keys", &json!({ "name": "ci" })).await.expect(201);
    let mut machine = User::anonymous(&stack);
    made["key"].as_str().expect("the key, once").clone_into(&mut machine.token);
    machine.get("/v1/jobs").await.expect(200);
    let list = user.get("/v1/me/api-keys").await.expect(200);
    assert!(!list.to_string().contains(&machine.token), "a key is shown once");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(user.delete(&format!("/v1/me/api-keys/{id}")).await.status.as_u16(), 204);
    assert_eq!(machine.get("/v1/jobs").await.status.as_u16(), 401);
}

/// Every operation that the API documents refuses whoever does not say who they are, but for those that are for them.
#[tokio::test(flavor = "multi_thread")]
async fn no_operation_answers_a_stranger() {
    let stack = Stack::start().await;
    let nobody = User::anonymous(&stack);
    let api = nobody.get("/v1/openapi.json").await.expect(200);
    let open = ["/v1/auth/", "/healthz", "/v1/openapi.json", "/docs"];
    let mut tried = 0;
    for (path, operations) in api["paths"].as_object().expect("paths") {
        if open.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        let concrete = path
            .replace("{attempt}", "att_00000000000000000000000000000001")
            .replace("{kind}", "start")
            .replace("{id}", "job_00000000000000000000000000000001");
        for method in operations.as_object().expect("operations").keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let mut stranger = nobody.clone();
            for token in ["", "not-a-token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMSJ9."] {
                token.clone_into(&mut stranger.token);
                let answer = stranger.send(method.clone(), &concrete, Some(&json!({})), &[]).await;
                assert_eq!(
                    answer.status.as_u16(),
                    401,
                    "{method} {concrete} with `{token}`: {}",
                    answer.body
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 45, "only {tried} requests");
}
