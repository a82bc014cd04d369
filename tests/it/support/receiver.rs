//! Somebody's server: it keeps what it is sent, and answers as it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    port: u16,
    heard: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    /// One that answers with these statuses in turn, and then always with 200.
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (send, requests) = mpsc::unbounded_channel();
        let heard = Arc::new(AtomicUsize::new(0));
        let statuses = Arc::new(Mutex::new(statuses.iter().copied().collect::<VecDeque<u16>>()));
        let counter = heard.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(socket, statuses.clone(), send.clone()));
            }
        });
        Self { port, heard, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many connections there were.
    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_mins(1), self.requests.recv()).await;
        next.expect("a message comes").expect("the server runs")
    }
}

async fn serve(
    socket: TcpStream,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    send: mpsc::UnboundedSender<Received>,
) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut request = Received {
        method: words.next()?,
        path: words.next()?,
        headers: BTreeMap::new(),
        body: String::new(),
    };
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = request.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).ok()?;
    let status = statuses.lock().ok()?.pop_front().unwrap_or(200);
    let answer = format!(
        "HTTP/1.1 {status} Status\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    socket.write_all(answer.as_bytes()).await.ok()?;
    socket.shutdown().await.ok()?;
    send.send(request).ok()
}
