//! An endpoint that answers as it is told and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws::Environment;
use axum::{Router, body::Bytes, extract::State};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::net::TcpListener;

/// One request, as far as tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) target: String,
    pub(crate) body: String,
}

/// Status, `x-amzn-ErrorType` and body.
pub(crate) type Said = (u16, Option<&'static str>, &'static str);

#[derive(Default)]
struct Talk {
    to_say: Mutex<VecDeque<Said>>,
    asked: Mutex<Vec<Asked>>,
}

/// The endpoint.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    talk: Arc<Talk>,
}

impl Endpoint {
    /// An endpoint that gives these answers, one after another; a request beyond them is a mistake.
    pub(crate) async fn saying(answers: &[Said]) -> Self {
        let talk =
            Arc::new(Talk { to_say: Mutex::new(answers.iter().copied().collect()), asked: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let router = Router::new().fallback(answer).with_state(talk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, talk }
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::at(&self.url)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.talk.asked.lock().expect("no test panicked").clone()
    }
}

async fn answer(
    State(talk): State<Arc<Talk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, &'static str) {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        method,
        path: uri.path().to_owned(),
        target: target.to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    talk.asked.lock().expect("no test panicked").push(asked);
    let said = talk.to_say.lock().expect("no test panicked").pop_front();
    let (status, kind, body) = said.unwrap_or((418, None, "nobody expected this request"));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(kind) = kind {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
    }
    (StatusCode::from_u16(status).expect("a status"), headers, body)
}
