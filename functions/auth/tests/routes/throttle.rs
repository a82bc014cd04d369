//! How often somebody may guess.

use jiff::SignedDuration;
use serde_json::json;

use crate::support::{App, PASSWORD};

#[tokio::test]
async fn after_ten_wrong_passwords_an_account_is_closed_until_the_window_ends() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    app.register("bob@example.com").await;
    for left in (0..10).rev() {
        let wrong = app.login("Ada@example.com", "not the password").await;
        assert_eq!(wrong.headers["ratelimit"], format!("\"sign-in-account\";r={left};t=900"));
        assert_eq!(wrong.headers["ratelimit-policy"], "\"sign-in-account\";q=10;w=900");
        assert_eq!(wrong.problem(401), "wrong_credentials");
    }
    app.clock.advance(SignedDuration::from_secs(100));
    let right = app.login("ada@example.com", PASSWORD).await;
    assert_eq!(right.headers["retry-after"], "800");
    assert_eq!(right.problem(429), "too_many_tries");
    let elsewhere = json!({"email": "ada@example.com", "password": PASSWORD});
    let call = app.post("/v1/auth/login", &elsewhere).from("198.51.100.1");
    assert_eq!(call.send().await.problem(429), "too_many_tries", "from anywhere");
    app.login("bob@example.com", PASSWORD).await.expect(200);
    app.clock.advance(SignedDuration::from_secs(800));
    app.login("ada@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn many_guesses_at_once_do_not_slip_by() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    let guess = || app.login("ada@example.com", "not the password");
    let (mut wrong, mut refused) = (0, 0);
    for _ in 0..3 {
        let answers = tokio::join!(guess(), guess(), guess(), guess(), guess());
        for answer in [answers.0, answers.1, answers.2, answers.3, answers.4] {
            match answer.status {
                401 => wrong += 1,
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!((wrong, refused), (10, 5));
}

#[tokio::test]
async fn a_right_password_does_not_count() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    for _ in 0..12 {
        app.login("ada@example.com", PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn after_fifty_wrong_passwords_an_address_is_closed_whatever_the_account() {
    let app = App::open().await;
    app.register("ada@example.com").await;
    for n in 0..50 {
        // One customer's network, in many spellings.
        let address = format!("2001:db8:1:2::{n:x}");
        let body = json!({"email": format!("user{n}@example.com"), "password": "guess"});
        app.post("/v1/auth/login", &body).from(&address).send().await.expect(401);
    }
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let call = app.post("/v1/auth/login", &body).from("2001:db8:1:2:ffff::1");
    assert_eq!(call.send().await.problem(429), "too_many_tries");
    app.post("/v1/auth/login", &body).from("2001:db8:1:3::1").send().await.expect(200);
}
