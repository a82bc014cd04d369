//! Parameters.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use app::ports::Clock;
use aws::{ParameterError, Parameters};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Said};

const ONE: &str = r#"{"Parameter":{"Name":"/gpu/test/key","Type":"SecureString","Value":"one","Version":1}}"#;
const TWO: &str = r#"{"Parameter":{"Name":"/gpu/test/key","Type":"SecureString","Value":"two","Version":2}}"#;
const NONE: &str = r#"{"__type":"ParameterNotFound"}"#;

#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time of this age")
    }
}

async fn parameters(answers: &[Said]) -> (Endpoint, Arc<TestClock>, Parameters) {
    let endpoint = Endpoint::saying(answers).await;
    let clock = Arc::new(TestClock::default());
    let parameters = Parameters::new(&endpoint.environment(), "/gpu/test", clock.clone());
    (endpoint, clock, parameters)
}

#[tokio::test]
async fn a_value_is_read_once_in_five_minutes() {
    let (endpoint, clock, parameters) = parameters(&[(200, None, ONE), (200, None, TWO)]).await;
    let (a, b) = tokio::join!(parameters.get("/key"), parameters.get("/key"));
    assert_eq!((a.unwrap().expose(), b.unwrap().expose()), ("one", "one"));
    clock.0.store(299, Ordering::SeqCst);
    assert_eq!(parameters.get("/key").await.unwrap().expose(), "one");
    clock.0.store(300, Ordering::SeqCst);
    assert_eq!(parameters.get("/key").await.unwrap().expose(), "two");
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 2);
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(asked[0].target, "AmazonSSM.GetParameter");
    assert_eq!(body, json!({"Name": "/gpu/test/key", "WithDecryption": true}));
}

#[tokio::test]
async fn what_is_not_there_is_remembered_too() {
    let (endpoint, clock, parameters) = parameters(&[(400, None, NONE), (200, None, ONE)]).await;
    assert_eq!(parameters.find("/key").await.unwrap(), None);
    let error = parameters.get("/key").await.unwrap_err();
    assert!(matches!(&error, ParameterError::Missing(name) if name == "/gpu/test/key"), "{error:?}");
    assert_eq!(endpoint.asked().len(), 1);
    clock.0.store(300, Ordering::SeqCst);
    assert_eq!(parameters.get("/key").await.unwrap().expose(), "one");
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let denied = r#"{"__type":"AccessDeniedException","Message":"no"}"#;
    let (_endpoint, _, parameters) = parameters(&[(400, None, denied), (200, None, ONE)]).await;
    assert!(matches!(parameters.find("/key").await, Err(ParameterError::Other { .. })));
    assert_eq!(parameters.get("/key").await.unwrap().expose(), "one");
}

#[tokio::test]
async fn a_secret_is_not_printed() {
    let (_endpoint, _, parameters) = parameters(&[(200, None, ONE)]).await;
    let secret = parameters.get("/key").await.unwrap();
    assert!(!format!("{secret:?} {parameters:?}").contains("one"));
}
