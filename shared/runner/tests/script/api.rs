//! The server's side: records every message and answers as the test says.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use runner::protocol::{Exit, Report, Sender, Start};

/// How long a test waits for what must come before it gives up. No test measures with it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) kind: String,
    pub(crate) sender: Sender,
    pub(crate) token: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// What it was answered with; 0 for a connection that was closed instead.
    pub(crate) status: u16,
}

impl Message {
    pub(crate) fn report(&self) -> Report {
        Report::parse(|name| self.headers.get(name).map(String::as_str), &self.body).expect("a good report")
    }
}

pub(crate) type Answer = (u16, String);

type Script = dyn Fn(&Message, usize) -> Answer + Send + Sync;

struct State {
    heard: Mutex<Vec<Message>>,
    changed: Condvar,
    script: Box<Script>,
    closed: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    state: Arc<State>,
}

impl Api {
    /// Answers each message by `script`, which is also given how many messages of its kind came before.
    pub(crate) fn start(script: impl Fn(&Message, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            heard: Mutex::default(),
            changed: Condvar::new(),
            script: Box::new(script),
            closed: AtomicBool::new(false),
        });
        let api = Self { address, state };
        api.serve(listener);
        api
    }

    /// `go` to everything, and a quick report interval.
    pub(crate) fn content() -> Self {
        Self::start(|_, _| ok("go\nevery 0.1\n"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(&self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.closed.load(Ordering::SeqCst) {
                    return;
                }
                answer(&state, stream.unwrap());
            }
        });
    }

    /// Stops listening: from now on a connection is refused.
    pub(crate) fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < deadline, "the listener stays open");
            std::thread::yield_now();
        }
    }

    /// Listens again at the same address.
    pub(crate) fn open(&self) {
        self.state.closed.store(false, Ordering::SeqCst);
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    pub(crate) fn heard(&self) -> Vec<Message> {
        self.state.heard.lock().unwrap().clone()
    }

    /// What was heard as soon as it satisfies `enough`.
    pub(crate) fn wait(&self, what: &str, enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let heard = self.state.heard.lock().unwrap();
        let (heard, timeout) =
            self.state.changed.wait_timeout_while(heard, PATIENCE, |heard| !enough(heard)).unwrap();
        assert!(!timeout.timed_out(), "{what} never came; heard: {}", outline(&heard));
        heard.clone()
    }

    /// The exit message, once it was accepted.
    pub(crate) fn exit(&self) -> Exit {
        let accepted = |message: &Message| message.kind == "exit" && message.status == 200;
        let heard = self.wait("the exit", |heard| heard.iter().any(accepted));
        Exit::parse(&heard.iter().find(|message| accepted(message)).unwrap().body).expect("a good exit")
    }

    pub(crate) fn start_message(&self) -> Start {
        let heard = self.wait("the start", |heard| heard.iter().any(|message| message.kind == "start"));
        Start::parse(&heard[0].body).expect("a good start")
    }

    /// Accepted reports in order.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let heard = self.heard();
        heard.iter().filter(|m| m.kind == "report" && m.status == 200).map(Message::report).collect()
    }

    /// The log put together from the accepted reports; fails on a gap or an overlap.
    pub(crate) fn log(&self) -> Vec<u8> {
        let mut log = Vec::new();
        for report in self.reports() {
            assert_eq!(report.dropped, 0, "nothing was to be dropped");
            assert_eq!(report.offset, log.len() as u64, "no gap and no overlap");
            assert!(report.log.len() <= 192 * 1024, "a chunk is at most 192 KiB");
            log.extend(report.log);
        }
        log
    }
}

pub(crate) fn ok(text: &str) -> Answer {
    (200, text.to_owned())
}

fn outline(heard: &[Message]) -> String {
    heard.iter().fold(String::new(), |mut all, message| {
        let _ = write!(all, "{} {} → {}; ", message.sender.sequence, message.kind, message.status);
        all
    })
}

fn answer(state: &State, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).expect("a request line").to_owned();
    assert!(line.starts_with("POST /v1/runner/"), "{line}");
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut message = Message {
        kind: path.rsplit('/').next().unwrap().to_owned(),
        sender: Sender::parse(|name| headers.get(name).map(String::as_str)).expect("a sender"),
        token: headers.get("authorization").cloned().unwrap_or_default(),
        headers,
        body,
        status: 0,
    };
    let before = state.heard.lock().unwrap().iter().filter(|other| other.kind == message.kind).count();
    let (status, text) = (state.script)(&message, before);
    message.status = status;
    // Recorded before the answer is out, so that what follows the answer finds it
    state.heard.lock().unwrap().push(message);
    state.changed.notify_all();
    if status != 0 {
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: text/plain\r\nConnection: close\r\n");
        let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len());
    }
}
