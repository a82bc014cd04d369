//! What an instance may ask about itself. The real address cannot be had on loopback, so each instance is told its own
//! in `ECS_METADATA_URL`.

use super::Cloud;
use crate::serve::answer;
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};

/// Everything under `/_metadata/{instance}`.
pub(crate) fn of(cloud: &Cloud, request: &Request<Bytes>) -> Response<Body> {
    value(cloud, request).map_or_else(
        || answer(404, "text/plain", "404 - Not Found"),
        |(kind, value)| answer(200, kind, value),
    )
}

fn value(cloud: &Cloud, request: &Request<Bytes>) -> Option<(&'static str, Vec<u8>)> {
    let path = request.uri().path().strip_prefix("/_metadata/")?;
    let (id, path) = path.split_once('/')?;
    let account = cloud.lock();
    let one = account.instance(id).ok()?;
    if path == "latest/api/token" {
        // A token is given to whoever has the hop; nothing here is behind it.
        return (request.method() == Method::PUT)
            .then(|| ("text/plain", super::instance::id("").into_bytes()));
    }
    if path == "latest/user-data" {
        return Some(("application/octet-stream", one.spec.user_data.clone()));
    }
    let text = match path.strip_prefix("latest/meta-data/")? {
        "instance-id" => one.id.clone(),
        "instance/instance-type" => one.spec.kind.id.to_owned(),
        "instance/instance-name" => one.spec.name.clone(),
        "region-id" => one.spec.region.to_owned(),
        "zone-id" => one.zone.to_owned(),
        "image-id" => one.spec.image.clone(),
        "private-ipv4" => one.address(),
        "hostname" => one.id.replace("i-", "iZ"),
        // Absent until the machine is about to be taken away.
        "instance/spot/termination-time" => one.recycled_at?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => return None,
    };
    Some(("text/plain", text.into_bytes()))
}
