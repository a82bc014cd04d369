//! The OpenAPI document of the whole HTTP API.

use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::{
        RefOr, Schema,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    accounts, costs, examples, jobs, notifications, offers, problem::Problem, realtime, runs, schedules,
    secrets, system, workflows,
};

/// What any operation that wants a caller may answer.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "only its attributes are read")]
pub(crate) enum Standard {
    /// `not_authenticated`: there is no credential. `token_expired`: refresh it. `invalid_token`, `invalid_api_key`: it is not
    /// valid, or not any more.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// `too_many_requests`: `Retry-After` says when to come back.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// `internal`: the platform failed. It is not known whether the request was done.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] Problem),
    /// `busy`: nothing was done. `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(#[to_schema] Problem),
}

/// What any operation that takes a body may answer about it.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "only its attributes are read")]
pub(crate) enum Refused {
    /// `malformed_json`, `body_missing`: the body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// `body_too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// `unsupported_media_type`: the body is not declared as `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "GPU jobs",
        description = "Runs containers on rented GPUs, to their end, and gives the machines back.\n\n\
            Errors are RFC 9457 problems: `code` is for programs and does not change, `detail` says what to do, `request_id` \
            is what to tell the operator. Unknown figures are null. Times are UTC. Lists go on with `next`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
struct Root;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        openapi.components.get_or_insert_default().add_security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("An access token of a sign-in, or an API key."))
                    .build(),
            ),
        );
    }
}

/// The whole document, as OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    with_examples(
        Root::openapi()
            .merge_from(accounts::Docs::openapi())
            .merge_from(jobs::Docs::openapi())
            .merge_from(workflows::Docs::openapi())
            .merge_from(runs::Docs::openapi())
            .merge_from(schedules::Docs::openapi())
            .merge_from(notifications::Docs::openapi())
            .merge_from(costs::Docs::openapi())
            .merge_from(offers::Docs::openapi())
            .merge_from(realtime::Docs::openapi())
            .merge_from(secrets::Docs::openapi())
            .merge_from(system::Docs::openapi()),
    )
}

fn with_examples(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(schemas) = schemas {
        for (name, example) in examples::all() {
            match schemas.get_mut(name) {
                Some(RefOr::T(Schema::Object(schema))) => schema.example = Some(example),
                Some(RefOr::T(Schema::AllOf(schema))) => schema.example = Some(example),
                _ => {}
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let methods = ["get", "put", "post", "delete", "patch"];
        paths
            .iter()
            .flat_map(|(path, item)| {
                methods.iter().filter_map(move |method| {
                    item.get(method).map(|operation| ((*method).to_owned(), path.clone(), operation))
                })
            })
            .collect()
    }

    #[test]
    fn every_operation_has_an_id_a_summary_and_its_errors() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut ids = HashSet::new();
        let operations = operations(&document);
        assert!(operations.len() >= 20, "{}", operations.len());
        for (method, path, operation) in operations {
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(!id.is_empty() && ids.insert(id.to_owned()), "{method} {path}: {id}");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let open = operation["security"] == serde_json::json!([{}]);
            let responses = operation["responses"].as_object().unwrap();
            assert!(open || responses.contains_key("401"), "{method} {path} does not say 401");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut pending = vec![&document];
        let mut seen = 0;
        while let Some(value) = pending.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(target)) = fields.get("$ref") {
                        let pointer = target.strip_prefix('#').expect("a reference within the document");
                        assert!(document.pointer(pointer).is_some(), "{target}");
                        seen += 1;
                    }
                    pending.extend(fields.values());
                }
                Value::Array(items) => pending.extend(items),
                _ => {}
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn every_large_body_has_an_example() {
        let document = serde_json::to_value(openapi()).unwrap();
        let has = |content: &Value| {
            // A body that may be left out is one of nothing and a schema.
            let schema = &content["schema"];
            let reference = schema["$ref"].as_str().or_else(|| {
                schema["oneOf"].as_array().and_then(|any| any.iter().find_map(|one| one["$ref"].as_str()))
            });
            let name = reference.unwrap_or_default().rsplit('/').next().unwrap_or_default();
            content.get("example").is_some()
                || document["components"]["schemas"][name].get("example").is_some()
        };
        let mut without = Vec::new();
        for (method, path, operation) in operations(&document) {
            // The bodies of accounts and of the ticket are small and have their examples field by field.
            let large = ["jobs", "workflows", "runs", "schedules", "notifications", "offers", "system"];
            if !large.iter().any(|tag| operation["tags"][0] == *tag) {
                continue;
            }
            let request = &operation["requestBody"]["content"]["application/json"];
            if !request.is_null() && !has(request) {
                without.push(format!("{method} {path}: request"));
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let answer = &response["content"]["application/json"];
                if status.starts_with('2') && path != "/v1/openapi.json" && !answer.is_null() && !has(answer)
                {
                    without.push(format!("{method} {path}: {status}"));
                }
            }
        }
        assert!(without.is_empty(), "{without:#?}");
    }

    #[test]
    fn every_example_holds_to_its_schema() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut seen = 0;
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let Some(example) = schema.get("example") else { continue };
            let whole = serde_json::json!({
                "$ref": format!("#/components/schemas/{name}"),
                "components": document["components"],
            });
            let validator = jsonschema::draft202012::new(&whole).unwrap();
            let wrong: Vec<String> =
                validator.iter_errors(example).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}
