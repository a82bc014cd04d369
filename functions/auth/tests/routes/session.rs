//! `/v1/auth/…`

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{ADMIN, App, PASSWORD};

#[tokio::test]
async fn who_registers_is_signed_in() {
    let app = App::open().await;
    let body =
        json!({"email": " Ada@Example.com", "password": PASSWORD, "first_name": "Ada", "last_name": "王"});
    let answer = app.post("/v1/auth/register", &body).send().await;
    let [cookie] = answer.cookies.as_slice() else { panic!("{answer:?}") };
    let refresh_token = answer.body["refresh_token"].as_str().unwrap();
    assert_eq!(
        *cookie,
        format!("refresh={refresh_token}; Path=/v1/auth; HttpOnly; SameSite=Strict; Max-Age=2592000; Secure")
    );
    assert_eq!(answer.headers["ratelimit"], "\"register-address\";r=299;t=3600");
    let session = answer.expect(201);
    assert_eq!((&session["token_type"], &session["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(session["user"]["email"], "ada@example.com");
    assert_eq!((&session["user"]["role"], &session["user"]["active"]), (&json!("user"), &json!(true)));
    assert_eq!((&session["user"]["last_name"], &session["user"]["phone"]), (&json!("王"), &json!(null)));
    assert!(!session.to_string().contains("argon2"));
    let me = app.get("/v1/me").bearer(&session["access_token"]).send().await.expect(200);
    assert_eq!(me, session["user"]);
}

#[tokio::test]
async fn an_address_has_one_account() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    let again = json!({"email": "ADA@example.com", "password": "another password"});
    assert_eq!(app.post("/v1/auth/register", &again).send().await.problem(409), "email_taken");
    app.login("ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(app.login("ada@example.com", "another password").await.problem(401), "wrong_credentials");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_registration_is_named_at_once() {
    let app = App::open().await;
    let body =
        json!({"email": "ada", "password": "short", "first_name": "a\u{0}", "avatar": "http://example.com/"});
    let fields = app.post("/v1/auth/register", &body).send().await.fields(422);
    assert_eq!(fields, ["email", "password", "first_name", "avatar"]);
    let long = json!({"email": "ada@example.com", "password": "x".repeat(257)});
    assert_eq!(app.post("/v1/auth/register", &long).send().await.fields(422), ["password"]);
    let role = json!({"email": "ada@example.com", "password": PASSWORD, "role": "admin"});
    assert_eq!(app.post("/v1/auth/register", &role).send().await.fields(422), ["role"]);
    assert_eq!(
        app.login("ada@example.com", PASSWORD).await.problem(401),
        "wrong_credentials",
        "nothing was kept"
    );
}

#[tokio::test]
async fn where_registration_is_closed_only_the_first_admin_comes_in() {
    let app = App::with("closed").await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(app.post("/v1/auth/register", &body).send().await.problem(403), "registration_closed");
    let admin = app.register(ADMIN).await;
    assert_eq!(admin["user"]["role"], "admin");
    let body = json!({"email": ADMIN, "password": PASSWORD});
    assert_eq!(app.post("/v1/auth/register", &body).send().await.problem(409), "email_taken");
}

#[tokio::test]
async fn a_wrong_password_and_no_account_are_answered_alike() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    let wrong = app.login("ada@example.com", "not the password").await;
    for nobody in ["bob@example.com", "not an address", ""] {
        let none = app.login(nobody, "not the password").await;
        assert_eq!((none.status, &none.body), (wrong.status, &wrong.body), "{nobody}");
        assert_eq!(none.headers["www-authenticate"], wrong.headers["www-authenticate"]);
    }
    assert_eq!(wrong.problem(401), "wrong_credentials");
}

#[tokio::test]
async fn an_access_token_is_good_for_fifteen_minutes() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    app.clock.advance(SignedDuration::from_secs(899));
    app.get("/v1/me").bearer(&session["access_token"]).send().await.expect(200);
    app.clock.advance(SignedDuration::from_secs(10));
    let late = app.get("/v1/me").bearer(&session["access_token"]).send().await;
    assert_eq!(late.headers["www-authenticate"], "Bearer");
    assert_eq!(late.problem(401), "token_expired");
    let session = app.refresh(&session).await.expect(200);
    app.get("/v1/me").bearer(&session["access_token"]).send().await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_session() {
    let app = App::open().await;
    let first = app.register("ada@example.com").await;
    let second = app.refresh(&first).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let third = app.refresh(&second).await.expect(200);

    let stolen = app.refresh(&first).await;
    assert!(
        stolen.cookies[0].starts_with("refresh=; ") && stolen.cookies[0].contains("Max-Age=0"),
        "{stolen:?}"
    );
    assert_eq!(stolen.problem(401), "refresh_token_reused");
    assert_eq!(app.refresh(&third).await.problem(401), "session_over");
    let other = app.login("ada@example.com", PASSWORD).await.expect(200);
    app.refresh(&other).await.expect(200);
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_counts_and_the_session_ends() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let (a, b) = tokio::join!(app.refresh(&session), app.refresh(&session));
    let (good, bad) = if a.status == 200 { (a, b) } else { (b, a) };
    let next = good.expect(200);
    assert_eq!(bad.problem(401), "refresh_token_reused");
    assert_eq!(app.refresh(&next).await.problem(401), "session_over");
}

#[tokio::test]
async fn nobody_ends_a_session_by_guessing() {
    let app = App::open().await;
    let session = app.register("ada@example.com").await;
    let token = session["refresh_token"].as_str().unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(&token[5..]).unwrap();
    // The session's id is in every access token; the family behind it is not.
    bytes[16..].fill(7);
    let guess = format!("gpur_{}", URL_SAFE_NO_PAD.encode(bytes));
    for bad in
        [guess.as_str(), "", "gpur_", "gpur_AAAA", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", &"x".repeat(10_000)]
    {
        let body = json!({"refresh_token": bad});
        assert_eq!(app.post("/v1/auth/refresh", &body).send().await.problem(401), "session_over", "{bad}");
        app.post("/v1/auth/logout", &body).send().await.expect(204);
    }
    app.refresh(&session).await.expect(200);
}

#[tokio::test]
async fn a_session_is_renewed_for_thirty_days() {
    let app = App::open().await;
    let mut session = app.register("ada@example.com").await;
    let end = session["refresh_expires_at"].clone();
    for _ in 0..3 {
        app.clock.advance(SignedDuration::from_hours(24 * 9));
        session = app.refresh(&session).await.expect(200);
        assert_eq!(session["refresh_expires_at"], end);
    }
    app.clock.advance(SignedDuration::from_hours(24 * 3));
    assert_eq!(app.refresh(&session).await.problem(401), "session_over");
}

#[tokio::test]
async fn the_cookie_serves_where_the_body_has_no_token() {
    let app = App::open().await;
    let first = app.register("ada@example.com").await;
    let cookie = |token: &serde_json::Value| format!("refresh={}", token.as_str().unwrap());
    let call =
        app.call("POST", "/v1/auth/refresh").cookie("theme=dark").cookie(cookie(&first["refresh_token"]));
    let second = call.send().await.expect(200);
    let call = app.post("/v1/auth/refresh", &json!({})).cookie(cookie(&second["refresh_token"]));
    let third = call.send().await.expect(200);
    // The body's counts, so the stale cookie does no harm.
    let body = json!({"refresh_token": third["refresh_token"]});
    let call = app.post("/v1/auth/refresh", &body).cookie(cookie(&first["refresh_token"]));
    let fourth = call.send().await.expect(200);
    let call = app.call("POST", "/v1/auth/logout").cookie(cookie(&fourth["refresh_token"]));
    let left = call.send().await;
    assert!(left.cookies[0].contains("Max-Age=0"), "{left:?}");
    left.expect(204);
    assert_eq!(app.refresh(&fourth).await.problem(401), "session_over");
    assert_eq!(app.call("POST", "/v1/auth/refresh").send().await.problem(401), "session_over");
}

#[tokio::test]
async fn who_signs_out_is_out_and_may_do_so_again() {
    let app = App::open().await;
    let here = app.register("ada@example.com").await;
    let there = app.login("ada@example.com", PASSWORD).await.expect(200);
    let body = json!({"refresh_token": here["refresh_token"]});
    for _ in 0..2 {
        app.post("/v1/auth/logout", &body).send().await.expect(204);
    }
    app.call("POST", "/v1/auth/logout").send().await.expect(204);
    assert_eq!(app.refresh(&here).await.problem(401), "session_over");
    app.refresh(&there).await.expect(200);
}
