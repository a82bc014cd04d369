//! `@connections`.

use app::ports::{Push, PushError};
use aws::Connections;
use http::Method;

use crate::endpoint::{Endpoint, Said};

async fn connections(answers: &[Said]) -> (Endpoint, Connections) {
    let endpoint = Endpoint::saying(answers).await;
    let connections = Connections::new(&endpoint.environment(), &format!("{}/live", endpoint.url));
    (endpoint, connections)
}

#[tokio::test]
async fn a_message_goes_to_its_connection() {
    let (endpoint, connections) = connections(&[(200, None, ""), (204, None, "")]).await;
    connections.push("Zx1/=", b"{\"type\":\"ping\"}").await.unwrap();
    connections.close("Zx1/=").await.unwrap();
    let [push, close] = endpoint.asked().try_into().unwrap();
    assert_eq!((push.method, push.path.as_str()), (Method::POST, "/live/@connections/Zx1%2F%3D"));
    assert_eq!(push.body, "{\"type\":\"ping\"}");
    assert_eq!((close.method, close.path.as_str()), (Method::DELETE, "/live/@connections/Zx1%2F%3D"));
}

#[tokio::test]
async fn a_connection_that_is_gone_is_told_apart() {
    let invalid = r#"{"message": "Invalid connectionId: x", "connectionId":"x", "requestId":"r"}"#;
    let answers = [
        (410, Some("GoneException"), r#"{"message":null}"#),
        (400, Some("BadRequestException"), invalid),
        (403, Some("ForbiddenException"), "{}"),
    ];
    let (_endpoint, connections) = connections(&answers).await;
    assert!(matches!(connections.push("x", b"{}").await, Err(PushError::Gone)));
    assert!(matches!(connections.push("x", b"{}").await, Err(PushError::Gone)));
    assert!(matches!(connections.push("x", b"{}").await, Err(PushError::Other(_))));
}

#[tokio::test]
async fn closing_what_is_gone_is_done() {
    let (_endpoint, connections) = connections(&[(410, Some("GoneException"), "{}")]).await;
    connections.close("x").await.unwrap();
}
