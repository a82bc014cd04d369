//! The listener that simulated clouds share: HTTP/1.1 on loopback, with the right to answer nothing at all.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Larger request bodies are refused.
const BODY_BYTES: usize = 4 << 20;

/// The caller gets no answer: the connection is closed.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// A cloud: answers one whole request.
pub(crate) trait Front: Send + Sync + 'static {
    fn answer(
        self: Arc<Self>,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Body>, Dropped>> + Send;
}

/// # Errors
/// When `address` is not a loopback address, or the port is taken.
pub(crate) async fn bind(address: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        address.is_loopback(),
        "a simulated cloud runs whatever it is sent, so it listens on loopback only, not on {address}"
    );
    Ok(TcpListener::bind(SocketAddr::new(address, port)).await?)
}

pub(crate) async fn accept<F: Front>(
    listener: TcpListener,
    front: Arc<F>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let front = Arc::clone(&front);
        let stop = stop.clone();
        tasks.spawn(async move {
            let service = service_fn(move |request| whole(Arc::clone(&front), request));
            let connection = hyper::server::conn::http1::Builder::new()
                // A connection may lie idle between two calls for as long as a client keeps it.
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                },
            }
        });
    }
}

async fn whole<F: Front>(front: Arc<F>, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    if !names_loopback(&request) {
        // A web page that resolves its own name to loopback must not reach a cloud that runs commands.
        return Ok(plain(403, "only loopback names are served"));
    }
    let (parts, body) = request.into_parts();
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => front.answer(Request::from_parts(parts, body.to_bytes())).await,
        Err(error) if error.is::<LengthLimitError>() => Ok(plain(413, "request body too large")),
        Err(_) => Err(Dropped),
    }
}

fn names_loopback(request: &Request<Incoming>) -> bool {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Ok(url) = url::Url::parse(&format!("http://{host}")) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn plain(status: u16, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// A body of a media type.
pub(crate) fn answer(status: u16, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    response
}

pub(crate) fn json_answer(status: u16, body: &serde_json::Value) -> Response<Body> {
    answer(status, "application/json", body.to_string())
}

/// What runs in a cloud. When it is dropped all of it ends, and every process is killed.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Running {
    /// Ends all of it. Returns when all processes are dead.
    pub(crate) async fn end(self) {
        self.close();
        self.tasks.wait().await;
    }

    fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}
