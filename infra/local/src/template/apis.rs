//! API Gateway: APIs, stages, routes and integrations are resources of their own; here they become one API with the
//! functions behind its routes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::evaluate::api_id;
use super::resources::Unused;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    WebSocket,
}

/// An API with its one stage.
#[derive(Debug, Clone)]
pub struct Api {
    pub id: String,
    pub protocol: Protocol,
    pub stage: String,
    pub route_selection: Option<String>,
    pub routes: Vec<Route>,
}

#[derive(Debug, Clone)]
pub struct Route {
    /// Such as `GET /v1/jobs/{proxy+}` or `$connect`.
    pub key: String,
    pub integration: Integration,
}

#[derive(Debug, Clone)]
pub struct Integration {
    /// ARN of the function.
    pub function: String,
    pub timeout: Duration,
}

/// The resources of an API as they stand in the template, each by itself.
#[derive(Default)]
pub(super) struct ApiParts {
    pub(super) apis: BTreeMap<String, ApiProperties>,
    pub(super) stages: Vec<StageProperties>,
    pub(super) routes: Vec<RouteProperties>,
    pub(super) integrations: BTreeMap<String, IntegrationProperties>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ApiProperties {
    protocol_type: String,
    route_selection_expression: Option<String>,
    #[serde(rename = "Name")]
    _name: Unused,
    #[serde(rename = "Description")]
    _description: Unused,
    #[serde(rename = "Tags")]
    _tags: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct StageProperties {
    api_id: String,
    stage_name: String,
    auto_deploy: bool,
    /// Throttling guards the owner's bill; nothing here costs money.
    #[serde(rename = "DefaultRouteSettings")]
    _route_settings: Unused,
    #[serde(rename = "AccessLogSettings")]
    _access_log: Unused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RouteProperties {
    api_id: String,
    route_key: String,
    target: String,
    authorization_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct IntegrationProperties {
    api_id: String,
    integration_type: String,
    integration_uri: String,
    payload_format_version: Option<String>,
    timeout_in_millis: Option<u64>,
}

impl ApiParts {
    /// Gives every API its stage and its routes, and every route its function.
    pub(super) fn join(self) -> Result<BTreeMap<String, Api>> {
        let mut apis = BTreeMap::new();
        for (id, properties) in self.apis {
            let protocol = match properties.protocol_type.as_str() {
                "HTTP" => Protocol::Http,
                "WEBSOCKET" => Protocol::WebSocket,
                other => bail!("{id}: protocol {other} is not understood"),
            };
            let own = api_id(&id);
            let mut stages = self.stages.iter().filter(|stage| stage.api_id == own);
            let (Some(stage), None) = (stages.next(), stages.next()) else {
                bail!("{id}: exactly one stage is understood");
            };
            if !stage.auto_deploy {
                bail!("{id}: a stage without AutoDeploy is not understood");
            }
            let mut routes = Vec::new();
            for route in self.routes.iter().filter(|route| route.api_id == own) {
                let context = || format!("route {}", route.route_key);
                if route.authorization_type.as_deref().is_some_and(|kind| kind != "NONE") {
                    bail!("{}: authorizers are not understood", context());
                }
                let integration = route
                    .target
                    .strip_prefix("integrations/")
                    .and_then(|name| self.integrations.get(name))
                    .ok_or_else(|| anyhow!("{}: no integration {}", context(), route.target))?;
                let integration = integration.check(&own, protocol).with_context(context)?;
                routes.push(Route { key: route.route_key.clone(), integration });
            }
            apis.insert(
                id,
                Api {
                    id: own,
                    protocol,
                    stage: stage.stage_name.clone(),
                    route_selection: properties.route_selection_expression,
                    routes,
                },
            );
        }
        Ok(apis)
    }
}

impl IntegrationProperties {
    fn check(&self, api: &str, protocol: Protocol) -> Result<Integration> {
        if self.api_id != api {
            bail!("its integration belongs to another API");
        }
        if self.integration_type != "AWS_PROXY" {
            bail!("integration type {} is not understood", self.integration_type);
        }
        if protocol == Protocol::Http && self.payload_format_version.as_deref() != Some("2.0") {
            bail!("only payload format 2.0 is understood");
        }
        // A WebSocket API names the call, an HTTP API the function
        let function = match self.integration_uri.split_once(":lambda:path/2015-03-31/functions/") {
            Some((_, rest)) => rest.trim_end_matches("/invocations"),
            None => &self.integration_uri,
        };
        let timeout = self.timeout_in_millis.unwrap_or(30_000).min(30_000);
        Ok(Integration { function: function.to_owned(), timeout: Duration::from_millis(timeout) })
    }
}
