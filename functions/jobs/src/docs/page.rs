//! The OpenAPI document as one page that needs nothing else: no script, no font, no other host.
//!
//! Every text of the document goes through [`escape`] on its way into the page.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The page's style sheet. Its digest stands in the content security policy.
pub(super) const STYLE: &str = include_str!("page.css");

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page of an OpenAPI document.
pub(super) fn render(document: &Value) -> String {
    let mut page = Page { document, html: String::with_capacity(256 * 1024) };
    page.all();
    page.html
}

struct Page<'a> {
    document: &'a Value,
    html: String,
}

/// An operation with its place.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    says: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text(&self.says["operationId"])
    }
}

impl<'a> Page<'a> {
    fn add(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn all(&mut self) {
        let info = &self.document["info"];
        let title = escape(text(&info["title"]));
        self.add("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        self.add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        let _ = write!(self.html, "<title>{title} API</title><style>{STYLE}</style></head><body>");
        let _ = write!(
            self.html,
            "<header><h1>{title} API <small>{}</small></h1>{}<p><a href=\"/v1/openapi.json\">openapi.json</a> is this page for \
             programs. Send <code>Authorization: Bearer …</code> with an access token or an API key.</p></header>",
            escape(text(&info["version"])),
            prose(text(&info["description"])),
        );
        let tags = self.tags();
        self.add("<nav><h2>Operations</h2>");
        for (tag, _) in &tags {
            let _ = write!(self.html, "<h3>{}</h3><ul>", escape(tag));
            for operation in self.operations(tag) {
                let _ = write!(
                    self.html,
                    "<li><a href=\"#{}\"><b>{}</b> {}</a></li>",
                    escape(operation.id()),
                    escape(&operation.method.to_uppercase()),
                    escape(operation.path),
                );
            }
            self.add("</ul>");
        }
        self.add("</nav><main>");
        for (tag, description) in &tags {
            let _ = write!(self.html, "<section><h2>{}</h2>{}", escape(tag), prose(description));
            for operation in self.operations(tag) {
                self.operation(&operation);
            }
            self.add("</section>");
        }
        self.schemas();
        self.add("</main></body></html>\n");
    }

    /// The tags in the order of the document, with what they are about.
    fn tags(&self) -> Vec<(&'a str, &'a str)> {
        let listed = self.document["tags"].as_array().into_iter().flatten();
        let mut tags: Vec<(&str, &str)> =
            listed.map(|tag| (text(&tag["name"]), text(&tag["description"]))).collect();
        for (_, item) in entries(&self.document["paths"]) {
            for operation in METHODS.iter().filter_map(|method| item.get(method)) {
                let tag = text(&operation["tags"][0]);
                if !tags.iter().any(|(known, _)| *known == tag) {
                    tags.push((tag, ""));
                }
            }
        }
        tags
    }

    fn operations(&self, tag: &str) -> Vec<Operation<'a>> {
        let mut found = Vec::new();
        for (path, item) in entries(&self.document["paths"]) {
            for method in METHODS {
                if let Some(says) = item.get(method)
                    && text(&says["tags"][0]) == tag
                {
                    found.push(Operation { method, path, says });
                }
            }
        }
        found
    }

    fn operation(&mut self, operation: &Operation<'a>) {
        let says = operation.says;
        let _ = write!(
            self.html,
            "<details id=\"{}\" open><summary><b class=\"{}\">{}</b> <code>{}</code> {}</summary>{}",
            escape(operation.id()),
            operation.method,
            escape(&operation.method.to_uppercase()),
            escape(operation.path),
            escape(text(&says["summary"])),
            prose(text(&says["description"])),
        );
        let parameters = says["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        if !parameters.is_empty() {
            self.add("<h4>Parameters</h4><table>");
            for parameter in parameters {
                let required = if parameter["required"] == true { " <i>required</i>" } else { "" };
                let _ = write!(
                    self.html,
                    "<tr><td><code>{}</code>{required}<br><small>{}</small></td><td>{}</td><td>{}{}</td></tr>",
                    escape(text(&parameter["name"])),
                    escape(text(&parameter["in"])),
                    kind(&parameter["schema"]),
                    inline(text(&parameter["description"])),
                    bounds(&parameter["schema"]),
                );
            }
            self.add("</table>");
        }
        for (media, content) in entries(&says["requestBody"]["content"]) {
            let _ = write!(
                self.html,
                "<h4>Body</h4><p><code>{}</code> {}</p>",
                escape(media),
                kind(&content["schema"])
            );
            self.example(content);
        }
        self.add("<h4>Answers</h4><table>");
        for (status, response) in entries(&says["responses"]) {
            let bodies: Vec<String> =
                entries(&response["content"]).map(|(_, content)| kind(&content["schema"])).collect();
            let _ = write!(
                self.html,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(status),
                bodies.join(" or "),
                inline(text(&response["description"])),
            );
        }
        self.add("</table></details>");
    }

    /// The example of a body, its own or its schema's.
    fn example(&mut self, content: &Value) {
        let own = content.get("example");
        let name = text(&content["schema"]["$ref"]).rsplit('/').next().unwrap_or_default();
        let schema = self.document["components"]["schemas"][name].get("example");
        if let Some(example) = own.or(schema) {
            let _ = write!(self.html, "<pre>{}</pre>", escape(&format!("{example:#}")));
        }
    }

    fn schemas(&mut self) {
        self.add("<section><h2>Types</h2>");
        for (name, schema) in entries(&self.document["components"]["schemas"]) {
            let _ = write!(
                self.html,
                "<details id=\"type-{0}\" open><summary><code>{0}</code></summary>{1}",
                escape(name),
                prose(text(&schema["description"])),
            );
            self.schema(schema);
            if let Some(example) = schema.get("example") {
                let _ = write!(self.html, "<pre>{}</pre>", escape(&format!("{example:#}")));
            }
            self.add("</details>");
        }
        self.add("</section>");
    }

    fn schema(&mut self, schema: &Value) {
        for part in ["allOf", "oneOf", "anyOf"] {
            let parts = schema[part].as_array().map_or(&[][..], Vec::as_slice);
            if !parts.is_empty() {
                let word = if part == "allOf" { "All of" } else { "One of" };
                let _ = write!(self.html, "<p>{word}:</p><ul>");
                for part in parts {
                    let _ = write!(self.html, "<li>{}", prose(text(&part["description"])));
                    self.schema(part);
                    self.add("</li>");
                }
                self.add("</ul>");
            }
        }
        let properties = schema["properties"].as_object();
        if let Some(properties) = properties {
            let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
            self.add("<table>");
            for (name, property) in properties {
                let mark =
                    if required.iter().any(|r| r == name.as_str()) { "" } else { "<small>optional</small>" };
                let _ = write!(
                    self.html,
                    "<tr><td><code>{}</code> {mark}</td><td>{}</td><td>{}{}</td></tr>",
                    escape(name),
                    kind(property),
                    inline(text(&property["description"])),
                    bounds(property),
                );
            }
            self.add("</table>");
        } else if schema.get("oneOf").or(schema.get("allOf")).or(schema.get("anyOf")).is_none() {
            let _ = write!(self.html, "<p>{}</p>", kind(schema));
        }
    }
}

/// What kind of value a schema means, with a link where it has a name.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = escape(target.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    for (part, joint) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " &amp; ")] {
        if let Some(parts) = schema[part].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(joint);
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> =
            words.iter().map(|word| format!("<code>{}</code>", escape(&word.to_string()))).collect();
        return words.join(" | ");
    }
    let one = |word: &str| match word {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", kind(&schema["additionalProperties"]))
        }
        word => match schema["format"].as_str() {
            Some(format) if word != "null" => format!("{} <small>{}</small>", escape(word), escape(format)),
            _ => escape(word),
        },
    };
    match &schema["type"] {
        Value::String(word) => one(word),
        Value::Array(words) => {
            words.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" | ")
        }
        _ => "any JSON".into(),
    }
}

/// Bounds and defaults of a schema, in words.
fn bounds(schema: &Value) -> String {
    let words = [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "entries at least"),
        ("maxItems", "entries at most"),
        ("default", "default"),
    ];
    let known: Vec<String> = words
        .iter()
        .filter_map(|(name, word)| {
            schema.get(name).map(|value| format!("{word} {}", escape(&value.to_string())))
        })
        .collect();
    if known.is_empty() { String::new() } else { format!(" <small>{}</small>", known.join(", ")) }
}

/// Paragraphs.
fn prose(text: &str) -> String {
    text.split("\n\n").filter(|part| !part.trim().is_empty()).fold(String::new(), |mut html, part| {
        let _ = write!(html, "<p>{}</p>", inline(part));
        html
    })
}

/// A text in which what stands between two backticks is code.
fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let part = escape(part);
        let _ = if at % 2 == 1 { write!(html, "<code>{part}</code>") } else { write!(html, "{part}") };
    }
    html
}

/// A text that means nothing to a browser, in an element and in a quoted attribute alike.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operation_and_every_type_is_on_the_page() {
        let document = serde_json::to_value(contract::openapi()).unwrap();
        let page = render(&document);
        for (path, item) in entries(&document["paths"]) {
            for operation in METHODS.iter().filter_map(|method| item.get(method)) {
                let id = text(&operation["operationId"]);
                assert!(page.contains(&format!("<details id=\"{id}\"")), "{path} {id}");
            }
        }
        for (name, _) in entries(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"type-{name}\"")), "{name}");
        }
    }

    #[test]
    fn every_link_leads_somewhere() {
        let page = render(&serde_json::to_value(contract::openapi()).unwrap());
        let targets: Vec<&str> =
            page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(targets.len() > 40, "{}", targets.len());
        for target in targets {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn no_text_of_the_document_is_markup() {
        let evil = "<script>alert('1')</script>\" onload=\"x";
        let document = json!({
            "info": {"title": evil, "version": evil, "description": evil},
            "tags": [{"name": evil, "description": evil}],
            "paths": {evil: {"get": {
                "operationId": evil, "summary": evil, "description": evil, "tags": [evil],
                "parameters": [{"name": evil, "in": evil, "description": evil, "schema": {"type": evil, "format": evil, "default": evil}}],
                "requestBody": {"content": {evil: {"schema": {"$ref": evil}, "example": evil}}},
                "responses": {evil: {"description": evil, "content": {evil: {"schema": {"enum": [evil]}}}}},
            }}},
            "components": {"schemas": {evil: {"description": evil, "example": evil, "properties": {evil: {"type": evil}}}}},
        });
        let page = render(&document);
        assert!(!page.contains("<script") && !page.contains("\" onload=\""));
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let page = render(&serde_json::to_value(contract::openapi()).unwrap());
        for word in ["<script", "<link", "<img", "@import", "url(", "src=", "style="] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
