//! What the parameter `/providers/alibaba` says. Each mistake is told by the path of its field, never by its value: the
//! text holds a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::Url;

use crate::ApiKey;

/// How Alibaba Cloud is reached, and where instances are made.
#[derive(Debug, Clone)]
pub struct Settings {
    pub access_key_id: String,
    pub access_key_secret: ApiKey,
    pub regions: Vec<Region>,
    /// What stands in for every region's own host, such as a simulation.
    pub url: Option<Url>,
}

/// A region and what an instance in it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// `cn-hangzhou`
    pub id: String,
    /// The zones that are used, and in each the VSwitch that instances are in.
    pub zones: BTreeMap<String, String>,
    pub security_group_id: String,
    /// With docker and the NVIDIA container toolkit in it.
    pub image_id: String,
    /// The instance types that are offered; empty means every one with NVIDIA GPUs.
    pub instance_types: Vec<String>,
    /// Mbit/s of a public address; 0 means none, where the VSwitch has a NAT gateway.
    pub internet_mbps: u32,
    pub disk_category: String,
}

impl Settings {
    /// Reads the parameter's text. `Err` names the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The parser's own words may quote the text, so only the place is told.
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("it is not JSON (line {}, column {})", error.line(), error.column()))?;
        let fields = Fields::of(&value, "")?;
        fields.know(&["access_key_id", "access_key_secret", "regions"])?;
        let list = fields.list("regions")?;
        if list.is_empty() {
            return Err("regions is empty".to_owned());
        }
        let regions: Vec<Region> = list
            .iter()
            .enumerate()
            .map(|(n, value)| Region::read(value, &format!("regions[{n}]")))
            .collect::<Result<_, _>>()?;
        for (n, region) in regions.iter().enumerate() {
            let before = &regions[..n];
            if before.iter().any(|other| other.id == region.id) {
                return Err(format!("regions[{n}].id names a region twice"));
            }
            if before.iter().any(|other| other.zones.keys().any(|zone| region.zones.contains_key(zone))) {
                return Err(format!("regions[{n}].zones names a zone of another region"));
            }
        }
        Ok(Self {
            access_key_id: fields.text("access_key_id")?,
            access_key_secret: ApiKey::new(fields.text("access_key_secret")?),
            regions,
            url: None,
        })
    }

    /// The region of a zone, and the VSwitch there.
    pub(super) fn place(&self, zone: &str) -> Option<(&Region, &str)> {
        self.regions.iter().find_map(|region| Some((region, region.zones.get(zone)?.as_str())))
    }
}

impl Region {
    fn read(value: &Value, path: &str) -> Result<Self, String> {
        let fields = Fields::of(value, path)?;
        fields.know(&[
            "id",
            "zones",
            "security_group_id",
            "image_id",
            "instance_types",
            "internet_mbps",
            "disk_category",
        ])?;
        let id = fields.text("id")?;
        // It becomes part of a host's name, and the signature goes there.
        if !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(format!("{path}.id is no region"));
        }
        let zones = fields.get("zones").ok_or_else(|| format!("{path}.zones is missing"))?;
        let below = format!("{path}.zones");
        let zones = Fields::of(zones, &below)?;
        let zones: BTreeMap<String, String> = zones
            .map
            .keys()
            .map(|zone| Ok((zone.clone(), zones.text(zone)?)))
            .collect::<Result<_, String>>()?;
        if zones.is_empty() {
            return Err(format!("{path}.zones is empty"));
        }
        let types = match fields.get("instance_types") {
            None => Vec::new(),
            Some(_) => fields.list("instance_types")?.clone(),
        };
        let types = types.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let mbps = match fields.get("internet_mbps") {
            None => Some(100),
            Some(value) => value.as_u64().filter(|mbps| *mbps <= 100),
        };
        Ok(Self {
            id,
            zones,
            security_group_id: fields.text("security_group_id")?,
            image_id: fields.text("image_id")?,
            instance_types: types.ok_or_else(|| format!("{path}.instance_types is not a list of texts"))?,
            internet_mbps: mbps
                .and_then(|mbps| u32::try_from(mbps).ok())
                .ok_or_else(|| format!("{path}.internet_mbps is not a number from 0 to 100"))?,
            disk_category: match fields.get("disk_category") {
                None => "cloud_essd".to_owned(),
                Some(_) => fields.text("disk_category")?,
            },
        })
    }
}

/// An object with the path that leads to it.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, path: &'a str) -> Result<Self, String> {
        let map = value
            .as_object()
            .ok_or_else(|| format!("{} is not an object", if path.is_empty() { "it" } else { path }))?;
        Ok(Self { map, path })
    }

    fn named(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn know(&self, known: &[&str]) -> Result<(), String> {
        match self.map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("{} is not a known field", self.named(name))),
            None => Ok(()),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let value = self.get(name).ok_or_else(|| format!("{} is missing", self.named(name)))?;
        let text =
            value.as_str().map(str::trim).ok_or_else(|| format!("{} is not a text", self.named(name)))?;
        if text.is_empty() { Err(format!("{} is empty", self.named(name))) } else { Ok(text.to_owned()) }
    }

    fn list(&self, name: &str) -> Result<&'a Vec<Value>, String> {
        let value = self.get(name).ok_or_else(|| format!("{} is missing", self.named(name)))?;
        value.as_array().ok_or_else(|| format!("{} is not a list", self.named(name)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn right() -> Value {
        json!({
            "access_key_id": "LTAIfake", "access_key_secret": "not-a-real-secret",
            "regions": [{
                "id": "cn-hangzhou", "zones": {"cn-hangzhou-i": "vsw-1"}, "security_group_id": "sg-1", "image_id": "m-1",
            }],
        })
    }

    #[test]
    fn what_is_not_said_has_its_usual_value() {
        let settings = Settings::parse(&right().to_string()).unwrap();
        let [region] = &settings.regions[..] else { panic!("one region") };
        assert_eq!((region.internet_mbps, region.disk_category.as_str()), (100, "cloud_essd"));
        assert_eq!(region.instance_types, [""; 0]);
        assert_eq!(settings.place("cn-hangzhou-i"), Some((region, "vsw-1")));
        assert_eq!(settings.place("cn-hangzhou-h"), None);
        assert!(!format!("{settings:?}").contains("not-a-real-secret"));
    }

    #[test]
    fn a_mistake_is_told_by_its_field_and_not_by_its_value() {
        let region = |name: &str, value: Value| {
            let mut all = right();
            all["regions"][0][name] = value;
            all
        };
        let mut twice = right();
        twice["regions"] = json!([right()["regions"][0], right()["regions"][0]]);
        let mut zone = right();
        zone["regions"] = json!([right()["regions"][0], right()["regions"][0]]);
        zone["regions"][1]["id"] = json!("cn-other");
        let top = |name: &str, value: Value| {
            let mut all = right();
            all[name] = value;
            all
        };
        for (value, told) in [
            (json!("not-a-real-secret"), "it is not an object"),
            (top("access_key_id", json!(null)), "access_key_id is missing"),
            (top("access_key_secret", json!(["not-a-real-secret"])), "access_key_secret is not a text"),
            (top("access_key_secret", json!(" ")), "access_key_secret is empty"),
            (top("regions", json!([])), "regions is empty"),
            (top("regions", json!({})), "regions is not a list"),
            (top("region", json!([])), "region is not a known field"),
            (region("id", json!("cn/not-a-real-secret")), "regions[0].id is no region"),
            (region("zones", json!([])), "regions[0].zones is not an object"),
            (region("zones", json!({})), "regions[0].zones is empty"),
            (region("zones", json!({"cn-hangzhou-i": 1})), "regions[0].zones.cn-hangzhou-i is not a text"),
            (region("image_id", json!(null)), "regions[0].image_id is missing"),
            (region("vswitch", json!("vsw-1")), "regions[0].vswitch is not a known field"),
            (region("internet_mbps", json!(101)), "regions[0].internet_mbps is not a number from 0 to 100"),
            (region("instance_types", json!([1])), "regions[0].instance_types is not a list of texts"),
            (twice, "regions[1].id names a region twice"),
            (zone, "regions[1].zones names a zone of another region"),
        ] {
            assert_eq!(Settings::parse(&value.to_string()).unwrap_err(), told);
        }
        let cut = r#"{"access_key_secret": "not-a-real-secret", x"#;
        let told = Settings::parse(cut).unwrap_err();
        assert!(told.starts_with("it is not JSON (line 1,") && !told.contains("secret"), "{told}");
    }
}
