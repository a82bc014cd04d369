//! Least privilege, held to here as on AWS: a function may take only the actions that its policies in the template allow.
//! Resources are not looked at; there is one of each.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What each function may do, by its short name. Who is not a function is the owner, who may do anything.
#[derive(Debug, Default)]
pub struct Permissions(BTreeMap<String, BTreeSet<String>>);

/// An action that a function may not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub action: String,
    pub message: String,
}

impl Denied {
    /// The status of the answer in the JSON protocols.
    pub const STATUS: StatusCode = StatusCode::BAD_REQUEST;
}

impl Permissions {
    pub fn new(functions: impl Iterator<Item = (String, BTreeSet<String>)>) -> Self {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // Functions of one program share its name
        for (name, actions) in functions {
            all.entry(name).or_default().extend(actions);
        }
        Self(all)
    }

    /// Whether the function may take all of these actions.
    pub fn check(&self, function: &str, actions: &[String]) -> Result<(), Denied> {
        let Some(allowed) = self.0.get(function) else { return Ok(()) };
        match actions.iter().find(|action| !allowed.contains(*action)) {
            None => Ok(()),
            Some(action) => Err(Denied {
                action: action.clone(),
                message: format!("User: {function} is not authorized to perform: {action}"),
            }),
        }
    }
}

/// The actions that an operation of a JSON protocol takes. A transaction takes those of its parts.
pub fn actions(service: &str, operation: &str, body: &[u8]) -> Vec<String> {
    let prefix = match service {
        "AmazonSSM" => "ssm",
        "AWSStepFunctions" => "states",
        _ => "dynamodb",
    };
    match operation {
        "TransactGetItems" => vec!["dynamodb:GetItem".into()],
        "TransactWriteItems" => parts(body).into_iter().map(|part| format!("dynamodb:{part}")).collect(),
        operation => vec![format!("{prefix}:{operation}")],
    }
}

/// The operations that a transaction is made of. What is not a transaction has none, and the service refuses it.
fn parts(body: &[u8]) -> BTreeSet<&'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Transaction {
        transact_items: Vec<Map<String, Value>>,
    }
    let Ok(Transaction { transact_items }) = serde_json::from_slice(body) else { return BTreeSet::new() };
    transact_items
        .iter()
        .flat_map(Map::keys)
        .filter_map(|part| match part.as_str() {
            "Put" => Some("PutItem"),
            "Update" => Some("UpdateItem"),
            "Delete" => Some("DeleteItem"),
            "ConditionCheck" => Some("ConditionCheckItem"),
            _ => None,
        })
        .collect()
}

/// The actions that a function's `Policies` allow.
pub fn allowed(policies: Vec<Value>) -> anyhow::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct Policy {
        #[serde(rename = "Version")]
        _version: String,
        statement: Vec<Statement>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct Statement {
        effect: String,
        action: Actions,
        #[serde(rename = "Resource")]
        _resource: Value,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Actions {
        One(String),
        Several(Vec<String>),
    }
    let mut allowed = BTreeSet::new();
    for policy in policies {
        let policy: Policy = serde_json::from_value(policy)?;
        for statement in policy.statement {
            if statement.effect != "Allow" {
                anyhow::bail!("effect {} is not understood", statement.effect);
            }
            let actions = match statement.action {
                Actions::One(action) => vec![action],
                Actions::Several(actions) => actions,
            };
            if let Some(wide) = actions.iter().find(|action| action.contains('*')) {
                anyhow::bail!("{wide} allows more than is known to be needed");
            }
            allowed.extend(actions);
        }
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_transaction_needs_what_its_parts_need() {
        let body = json!({"TransactItems": [{"Put": {}}, {"ConditionCheck": {}}, {"Put": {}}]}).to_string();
        let needed = actions("DynamoDB_20120810", "TransactWriteItems", body.as_bytes());
        assert_eq!(needed, ["dynamodb:ConditionCheckItem", "dynamodb:PutItem"]);
        let policies = vec![json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"},
            {"Effect": "Allow", "Action": ["ssm:GetParameter"], "Resource": "*"},
        ]})];
        let permissions = Permissions::new(std::iter::once(("f".to_owned(), allowed(policies).unwrap())));
        assert_eq!(permissions.check("f", &needed).unwrap_err().action, "dynamodb:ConditionCheckItem");
        assert_eq!(permissions.check("f", &actions("AmazonSSM", "GetParameter", b"{}")), Ok(()));
        assert!(permissions.check("f", &actions("AWSStepFunctions", "StartExecution", b"{}")).is_err());
        assert_eq!(permissions.check("", &needed), Ok(()));
    }

    #[test]
    fn what_allows_too_much_is_refused() {
        let policy = |action: &str, effect: &str| {
            vec![
                json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]}),
            ]
        };
        assert!(allowed(policy("dynamodb:*", "Allow")).is_err());
        assert!(allowed(policy("dynamodb:PutItem", "Deny")).is_err());
        assert!(allowed(vec![json!("AdministratorAccess")]).is_err());
    }
}
