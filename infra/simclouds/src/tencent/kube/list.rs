//! Listings in pages, and watches.

use super::query::Query;
use super::selector::Selector;
use super::status::Refusal;
use super::store::{Change, Kind, Objects, key};
use super::{Target, nodes};
use crate::clock;
use crate::serve::{answer, json_answer};
use crate::strike::Turn;
use crate::tencent::Cloud;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::Stream;
use hyper::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

fn selector(query: &Query) -> Result<Selector, Refusal> {
    Selector::new(
        query.text("labelSelector").unwrap_or_default(),
        query.text("fieldSelector").unwrap_or_default(),
    )
}

fn within(objects: &Objects, target: &Target, selector: &Selector) -> Vec<Arc<Value>> {
    let from = key(target.kind, target.namespace.as_deref().unwrap_or_default(), "");
    let mine = objects.range(from..).take_while(|((kind, namespace, _), _)| {
        *kind == target.kind && target.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
    });
    mine.filter(|(_, object)| selector.fits(object)).map(|(_, object)| Arc::clone(object)).collect()
}

pub(crate) fn list(
    cloud: &Cloud,
    target: &Target,
    query: &Query,
    turn: Turn,
) -> Result<Response<Body>, Refusal> {
    let selector = selector(query)?;
    let limit = query.number("limit")?.filter(|limit| *limit > 0);
    let account = cloud.lock();
    let version = account.store.version();
    let mut after = None;
    if let Some(token) = query.text("continue") {
        let wrong = || Refusal::bad("continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        let place: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let from = place["v"].as_u64().ok_or_else(wrong)?;
        if account.store.since(from).is_none() {
            return Err(Refusal::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter.",
            ));
        }
        let text = |name: &str| place[name].as_str().map(str::to_owned).ok_or_else(wrong);
        after = Some((text("n")?, text("m")?));
    }
    let found = if target.kind == Kind::Node {
        let all = nodes::all(&account, &cloud.region).into_iter();
        all.filter(|node| selector.fits(node)).map(Arc::new).collect()
    } else if turn.lag_ms > 0 {
        let lag = SignedDuration::from_millis(i64::try_from(turn.lag_ms.min(1 << 40)).unwrap_or(0));
        within(&account.store.at(clock::now() - lag), target, &selector)
    } else {
        within(&account.store.objects, target, &selector)
    };
    drop(account);
    let place = |object: &Value| {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    };
    let mut found: VecDeque<Arc<Value>> =
        found.into_iter().filter(|one| after.as_ref().is_none_or(|after| place(one) > *after)).collect();
    let mut meta = json!({"resourceVersion": version.to_string()});
    if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok())
        && found.len() > limit
    {
        meta["remainingItemCount"] = (found.len() - limit).into();
        found.truncate(limit);
        if let Some(last) = found.back() {
            let (namespace, name) = place(last);
            let token = json!({"v": version, "n": namespace, "m": name}).to_string();
            meta["continue"] = URL_SAFE_NO_PAD.encode(token).into();
        }
    }
    let items: Vec<Value> = found.iter().map(|one| Value::clone(one)).collect();
    Ok(json_answer(
        200,
        &json!({
            "kind": format!("{}List", target.kind.word()), "apiVersion": target.kind.version(),
            "metadata": meta, "items": items,
        }),
    ))
}

struct Watch {
    cloud: Arc<Cloud>,
    target: Target,
    selector: Selector,
    changed: watch::Receiver<u64>,
    cursor: u64,
    until: Option<Instant>,
    pending: VecDeque<Value>,
    over: bool,
}

impl Watch {
    fn told(&self, change: &Change) -> Option<Value> {
        let (kind, namespace, _) = &change.key;
        if *kind != self.target.kind
            || self.target.namespace.as_ref().is_some_and(|wanted| wanted != namespace)
        {
            return None;
        }
        let fits = |object: &&Arc<Value>| self.selector.fits(object);
        let (old, new) = (change.old.as_ref().filter(fits), change.new.as_ref().filter(fits));
        let (word, object) = match (old, new) {
            (None, Some(new)) => ("ADDED", new),
            (Some(_), Some(new)) => ("MODIFIED", new),
            (Some(old), None) => ("DELETED", old),
            (None, None) => return None,
        };
        Some(json!({"type": word, "object": **object}))
    }

    fn read(&mut self) {
        let changes = { self.cloud.lock().store.since(self.cursor) };
        let Some(changes) = changes else {
            let gone = Refusal::expired(format!("too old resource version: {}", self.cursor));
            self.pending.push_back(json!({"type": "ERROR", "object": gone.object()}));
            self.over = true;
            return;
        };
        for change in changes {
            self.cursor = change.version;
            if let Some(told) = self.told(&change) {
                self.pending.push_back(told);
            }
        }
    }
}

pub(crate) fn watch(cloud: &Arc<Cloud>, target: &Target, query: &Query) -> Result<Response<Body>, Refusal> {
    let selector = selector(query)?;
    let from = query.number("resourceVersion")?.filter(|version| *version > 0);
    let seconds = query.number("timeoutSeconds")?;
    let account = cloud.lock();
    let changed = account.store.subscribe();
    let mut pending = VecDeque::new();
    if from.is_none() {
        for object in within(&account.store.objects, target, &selector) {
            pending.push_back(json!({"type": "ADDED", "object": *object}));
        }
    }
    let cursor = from.unwrap_or(account.store.version());
    drop(account);
    let watch = Watch {
        cloud: Arc::clone(cloud),
        target: target.clone(),
        selector,
        changed,
        cursor,
        until: seconds.map(|seconds| Instant::now() + std::time::Duration::from_secs(seconds)),
        pending,
        over: false,
    };
    Ok(answer(200, "application/json", Body::from_stream(stream(watch))))
}

fn stream(watch: Watch) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    futures::stream::unfold(watch, async |mut watch| {
        loop {
            if !watch.pending.is_empty() {
                let lines: Vec<String> = watch.pending.drain(..).map(|event| event.to_string()).collect();
                return Some((Ok((lines.join("\n") + "\n").into()), watch));
            }
            if watch.over {
                return None;
            }
            watch.changed.borrow_and_update();
            watch.read();
            if !watch.pending.is_empty() {
                continue;
            }
            let until = watch.until;
            let alarm = async {
                match until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let stop = watch.cloud.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return None,
                () = alarm => return None,
                changed = watch.changed.changed() => if changed.is_err() { return None },
            }
        }
    })
}
