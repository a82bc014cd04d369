//! What the client calls and what it refuses to, with real connections on this machine.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use app::ports::{Answer, CallClient, CallError, CallRequest};
use async_trait::async_trait;
use domain::workflow::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use webhooks::{Client, Names, Reach};

/// Answers each look-up with the next of these lists, the last one for ever.
#[derive(Clone)]
struct Listed(Arc<Mutex<VecDeque<Vec<IpAddr>>>>);

impl Listed {
    fn new(answers: &[&[&str]]) -> Self {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().expect("an address")).collect();
        Self(Arc::new(Mutex::new(answers.iter().map(parse).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().expect("the answers").len()
    }
}

#[async_trait]
impl Names for Listed {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().expect("the answers");
        if answers.len() > 1 { Ok(answers.pop_front().expect("an answer")) } else { Ok(answers[0].clone()) }
    }
}

/// A server that gives every connection the same text, and what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    let read = socket.read(&mut bytes).await.unwrap_or(0);
                    seen.lock().expect("the log").push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                    if text == ENDLESS {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                        while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
                    } else if text == SILENT {
                        std::future::pending::<()>().await;
                    }
                    let _ = socket.write_all(text.as_bytes()).await;
                });
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the log").clone()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const ENDLESS: &str = "endless";
const SILENT: &str = "silent";

async fn call(reach: Reach, names: &Listed, url: &str) -> Result<Answer, CallError> {
    call_with(reach, names, url, &[], Duration::from_secs(10)).await
}

async fn call_with(
    reach: Reach,
    names: &Listed,
    url: &str,
    headers: &[(String, String)],
    timeout: Duration,
) -> Result<Answer, CallError> {
    let client = Client::new(reach, Arc::new(names.clone())).expect("a client");
    let body = Some("{}");
    client.call(CallRequest { method: Method::Post, url, headers, body, timeout, keep: 1_000 }).await
}

fn not_public() -> Result<Answer, CallError> {
    Err(CallError::Refused("the address is not one of the public internet".to_owned()))
}

#[tokio::test]
async fn no_way_of_writing_an_address_leads_inside() {
    let server = Server::start(OK).await;
    let names = Listed::new(&[&["8.8.8.8"]]);
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0177.0x0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "user@127.0.0.1",
        "hooks.example.com@127.0.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:a9fe:a9fe]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let url = format!("http://{host}:{}/hook", server.port);
        assert_eq!(call(Reach::Public, &names, &url).await, not_public(), "{url}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn no_name_leads_inside() {
    let server = Server::start(OK).await;
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "169.254.169.254",
        "fd00:ec2::254",
        "10.1.2.3",
        "0.0.0.0",
    ] {
        let names = Listed::new(&[&[address]]);
        let url = format!("http://hooks.example.com:{}/hook", server.port);
        assert_eq!(call(Reach::Public, &names, &url).await, not_public(), "{address}");
    }
    assert!(server.asked().is_empty());
    let unknown = call(Reach::Public, &Listed::new(&[&[]]), "http://hooks.example.com/").await;
    assert_eq!(
        unknown,
        Err(CallError::Failed("the server cannot be reached".to_owned())),
        "another try may help"
    );
}

#[tokio::test]
async fn this_machines_own_names_lead_inside_and_are_refused() {
    let server = Server::start(OK).await;
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let client = Client::new(Reach::Public, Arc::new(webhooks::SystemNames)).expect("a client");
        let url = format!("http://{host}:{}/", server.port);
        let timeout = Duration::from_secs(10);
        let request =
            CallRequest { method: Method::Get, url: &url, headers: &[], body: None, timeout, keep: 10 };
        let answer = client.call(request).await;
        assert!(answer.is_err(), "{host}: {answer:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn only_the_web_is_called() {
    let names = Listed::new(&[&["127.0.0.1"]]);
    for url in ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "data:,x", "hook", ""] {
        let answer = call(Reach::Loopback, &names, url).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{url}: {answer:?}");
    }
}

/// The address that was checked is the one that is connected to, and each message is checked by itself.
#[tokio::test]
async fn a_name_that_changes_its_mind_gets_nowhere() {
    let server = Server::start(OK).await;
    let url = format!("http://rebind.example.com:{}/", server.port);
    let names = Listed::new(&[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1", "10.0.0.1"], &["::"]]);
    let client = Client::new(Reach::Loopback, Arc::new(names.clone())).expect("a client");
    let mut answers = Vec::new();
    for _ in 0..3 {
        let request = CallRequest {
            method: Method::Post,
            url: &url,
            headers: &[],
            body: None,
            timeout: Duration::from_secs(10),
            keep: 10,
        };
        answers.push(client.call(request).await.map(|answer| answer.status));
    }
    assert_eq!(names.left(), 1, "one look-up for each message");
    assert_eq!(answers[0], Ok(200));
    assert_eq!(answers[1].clone().map(|_| ()), not_public().map(|_| ()));
    assert_eq!(answers[2], Ok(200), "of several addresses only those that may be called are");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inside = Server::start(OK).await;
    let location = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        inside.port
    );
    let server = Server::start(location.leak()).await;
    let names = Listed::new(&[&["127.0.0.1"]]);
    let answer = call(Reach::Loopback, &names, &format!("http://hooks.example.com:{}/", server.port)).await;
    assert_eq!(answer.expect("an answer").status, 307);
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn loopback_is_reached_where_it_may_be_and_nothing_else_inside_is() {
    let server = Server::start("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbusy").await;
    let names = Listed::new(&[&["127.0.0.1"]]);
    let headers = [("webhook-id".to_owned(), "msg_1".to_owned())];
    let url = format!("http://127.0.0.1:{}/hook?a=1", server.port);
    let answer = call_with(Reach::Loopback, &names, &url, &headers, Duration::from_secs(10)).await;
    assert_eq!(answer, Ok(Answer { status: 503, retry_after: Some(7), body: "busy".to_owned() }));
    let asked = server.asked().concat();
    assert!(asked.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("webhook-id: msg_1\r\n") && asked.ends_with("\r\n\r\n{}"), "{asked}");
    for host in ["10.0.0.1", "169.254.169.254", "[fe80::1]", "0.0.0.0"] {
        let answer = call(Reach::Loopback, &names, &format!("http://{host}/")).await;
        assert_eq!(answer, not_public(), "{host}");
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_what_is_kept_and_waited_for_up_to_the_timeout() {
    let names = Listed::new(&[&["127.0.0.1"]]);
    let endless = Server::start(ENDLESS).await;
    let answer = call(Reach::Loopback, &names, &format!("http://127.0.0.1:{}/", endless.port)).await;
    assert_eq!(answer.expect("an answer").body, "x".repeat(1_000));
    let silent = Server::start(SILENT).await;
    let url = format!("http://127.0.0.1:{}/", silent.port);
    let answer = call_with(Reach::Loopback, &names, &url, &[], Duration::from_millis(100)).await;
    assert_eq!(answer, Err(CallError::Failed("the server took too long".to_owned())));
    let gone = Server::start("").await;
    let answer = call(Reach::Loopback, &names, &format!("http://127.0.0.1:{}/", gone.port)).await;
    assert_eq!(answer, Err(CallError::Failed("the connection ended without an answer".to_owned())));
}

#[tokio::test]
async fn a_header_cannot_bring_another_with_it() {
    let server = Server::start(OK).await;
    let names = Listed::new(&[&["127.0.0.1"]]);
    let url = format!("http://127.0.0.1:{}/", server.port);
    for (name, value) in [("x-a", "1\r\nx-b: 2"), ("x-a: 1\r\nx-b", "2"), ("x\u{0}", "1")] {
        let headers = [(name.to_owned(), value.to_owned())];
        let answer = call_with(Reach::Loopback, &names, &url, &headers, Duration::from_secs(10)).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{name}: {answer:?}");
    }
    assert!(server.asked().is_empty());
}
