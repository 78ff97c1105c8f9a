//! The values of a random state: credentials, and what else stands in their place.

use serde_json::{Value, json};

use super::{HEADERS, KEY, Maker, OAUTH};

impl Maker {
    /// A credential that says where it is.
    pub(super) fn credential(&mut self, name: &str, id: &str) -> String {
        let tag: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let value = match name {
            KEY | "key" => format!("sk-ant-api03-{tag}-{:x>40}", self.ids.len()),
            OAUTH => format!("sk-ant-oat01-{tag}"),
            _ => format!("tok-{tag}"),
        };
        self.ids.insert(value.clone(), id.to_owned());
        value
    }

    /// A value for a variable: mostly a credential, sometimes empty, sometimes odd.
    pub(super) fn variable(&mut self, name: &str, id: &str) -> Value {
        if self.rng.chance(15) {
            return json!("");
        }
        if name == HEADERS {
            return json!(self.headers(id));
        }
        let mut value = self.credential(name, id);
        if name == KEY {
            self.keys.push(value.clone());
        }
        if self.odd() {
            value = match *self.rng.pick(&["before", "after", "tab", "nbsp", "blank", "line"]) {
                "before" => format!(" {value}"),
                "after" => format!("{value} "),
                "tab" => format!("\t{value}\r\n"),
                "nbsp" => format!("\u{a0}{value}\u{feff}"),
                "line" => format!("{value}\nx"),
                _ => "  ".into(),
            };
        }
        json!(value)
    }

    /// A value for a variable of an `env` block, where JSON has other types than text.
    pub(super) fn member(&mut self, name: &str, id: &str) -> Value {
        if name != HEADERS && self.rng.chance(self.odd / 2) {
            let number = 1000 + self.ids.len();
            let (value, text) = self
                .rng
                .pick(&[
                    (json!(number), number.to_string()),
                    (json!([format!("x{number}")]), format!("x{number}")),
                    (json!(null), "null".to_owned()),
                    (json!(true), "true".to_owned()),
                    (json!([]), String::new()),
                    (json!({}), "[object Object]".to_owned()),
                ])
                .clone();
            // A text that two sources have would not tell which of them it is from.
            if !self.ids.contains_key(&text) {
                if !text.is_empty() {
                    self.ids.insert(text.clone(), id.to_owned());
                }
                if name == KEY {
                    self.keys.push(text);
                }
                return value;
            }
        }
        self.variable(name, id)
    }

    /// A text of ANTHROPIC_CUSTOM_HEADERS.
    fn headers(&mut self, id: &str) -> String {
        let key = self.credential("key", id);
        let mut lines = vec![
            format!("x-api-key: {key}"),
            format!("X-Team: a\nX-API-Key:{key}\r\nX-More: b"),
            "X-Team: a".into(),
            format!("Authorization: Bearer {key}"),
            format!("no colon\nx-api-key: other\nx-api-key: {key}"),
        ];
        if self.odd() {
            lines = vec![
                "x-api-key:".into(),
                "Authorization:".into(),
                format!("authorization: {key}\nAUTHORIZATION: {key}"),
                format!("\t x-api-key :\t{key} \n\n"),
                format!("x-api-key: {key}\nx-api-key:"),
                format!("x-api-key: {key}\nAuthorization: Bearer {key}"),
                format!(": x\nx-api-key: {key}"),
                format!("x y: z\nx-api-key: {key}"),
                format!("{{\"x-api-key\": \"{key}\"}}"),
                format!("X-Team: a, x-api-key: {key}"),
                format!("X-Team: a\\nx-api-key: {key}"),
                format!("x-api-key: {key}\rX-More: b"),
                ":".into(),
                "X-Team: \u{4e2d}".into(),
                "X-Team: a\u{1}b".into(),
                "X-Team:".into(),
                " ".into(),
            ];
        }
        self.rng.pick(&lines).clone()
    }

    /// The text of an object, with a member laid twice, with a byte order mark, or both.
    pub(super) fn odd_text(&mut self, object: &serde_json::Map<String, Value>) -> Value {
        // The client takes the last: what is in the first is known to none.
        let decoys = [
            ("env", r#"{"ANTHROPIC_AUTH_TOKEN":"tok-UNREAD"}"#),
            ("apiKeyHelper", r#""echo UNREAD""#),
            ("primaryApiKey", r#""sk-ant-api03-UNREAD""#),
            ("hasCompletedOnboarding", "false"),
        ];
        let mut text = Value::Object(object.clone()).to_string();
        if self.rng.chance(60) {
            for (name, decoy) in decoys {
                if object.contains_key(name) {
                    text = format!("{{\"{name}\":{decoy},{}", &text[1..]);
                }
            }
        }
        if self.rng.chance(60) {
            text.insert(0, '\u{feff}');
        }
        json!(text)
    }
}
