//! Calls with a task token, and the two calls about activities that clients use to learn account and region.

use serde_json::{Value, json};

use super::executions::parse;
use super::request::{Request, too_long};
use super::{ApiError, arn};
use crate::Service;
use crate::clock::seconds;
use crate::execution::{DATA_LIMIT, Outcome};
use crate::service::TokenFault;

impl Service {
    pub(super) fn send_task_success(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let token = token(request)?;
        let text = request.required("output")?;
        if text.len() > DATA_LIMIT {
            return Err(too_long("…", "output", DATA_LIMIT));
        }
        let output =
            parse(text).map_err(|why| ApiError::new("InvalidOutput", format!("Invalid Output: '{why}'")))?;
        self.tell(token, Outcome::Success(output))
    }

    pub(super) fn send_task_failure(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let token = token(request)?;
        let error = request.at_most("error", 256)?.map(str::to_owned);
        let cause = request.at_most("cause", 32_768)?.map(str::to_owned);
        self.tell(token, Outcome::Failure { error, cause })
    }

    pub(super) fn send_task_heartbeat(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        self.tell(token(request)?, Outcome::Heartbeat)
    }

    fn tell(&self, token: &str, outcome: Outcome) -> Result<Value, ApiError> {
        self.inner.tell(token, outcome)?.map(|()| json!({})).map_err(|fault| match fault {
            TokenFault::Invalid => ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"),
            TokenFault::Unknown => {
                ApiError::new("TaskDoesNotExist", "Task Does Not Exist: 'Task does not exist'")
            }
            TokenFault::Over => {
                ApiError::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
            }
        })
    }

    pub(super) fn create_activity(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let name = request.required("name")?;
        arn::check_name(name)?;
        let activity = arn::make(&self.inner.config, "activity", name);
        let created = self.inner.lock().store.create_activity(&activity, name, self.inner.clock.now())?;
        Ok(json!({"activityArn": activity, "creationDate": seconds(created)}))
    }

    pub(super) fn delete_activity(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let activity = request.required("activityArn")?;
        arn::check_activity(activity)?;
        self.inner.lock().store.delete_activity(activity)?;
        Ok(json!({}))
    }
}

fn token<'a>(request: &Request<'a>) -> Result<&'a str, ApiError> {
    let token = request.required("taskToken")?;
    if token.len() > 2048 {
        return Err(too_long(token, "taskToken", 2048));
    }
    Ok(token)
}
