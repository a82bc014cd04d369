//! What an answer means for its message.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{ANSWER, GONE, NODE_ANSWER};
use crate::ports::{Answer, Call, CallError, CallFor, CallResult, CallState};

/// The longest that a receiver may ask to be left alone.
const LONGEST_PAUSE: u64 = 86_400;

/// What follows a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Delivered,
    Failed,
    Again { seconds: u64 },
}

impl Next {
    /// Where it leaves a message that is not tried again.
    pub(super) const fn state(self) -> CallState {
        match self {
            Self::Delivered => CallState::Delivered,
            Self::Failed | Self::Again { .. } => CallState::Failed,
        }
    }
}

/// What follows the try that ended `now`; the message does not have it yet.
pub(super) fn next(call: &Call, answer: &Result<Answer, CallError>, now: Timestamp) -> Next {
    let wanted_pause = match answer {
        Ok(answer) if expects(&call.expect, answer.status) => return Next::Delivered,
        Ok(Answer { status: GONE, .. }) if matches!(call.purpose, CallFor::Notification { .. }) => {
            return Next::Failed;
        }
        Ok(Answer { status: 429 | 503, retry_after, .. }) => retry_after.unwrap_or(0).min(LONGEST_PAUSE),
        Ok(_) | Err(CallError::Failed(_)) => 0,
        Err(CallError::Refused(_)) => return Next::Failed,
    };
    let Some(pause) = call.pauses.get(call.tries.len()) else { return Next::Failed };
    let seconds = u64::from(*pause).max(wanted_pause);
    let pause = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let in_time = match (call.deadline, now.checked_add(pause)) {
        (Some(deadline), Ok(due)) => due < deadline,
        (None, Ok(_)) => true,
        (_, Err(_)) => false,
    };
    if in_time { Next::Again { seconds } } else { Next::Failed }
}

fn expects(expected: &[u16], status: u16) -> bool {
    if expected.is_empty() { (200..300).contains(&status) } else { expected.contains(&status) }
}

/// What a message says of itself besides what its author wrote.
pub(super) fn headers(call: &Call) -> Vec<(String, String)> {
    let mut headers: Vec<_> =
        call.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let mut add = |name: &str, value: String| {
        if headers.iter().all(|(present, _)| present != name) {
            headers.push((name.to_owned(), value));
        }
    };
    add("webhook-id", call.id.to_string());
    if let Some(body) = &call.body {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
        add(
            "content-type",
            if is_json { "application/json" } else { "text/plain; charset=utf-8" }.to_owned(),
        );
    }
    headers
}

/// What the node of a message that is over hears.
pub(crate) fn result(call: &Call) -> CallResult {
    let last = call.tries.last();
    if call.state == CallState::Delivered {
        let answer = last.map_or("", |last| last.answer.as_str());
        let body = serde_json::from_str(answer).unwrap_or_else(|_| Value::from(answer));
        return Ok(json!({ "status": last.and_then(|last| last.status), "body": body }));
    }
    let why = last.and_then(|last| last.error.as_deref()).unwrap_or("it could not be sent");
    match call.tries.len() {
        0 | 1 => Err(format!("the webhook failed: {why}")),
        tries => Err(format!("the webhook failed {tries} times; the last time: {why}")),
    }
}

/// As much of an answer as its row can hold: of one that is a node's output more than of any other.
pub(super) fn beginning(body: &str, is_output: bool) -> String {
    // As JSON a text can be longer than it is.
    let (most, most_as_json) = if is_output { (NODE_ANSWER, 160 * 1024) } else { (ANSWER, 2 * ANSWER) };
    let (mut bytes, mut as_json) = (0, 0);
    for (at, letter) in body.char_indices() {
        as_json += match letter {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            letter if letter < ' ' => 6,
            letter => letter.len_utf8(),
        };
        if at + letter.len_utf8() > most || as_json > most_as_json {
            break;
        }
        bytes = at + letter.len_utf8();
    }
    body[..bytes].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{CallId, EndpointId, RunId, UserId, job::NodeRef, workflow::Method};
    use uuid::Uuid;

    use super::*;
    use crate::ports::Try;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn call() -> Call {
        Call {
            id: CallId::new(Uuid::from_u128(1)),
            owner: UserId::new(Uuid::from_u128(2)),
            purpose: CallFor::Node {
                node: NodeRef {
                    run: RunId::new(Uuid::from_u128(3)),
                    step: 0,
                    item: None,
                    attempt: 1,
                    not_before: None,
                },
            },
            method: Method::Post,
            url: "https://example.com".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            expect: Vec::new(),
            timeout_seconds: 10,
            pauses: vec![5, 10],
            created_at: at(0),
            deadline: None,
            state: CallState::pending(at(0), 10),
            tries: Vec::new(),
            version: 1,
        }
    }

    fn notification() -> Call {
        let endpoint_id = EndpointId::new(Uuid::from_u128(4));
        let purpose = CallFor::Notification { endpoint_id, event: "job.ended".to_owned(), repeats: None };
        Call { purpose, ..call() }
    }

    fn after(call: &Call, status: u16, retry_after: Option<u64>) -> Next {
        next(call, &Ok(Answer { status, retry_after, body: String::new() }), at(0))
    }

    fn tried(times: usize) -> Vec<Try> {
        let made = Try { at: at(0), millis: 3, status: Some(500), error: None, answer: String::new() };
        vec![made; times]
    }

    #[test]
    fn what_is_expected_is_a_success() {
        for (expect, status, next_is) in [
            (vec![], 200, Next::Delivered),
            (vec![], 299, Next::Delivered),
            (vec![], 301, Next::Again { seconds: 5 }),
            (vec![404], 404, Next::Delivered),
            (vec![404], 200, Next::Again { seconds: 5 }),
        ] {
            let call = Call { expect, ..call() };
            assert_eq!(after(&call, status, None), next_is, "{status}");
        }
    }

    #[test]
    fn pauses_bound_the_tries() {
        let failed = Err(CallError::Failed("no answer".to_owned()));
        for (tries, next_is) in
            [(0, Next::Again { seconds: 5 }), (1, Next::Again { seconds: 10 }), (2, Next::Failed)]
        {
            let call = Call { tries: tried(tries), ..call() };
            assert_eq!(next(&call, &failed, at(0)), next_is, "{tries}");
        }
        assert_eq!(next(&call(), &Err(CallError::Refused("private".to_owned())), at(0)), Next::Failed);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause() {
        assert_eq!(after(&call(), 429, Some(120)), Next::Again { seconds: 120 });
        assert_eq!(after(&call(), 503, Some(1)), Next::Again { seconds: 5 });
        assert_eq!(after(&call(), 500, Some(120)), Next::Again { seconds: 5 });
        assert_eq!(after(&call(), 503, Some(u64::MAX)), Next::Again { seconds: 86_400 });
        let call = Call { deadline: Some(at(100)), ..call() };
        assert_eq!(after(&call, 429, Some(120)), Next::Failed);
        assert_eq!(after(&call, 429, Some(50)), Next::Again { seconds: 50 });
    }

    #[test]
    fn a_receiver_that_is_gone_is_left_alone() {
        assert_eq!(after(&notification(), 410, None), Next::Failed);
        assert_eq!(after(&call(), 410, None), Next::Again { seconds: 5 });
    }

    #[test]
    fn a_node_gets_status_and_body_or_the_reason() {
        let ended = |state, answer: &str, error: Option<&str>| {
            let error = error.map(str::to_owned);
            let made = Try { at: at(0), millis: 3, status: Some(200), error, answer: answer.to_owned() };
            result(&Call { state, tries: vec![made], ..call() })
        };
        let json = ended(CallState::Delivered, r#"{"ok": true}"#, None).unwrap();
        assert_eq!(json, json!({"status": 200, "body": {"ok": true}}));
        assert_eq!(
            ended(CallState::Delivered, "fine", None).unwrap(),
            json!({"status": 200, "body": "fine"})
        );
        let why = ended(CallState::Failed, "", Some("the server answered 500")).unwrap_err();
        assert_eq!(why, "the webhook failed: the server answered 500");
    }

    #[test]
    fn headers_of_the_author_win() {
        let own = BTreeMap::from([("Content-Type".to_owned(), "text/csv".to_owned())]);
        let call = Call { headers: own, body: Some("{}".to_owned()), ..call() };
        let sent = headers(&call);
        assert_eq!(sent[0], ("content-type".to_owned(), "text/csv".to_owned()));
        assert_eq!(sent[1], ("webhook-id".to_owned(), call.id.to_string()));
        assert_eq!(sent.len(), 2);
        let sent = headers(&Call { headers: BTreeMap::new(), ..call });
        assert_eq!(sent[1], ("content-type".to_owned(), "application/json".to_owned()));
    }

    #[test]
    fn an_answer_is_cut_at_a_letter_and_by_what_it_takes_in_a_row() {
        assert_eq!(beginning(&"é".repeat(ANSWER), false).len(), ANSWER);
        assert_eq!(beginning(&"é".repeat(NODE_ANSWER), true).len(), NODE_ANSWER);
        assert_eq!(beginning(&"\0".repeat(ANSWER), false).len(), 2 * ANSWER / 6);
        assert_eq!(beginning("short", true), "short");
    }
}
