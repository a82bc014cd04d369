//! New jobs.

use app::{
    jobs::{Created, Draft, Request, Seen},
    seal,
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::jobs::SubmitJob;
use domain::{JobId, job::Job};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use lambda::{Body, Caller, Path, Platform, Problem};
use serde_json::Value;

use crate::{answer, jobs};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_BYTES: usize = 255;

pub(crate) async fn submit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Body(body): Body<SubmitJob>,
) -> Result<Response, Problem> {
    let key = secrets_key(&platform).await?;
    // Read and written again, the body has one spelling: white space and the order of its fields do not count.
    let canonical = serde_json::to_vec(&body).map_err(Problem::internal)?;
    let digest = key.digest(&[b"POST /v1/jobs", &canonical]);
    let request = request(&headers, &digest)?;
    let draft = || body.read().map(|(spec, secrets)| Draft { spec, secrets });
    let created = jobs(&platform).submit(&caller, draft, &key, &request).await.map_err(answer::problem)?;
    Ok(answered(created))
}

pub(crate) async fn restart(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = secrets_key(&platform).await?;
    let digest = key.digest(&[format!("POST /v1/jobs/{id}/restart").as_bytes()]);
    let request = request(&headers, &digest)?;
    let created = jobs(&platform).restart(&caller, id, &key, &request).await.map_err(answer::problem)?;
    Ok(answered(created))
}

async fn secrets_key(platform: &Platform) -> Result<seal::Key, Problem> {
    let parameter = platform.parameter(seal::KEY_PARAMETER).await?;
    seal::Key::from_base64(parameter.expose()).map_err(Problem::internal)
}

fn request<'a>(headers: &'a HeaderMap, digest: &'a str) -> Result<Request<'a>, Problem> {
    let key = idempotency_key(headers)?;
    Ok(Request { key, digest, status: StatusCode::CREATED.as_u16(), answer: &shown })
}

/// A new job as it is shown, now and whenever the request is repeated.
fn shown(job: &Job) -> Value {
    let seen = Seen {
        attempt_id: None,
        progress: None,
        cost: Vec::new(),
        waits_for: None,
        at: job.submitted_at,
        job: job.clone(),
    };
    // Its maps have text for keys and its numbers are finite: there is nothing that JSON could not hold.
    serde_json::to_value(answer::job(seen)).unwrap_or_default()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let printable = |key: &&str| {
        (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    match value.to_str().ok().filter(printable) {
        Some(key) if given.next().is_none() => Ok(Some(key)),
        _ => Err(Problem::bad_request(
            "invalid_idempotency_key",
            "Send one Idempotency-Key of 1 to 255 printable ASCII characters, or none.",
        )),
    }
}

fn answered(created: Created) -> Response {
    let location = created.body["links"]["self"].as_str().and_then(|path| HeaderValue::from_str(path).ok());
    let status = StatusCode::from_u16(created.status).unwrap_or(StatusCode::CREATED);
    let mut response = (status, Json(created.body)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if created.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        idempotency_key(&headers)
            .map(|key| key.map(str::to_owned))
            .map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_key_is_short_printable_and_one() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"nightly 1"]), Ok(Some("nightly 1".into())));
        assert_eq!(read(&[&[b'a'; 255]]).unwrap().map(|key| key.len()), Some(255));
        for bad in [&[b"".as_slice()][..], &[&[b'a'; 256]], &[b"a\tb"], &["ü".as_bytes()], &[b"a", b"b"]] {
            assert_eq!(read(bad), Err("invalid_idempotency_key".into()), "{bad:?}");
        }
    }
}
