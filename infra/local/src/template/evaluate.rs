//! Parameters, conditions and intrinsic functions.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::unused::has_no_counterpart;
use super::{Account, Values};

/// What an expression may refer to.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) account: &'a Account,
    parameters: BTreeMap<String, Value>,
    conditions: Map<String, Value>,
    pub(super) resources: Map<String, Value>,
    pub(super) globals: Map<String, Value>,
}

/// The value of `AWS::NoValue`: whoever holds it drops the property.
const NO_VALUE: &str = "\u{0}AWS::NoValue";

fn section(document: &Map<String, Value>, name: &str) -> Result<Map<String, Value>> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => bail!("section {name} is not a mapping"),
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(document: &Map<String, Value>, values: &Values, account: &'a Account) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        let declared = section(document, "Parameters")?;
        for name in values.given.keys() {
            if !declared.contains_key(name) {
                bail!("parameter {name} is given but the template has none of that name");
            }
        }
        for (name, declaration) in &declared {
            let value = match (
                values.given.get(name).or_else(|| values.preset.get(name)),
                declaration.get("Default"),
            ) {
                (Some(value), _) | (None, Some(Value::String(value))) => value.clone(),
                (None, Some(Value::Number(value))) => value.to_string(),
                (None, _) => bail!("parameter {name} has no value and no default"),
            };
            check_parameter(name, &value, declaration)?;
            parameters.insert(name.clone(), Value::String(value));
        }
        let scope = Self {
            account,
            parameters,
            conditions: section(document, "Conditions")?,
            resources: section(document, "Resources")?,
            globals: section(document, "Globals")?,
        };
        for name in scope.conditions.keys() {
            scope.condition(name).with_context(|| format!("condition {name}"))?;
        }
        for (name, output) in section(document, "Outputs")? {
            scope.evaluate(&output).with_context(|| format!("output {name}"))?;
        }
        Ok(scope)
    }

    pub(super) fn condition(&self, name: &str) -> Result<bool> {
        let expression =
            self.conditions.get(name).ok_or_else(|| anyhow!("condition {name} does not exist"))?;
        match self.evaluate(expression)? {
            Value::Bool(value) => Ok(value),
            other => bail!("condition {name} is {other}, not true or false"),
        }
    }

    /// The value of an expression, properties that are `AWS::NoValue` left out.
    pub(super) fn evaluate(&self, expression: &Value) -> Result<Value> {
        match expression {
            Value::Object(object) => {
                if let Some(value) = self.intrinsic(object)? {
                    return Ok(value);
                }
                let mut result = Map::new();
                for (key, value) in object {
                    let value = self.evaluate(value).with_context(|| key.clone())?;
                    if value != NO_VALUE {
                        result.insert(key.clone(), value);
                    }
                }
                Ok(Value::Object(result))
            }
            Value::Array(items) => {
                let items: Vec<Value> =
                    items.iter().map(|item| self.evaluate(item)).collect::<Result<_>>()?;
                Ok(items.into_iter().filter(|item| item != NO_VALUE).collect())
            }
            other => Ok(other.clone()),
        }
    }

    /// The value if `object` is an intrinsic; `None` if it is an ordinary mapping.
    fn intrinsic(&self, object: &Map<String, Value>) -> Result<Option<Value>> {
        let mut entries = object.iter();
        let (Some((name, argument)), None) = (entries.next(), entries.next()) else { return Ok(None) };
        Ok(Some(match name.as_str() {
            "Ref" => {
                let name = argument.as_str().ok_or_else(|| anyhow!("Ref takes a name"))?;
                self.reference(name)?
            }
            // An IAM policy also has a key of this name, with a mapping under it
            "Condition" => match argument.as_str() {
                Some(name) => Value::Bool(self.condition(name)?),
                None => return Ok(None),
            },
            "Fn::GetAtt" => {
                let (resource, attribute) = argument
                    .as_array()
                    .filter(|pair| pair.len() == 2)
                    .and_then(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
                    .ok_or_else(|| anyhow!("Fn::GetAtt takes a resource and an attribute"))?;
                self.attribute(resource, attribute)?
            }
            "Fn::Sub" => Value::String(self.substitute(argument)?),
            "Fn::Join" => {
                let [delimiter, list] = self.arguments(argument, name)?;
                let delimiter = text(&delimiter)?;
                let list = list.as_array().ok_or_else(|| anyhow!("Fn::Join joins a list"))?;
                Value::String(list.iter().map(text).collect::<Result<Vec<_>>>()?.join(&delimiter))
            }
            "Fn::Split" => {
                let [delimiter, whole] = self.arguments(argument, name)?;
                let (delimiter, whole) = (text(&delimiter)?, text(&whole)?);
                whole.split(&delimiter).map(Value::from).collect()
            }
            "Fn::Select" => {
                let [index, list] = self.arguments(argument, name)?;
                let index: usize = text(&index)?.parse().context("Fn::Select takes an index")?;
                list.get(index).cloned().ok_or_else(|| anyhow!("Fn::Select: no element {index}"))?
            }
            "Fn::Equals" => {
                let [left, right] = self.arguments(argument, name)?;
                Value::Bool(text(&left)? == text(&right)?)
            }
            "Fn::Not" => {
                let [value] = self.arguments(argument, name)?;
                Value::Bool(!truth(&value)?)
            }
            "Fn::And" | "Fn::Or" => {
                let values = self.evaluate(argument)?;
                let values = values.as_array().ok_or_else(|| anyhow!("{name} takes a list"))?;
                let truths = values.iter().map(truth).collect::<Result<Vec<_>>>()?;
                Value::Bool(if name == "Fn::And" {
                    truths.into_iter().all(|truth| truth)
                } else {
                    truths.into_iter().any(|truth| truth)
                })
            }
            "Fn::If" => {
                let branches = argument
                    .as_array()
                    .filter(|branches| branches.len() == 3)
                    .ok_or_else(|| anyhow!("Fn::If takes three arguments"))?;
                let condition =
                    branches[0].as_str().ok_or_else(|| anyhow!("Fn::If takes a condition's name"))?;
                self.evaluate(&branches[if self.condition(condition)? { 1 } else { 2 }])?
            }
            other if other.starts_with("Fn::") => bail!("{other} is not understood"),
            _ => return Ok(None),
        }))
    }

    fn arguments<const N: usize>(&self, argument: &Value, name: &str) -> Result<[Value; N]> {
        let values = argument.as_array().ok_or_else(|| anyhow!("{name} takes a list"))?;
        let values: Vec<Value> = values.iter().map(|value| self.evaluate(value)).collect::<Result<_>>()?;
        values.try_into().map_err(|_| anyhow!("{name} takes {N} arguments"))
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let Account { id, region } = self.account;
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        Ok(Value::String(match name {
            "AWS::Region" => region.clone(),
            "AWS::AccountId" => id.clone(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => "local".into(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{region}:{id}:stack/local/local"),
            "AWS::NoValue" => NO_VALUE.into(),
            _ => {
                let (kind, properties) = self.resource(name)?;
                let named = |key: &str| self.name(name, properties, key);
                match kind {
                    "AWS::Serverless::Function" => named("FunctionName")?,
                    "AWS::DynamoDB::Table" => named("TableName")?,
                    "AWS::Serverless::StateMachine" => self.machine_arn(&named("Name")?),
                    "AWS::Logs::LogGroup" => named("LogGroupName")?,
                    "AWS::ApiGatewayV2::Api" => api_id(name),
                    _ => name.to_owned(),
                }
            }
        }))
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value> {
        let Account { id, region } = self.account;
        let (kind, properties) = self.resource(resource)?;
        let named = |key: &str| self.name(resource, properties, key);
        Ok(Value::String(match (kind, attribute) {
            ("AWS::Serverless::Function", "Arn") => self.account.function_arn(&named("FunctionName")?),
            ("AWS::DynamoDB::Table", "Arn") => {
                format!("arn:aws:dynamodb:{region}:{id}:table/{}", named("TableName")?)
            }
            ("AWS::DynamoDB::Table", "StreamArn") => stream_arn(self.account, &named("TableName")?),
            ("AWS::Serverless::StateMachine", "Arn") => self.machine_arn(&named("Name")?),
            ("AWS::Serverless::StateMachine", "Name") => named("Name")?,
            ("AWS::ApiGatewayV2::Api", "ApiId") => api_id(resource),
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint") => {
                format!("https://{}.execute-api.{region}.amazonaws.com", api_id(resource))
            }
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{id}:role/{resource}"),
            ("AWS::Logs::LogGroup", "Arn") => {
                format!("arn:aws:logs:{region}:{id}:log-group:{}:*", named("LogGroupName")?)
            }
            // Only others that have no counterpart either ask for it
            (kind, attribute) if has_no_counterpart(kind) => format!("{resource}.{attribute}"),
            _ => bail!("{kind} has no attribute {attribute} that is understood"),
        }))
    }

    fn resource(&self, name: &str) -> Result<(&str, &Value)> {
        let resource = self.resources.get(name).ok_or_else(|| anyhow!("nothing is named {name}"))?;
        let kind =
            resource.get("Type").and_then(Value::as_str).ok_or_else(|| anyhow!("{name} has no Type"))?;
        Ok((kind, resource.get("Properties").unwrap_or(&Value::Null)))
    }

    fn name(&self, logical_id: &str, properties: &Value, key: &str) -> Result<String> {
        match properties.get(key) {
            Some(expression) => text(&self.evaluate(expression)?),
            None => Ok(logical_id.to_owned()),
        }
    }

    fn machine_arn(&self, name: &str) -> String {
        format!("arn:aws:states:{}:{}:stateMachine:{name}", self.account.region, self.account.id)
    }

    fn substitute(&self, argument: &Value) -> Result<String> {
        let (template, own) = match argument {
            Value::String(template) => (template.as_str(), Map::new()),
            Value::Array(pair) if pair.len() == 2 => {
                let template = pair[0].as_str().ok_or_else(|| anyhow!("Fn::Sub takes a string"))?;
                match self.evaluate(&pair[1])? {
                    Value::Object(own) => (template, own),
                    _ => bail!("the second argument of Fn::Sub is not a mapping"),
                }
            }
            _ => bail!("Fn::Sub takes a string, or a string and a mapping"),
        };
        let mut result = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            result.push_str(&rest[..start]);
            let end = rest[start..].find('}').ok_or_else(|| anyhow!("unclosed ${{ in {template}"))? + start;
            let name = &rest[start + 2..end];
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(literal);
                result.push('}');
            } else if let Some(value) = own.get(name) {
                result.push_str(&text(value)?);
            } else if let Some((resource, attribute)) = name.split_once('.') {
                result.push_str(&text(&self.attribute(resource, attribute)?)?);
            } else {
                result.push_str(&text(&self.reference(name)?)?);
            }
            rest = &rest[end + 1..];
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// The id that an API has here; its default host name contains it.
pub(super) fn api_id(logical_id: &str) -> String {
    logical_id.to_lowercase()
}

/// ARN of a table's stream. The label is fixed: a table here has one stream for its lifetime.
pub(super) fn stream_arn(account: &Account, table: &str) -> String {
    format!("arn:aws:dynamodb:{}:{}:table/{table}/stream/local", account.region, account.id)
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::String(value) => Ok(value.clone()),
        Value::Number(value) => Ok(value.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        other => bail!("{other} is not a string"),
    }
}

fn truth(value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| anyhow!("{value} is not true or false"))
}

fn check_parameter(name: &str, value: &str, declaration: &Value) -> Result<()> {
    // The pattern guards resource names on AWS, whose rules nothing here has
    const KNOWN: [&str; 8] = [
        "Type",
        "Default",
        "AllowedPattern",
        "AllowedValues",
        "MinValue",
        "MaxValue",
        "Description",
        "ConstraintDescription",
    ];
    let declaration = declaration.as_object().ok_or_else(|| anyhow!("parameter {name} is not a mapping"))?;
    for key in declaration.keys() {
        if !KNOWN.contains(&key.as_str()) {
            bail!("parameter {name}: {key} is not understood");
        }
    }
    match declaration.get("Type").and_then(Value::as_str) {
        Some("String") => {}
        Some("Number") => {
            let number: f64 =
                value.parse().with_context(|| format!("parameter {name}: {value} is not a number"))?;
            let bound = |key: &str| declaration.get(key).and_then(Value::as_f64);
            if bound("MinValue").is_some_and(|min| number < min)
                || bound("MaxValue").is_some_and(|max| number > max)
            {
                bail!("parameter {name}: {value} is out of its range");
            }
        }
        other => bail!("parameter {name}: type {other:?} is not understood"),
    }
    if let Some(allowed) = declaration.get("AllowedValues").and_then(Value::as_array) {
        let allowed = allowed.iter().map(text).collect::<Result<Vec<_>>>()?;
        if !allowed.iter().any(|allowed| allowed == value) {
            bail!("parameter {name}: {value} is not one of {}", allowed.join(", "));
        }
    }
    Ok(())
}
