//! CloudFormation's YAML: short tags (`!Sub`) become their long form (`{"Fn::Sub": …}`).

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

/// Reads YAML into JSON with every intrinsic in its long form.
pub(super) fn read(text: &str) -> Result<Value> {
    convert(serde_norway::from_str(text)?)
}

fn convert(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => {
            if let Some(value) = number.as_i64() {
                value.into()
            } else if let Some(value) = number.as_f64() {
                json!(value)
            } else {
                bail!("number {number} is not understood")
            }
        }
        Yaml::String(value) => Value::String(value),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(convert).collect::<Result<_>>()?),
        Yaml::Mapping(mapping) => {
            let mut object = Map::new();
            for (key, value) in mapping {
                let key = match key {
                    Yaml::String(key) => key,
                    other => bail!("a key must be a string, not {other:?}"),
                };
                object.insert(key, convert(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let value = convert(tagged.value)?;
            match tag {
                "Ref" | "Condition" => json!({ tag: value }),
                "GetAtt" => {
                    let value = match value {
                        Value::String(path) => {
                            let (resource, attribute) = path
                                .split_once('.')
                                .ok_or_else(|| anyhow!("!GetAtt {path}: an attribute is missing"))?;
                            json!([resource, attribute])
                        }
                        list => list,
                    };
                    json!({ "Fn::GetAtt": value })
                }
                "Sub" | "Join" | "If" | "Equals" | "Not" | "And" | "Or" | "Select" | "Split" => {
                    json!({ (format!("Fn::{tag}")): value })
                }
                other => bail!("tag !{other} is not understood"),
            }
        }
    })
}
