//! GraphQL: the older API, and the only one with spot. Parsed and checked against the schema before anything is done.

use super::account::Refusal;
use super::resolve::{Trouble, resolve};
use super::schema;
use super::{Cloud, NO_BALANCE, NO_CAPACITY};
use crate::serve::{answer, json_answer};
use crate::strike::Turn;
use axum::body::Body;
use bytes::Bytes;
use graphql_parser::query::{
    Definition, Document, OperationDefinition, Selection, SelectionSet, TypeCondition,
};
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Deeper than any document of ours; keeps the walk off the end of the stack.
const DEPTH: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    query: String,
    variables: Option<Map<String, Value>>,
    operation_name: Option<String>,
    #[serde(rename = "extensions")]
    _extensions: Option<Value>,
}

/// A field with its arguments, variables put in, fragments spread.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) name: String,
    pub(crate) alias: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) inner: Vec<Picked>,
    /// Asks for the name of the type, which is `name`.
    pub(crate) type_name: bool,
}

/// One checked call: the fields of its root in order.
#[derive(Debug)]
pub(crate) struct Call {
    fields: Vec<Picked>,
}

impl Call {
    /// Every field that a fault may be planned for.
    pub(crate) fn labels() -> impl Iterator<Item = String> {
        let roots = ["Query", "Mutation"].into_iter().flat_map(schema::fields);
        roots.map(|(name, _)| format!("graphql:{name}"))
    }

    pub(crate) fn of(request: &Request<Bytes>) -> Result<Self, Box<Response<Body>>> {
        if request.method() != Method::POST {
            return Err(Box::new(failure(405, "GraphQL only supports POST requests.")));
        }
        let envelope: Envelope = serde_json::from_slice(request.body())
            .map_err(|error| Box::new(failure(400, &error.to_string())))?;
        Self::checked(&envelope).map_err(|message| {
            let error = json!({"message": message, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}});
            Box::new(json_answer(400, &json!({"errors": [error]})))
        })
    }

    fn checked(envelope: &Envelope) -> Result<Self, String> {
        let document: Document<'_, String> =
            graphql_parser::parse_query(&envelope.query).map_err(|error| error.to_string())?;
        let wanted = envelope.operation_name.as_ref();
        let mut found = Vec::new();
        for definition in &document.definitions {
            let Definition::Operation(operation) = definition else { continue };
            let (root, name, set) = match operation {
                OperationDefinition::SelectionSet(set) => ("Query", None, set),
                OperationDefinition::Query(query) => ("Query", query.name.as_ref(), &query.selection_set),
                OperationDefinition::Mutation(mutation) => {
                    ("Mutation", mutation.name.as_ref(), &mutation.selection_set)
                }
                OperationDefinition::Subscription(_) => {
                    return Err("Subscriptions are not supported.".to_owned());
                }
            };
            if wanted.is_none() || wanted == name {
                found.push((root, set));
            }
        }
        let [(root, set)] = found[..] else {
            return Err("Must provide the name of exactly one operation.".to_owned());
        };
        let empty = Map::new();
        let walk = Walk { document: &document, variables: envelope.variables.as_ref().unwrap_or(&empty) };
        let mut fields = Vec::new();
        walk.pick(root, set, &mut fields, 0)?;
        if fields.is_empty() {
            return Err("Must select at least one field.".to_owned());
        }
        Ok(Self { fields })
    }

    /// The first field of the root, by which a call is known.
    pub(crate) fn field(&self) -> &str {
        self.fields.first().map_or("", |field| &field.name)
    }

    pub(crate) fn perform(&self, cloud: &Arc<Cloud>, turn: Turn) -> Response<Body> {
        let mut data = Map::new();
        let mut errors = Vec::new();
        for field in &self.fields {
            let value = match resolve(cloud, field, turn) {
                Ok(value) => value,
                Err(Trouble::Input(message)) => {
                    let error = json!({"message": message, "extensions": {"code": "BAD_USER_INPUT"}});
                    return json_answer(400, &json!({"errors": [error]}));
                }
                Err(Trouble::Refused(refusal)) => {
                    errors.push(error(&field.alias, &message(&refusal, &field.name)));
                    Value::Null
                }
            };
            data.insert(field.alias.clone(), value);
        }
        if errors.is_empty() {
            return json_answer(200, &json!({"data": data}));
        }
        json_answer(200, &json!({"errors": errors, "data": data}))
    }

    /// As if the account had refused each field.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Response<Body> {
        let errors: Vec<_> =
            self.fields.iter().map(|field| error(&field.alias, &message(refusal, &field.name))).collect();
        let data: Map<_, _> = self.fields.iter().map(|field| (field.alias.clone(), Value::Null)).collect();
        json_answer(200, &json!({"errors": errors, "data": data}))
    }
}

/// A failure of the server rather than an answer.
pub(crate) fn failure(status: u16, message: &str) -> Response<Body> {
    answer(status, "application/json", json!({"errors": [{"message": message}]}).to_string())
}

fn error(alias: &str, message: &str) -> Value {
    json!({"message": message, "path": [alias], "extensions": {"code": "RUNPOD"}})
}

fn message(refusal: &Refusal, field: &str) -> String {
    match refusal {
        Refusal::NotFound if field == "podTerminate" => "pod not found to terminate".to_owned(),
        Refusal::NotFound => "pod not found".to_owned(),
        Refusal::Capacity => NO_CAPACITY.to_owned(),
        Refusal::Balance => NO_BALANCE.to_owned(),
        Refusal::Invalid(detail) | Refusal::Conflict(detail) => detail.clone(),
    }
}

struct Walk<'a> {
    document: &'a Document<'a, String>,
    variables: &'a Map<String, Value>,
}

impl Walk<'_> {
    fn pick(
        &self,
        object: &str,
        set: &SelectionSet<'_, String>,
        picked: &mut Vec<Picked>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH {
            return Err("The query is nested too deeply.".to_owned());
        }
        for selection in &set.items {
            match selection {
                Selection::Field(field) if field.name == "__typename" => {
                    let alias = field.alias.as_ref().unwrap_or(&field.name).clone();
                    let (arguments, inner) = (Map::new(), Vec::new());
                    picked.push(Picked { name: object.to_owned(), alias, arguments, inner, type_name: true });
                }
                Selection::Field(field) => {
                    let known = schema::fields(object).iter().find(|(name, _)| *name == field.name);
                    let (name, inner_object) = known.ok_or_else(|| {
                        format!("Cannot query field \"{}\" on type \"{object}\".", field.name)
                    })?;
                    if !field.directives.is_empty() {
                        return Err("Directives are not simulated.".to_owned());
                    }
                    let mut arguments = Map::new();
                    for (argument, value) in &field.arguments {
                        arguments.insert(argument.clone(), self.value(value)?);
                    }
                    let mut inner = Vec::new();
                    match inner_object {
                        Some(_) if field.selection_set.items.is_empty() => {
                            return Err(format!("Field \"{name}\" must have a selection of subfields."));
                        }
                        None if !field.selection_set.items.is_empty() => {
                            return Err(format!("Field \"{name}\" must not have a selection of subfields."));
                        }
                        Some(inner_object) => {
                            self.pick(inner_object, &field.selection_set, &mut inner, depth + 1)?;
                        }
                        None => {}
                    }
                    let alias = field.alias.as_ref().unwrap_or(&field.name).clone();
                    picked.push(Picked {
                        name: field.name.clone(),
                        alias,
                        arguments,
                        inner,
                        type_name: false,
                    });
                }
                Selection::InlineFragment(fragment) => {
                    if let Some(TypeCondition::On(on)) = &fragment.type_condition
                        && on != object
                    {
                        return Err(format!(
                            "Fragment cannot be spread here as objects of type \"{object}\" can never be of type \"{on}\"."
                        ));
                    }
                    self.pick(object, &fragment.selection_set, picked, depth + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.definitions.iter().find_map(|definition| match definition {
                        Definition::Fragment(fragment) if fragment.name == spread.fragment_name => {
                            Some(fragment)
                        }
                        _ => None,
                    });
                    let fragment =
                        fragment.ok_or_else(|| format!("Unknown fragment \"{}\".", spread.fragment_name))?;
                    self.pick(object, &fragment.selection_set, picked, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn value(&self, value: &graphql_parser::query::Value<'_, String>) -> Result<Value, String> {
        use graphql_parser::query::Value as Ast;
        Ok(match value {
            Ast::Variable(name) => self
                .variables
                .get(name)
                .cloned()
                .ok_or_else(|| format!("Variable \"${name}\" was not provided."))?,
            Ast::Int(number) => json!(number.as_i64()),
            Ast::Float(number) => json!(number),
            Ast::String(text) | Ast::Enum(text) => json!(text),
            Ast::Boolean(truth) => json!(truth),
            Ast::Null => Value::Null,
            Ast::List(list) => list.iter().map(|one| self.value(one)).collect::<Result<_, _>>()?,
            Ast::Object(object) => {
                let mut map = Map::new();
                for (name, one) in object {
                    map.insert(name.clone(), self.value(one)?);
                }
                Value::Object(map)
            }
        })
    }
}
