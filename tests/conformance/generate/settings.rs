//! The settings files of a random state.

use serde_json::{Map, Value, json};

use super::{HEADERS, KEY, Maker, OAUTH, TOKEN};

/// The ends of commands that print a key.
const HELPERS: [&str; 11] = [
    "echo {}",
    "echo {}",
    "echo {}",
    "printf ' %s\\n' {}",
    "echo noise >&2; echo {}",
    "echo {}; exit 3",
    "echo {}; echo more",
    "exit 3",
    "true",
    "",
    "  ",
];

impl Maker {
    /// Lays a file of the claude directory: the directory the client starts in, where CLAUDE_CONFIG_DIR is empty.
    pub(super) fn claude_file(&mut self, dir: &str, name: &str, content: Value) {
        let named = self.state.env.get("CLAUDE_CONFIG_DIR");
        if named.is_some_and(String::is_empty) {
            let path = self.below(name);
            self.state.project.insert(path, content);
        } else {
            self.state.home.insert(format!("{dir}/{name}"), content);
        }
    }

    /// A path of the directory the client starts in, below the project.
    fn below(&self, name: &str) -> String {
        match &*self.state.below {
            "" => name.into(),
            below => format!("{below}/{name}"),
        }
    }

    /// The settings of every layer.
    pub(super) fn settings(&mut self, dir: &str) {
        if self.rng.chance(30) {
            let settings = self.layer("user");
            self.claude_file(dir, "settings.json", settings);
        }
        for (layer, file) in [("project", "settings.json"), ("local", "settings.local.json")] {
            if self.rng.chance(30) {
                let settings = self.layer(layer);
                let path = self.below(&format!(".claude/{file}"));
                self.state.project.insert(path, settings);
            }
            if !self.state.below.is_empty() && self.rng.chance(40) {
                // The root's file, of the same layer: where both are read, one takes the place of the other. Of the
                // project's only the one in the directory is read.
                let mut settings = self.layer(layer);
                if layer == "project" {
                    let text =
                        settings.as_str().map_or_else(|| settings.to_string(), str::to_owned);
                    settings =
                        json!(text.replace("sk-ant-", "sk-unread-").replace("tok-", "tok-unread-"));
                }
                self.state.project.insert(format!(".claude/{file}"), settings);
            }
        }
        if self.rng.chance(20) {
            self.state.managed = Some(self.managed());
        }
        if self.rng.chance(self.odd / 2) {
            // A drop-in's values take the place of the main file's, whose ids are the same.
            let dropin = self.managed();
            let names = ["10-team.json", "10-team.json", ".hidden.json", "20.conf", "30.JSON"];
            let name = *self.rng.pick(&names);
            self.state.etc.insert(format!("managed-settings.d/{name}"), dropin);
        }
    }

    /// Managed settings: seldom malformed, for then newer clients do not start.
    fn managed(&mut self) -> Value {
        let odd = std::mem::replace(&mut self.odd, 0);
        let mut settings = self.layer("managed");
        self.odd = odd;
        if !self.rng.chance(self.odd) {
            return settings;
        }
        match *self.rng.pick(&["member", "member", "member", "text", "whole"]) {
            "member" => {
                let odd = [
                    ("apiKeyHelper", json!(5)),
                    ("apiKeyHelper", Value::Null),
                    ("apiKeyHelper", json!("")),
                    ("env", Value::Null),
                    ("env", json!([])),
                    ("permissions", json!(5)),
                    ("model", json!(5)),
                ];
                let (name, value) = self.rng.pick(&odd).clone();
                settings[name] = value;
                settings
            }
            "text" => self.odd_text(settings.as_object().unwrap_or(&Map::new())),
            _ => self.rng.pick(&[json!("{"), json!([]), json!("")]).clone(),
        }
    }

    pub(super) fn layer(&mut self, layer: &str) -> Value {
        let prefix = match layer {
            "remote" | "policy" => layer.to_owned(),
            _ => format!("settings.{layer}"),
        };
        let mut settings = Map::new();
        if self.rng.chance(60) {
            let mut env = Map::new();
            for name in [KEY, TOKEN, OAUTH] {
                if self.rng.chance(35) {
                    let value = self.member(name, &format!("{prefix}.env.{name}"));
                    env.insert(name.into(), value);
                }
            }
            if self.odd() {
                let value = self.variable(HEADERS, &format!("{prefix}.env.{HEADERS}"));
                env.insert(HEADERS.into(), value);
            }
            if self.odd() {
                let names = [
                    "CLAUDE_CODE_SIMPLE",
                    "CLAUDE_CODE_USE_GATEWAY",
                    "CLAUDE_CODE_USE_BEDROCK",
                    "ANTHROPIC_PROFILE",
                    "ANTHROPIC_ORGANIZATION_ID",
                    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
                ];
                let name = *self.rng.pick(&names);
                let values = [json!("1"), json!("0"), json!(""), json!(true), json!(1)];
                let value = if name == "CLAUDE_CODE_USE_BEDROCK" {
                    json!("0")
                } else {
                    self.rng.pick(&values).clone()
                };
                env.insert(name.into(), value);
            }
            settings.insert("env".into(), env.into());
        }
        if self.rng.chance(45) {
            let key = self.credential("key", &format!("{prefix}.apiKeyHelper"));
            // A helper that is odd is seen in few states: it hides all else.
            let all = if self.odd > 0 { HELPERS.len() } else { 5 };
            let helper = self.rng.pick(&HELPERS[..all]).replace("{}", &key);
            settings.insert("apiKeyHelper".into(), json!(helper));
        }
        if self.odd() {
            return self.odd_settings(&settings);
        }
        settings.into()
    }

    /// A settings file that is read in another way, or not at all.
    fn odd_settings(&mut self, settings: &Map<String, Value>) -> Value {
        let with = |name: &str, value: Value| {
            let mut settings = settings.clone();
            settings.insert(name.into(), value);
            Value::Object(settings)
        };
        let choices = [
            json!("{"),
            json!(""),
            json!([]),
            json!(format!("// a comment\n{}", Value::Object(settings.clone()))),
            with("permissions", json!(5)),
            with("permissions", json!({"allow": [5]})),
            with("permissions", json!({"defaultMode": "auto"})),
            with("env", Value::Null),
            with("apiKeyHelper", json!(5)),
            with("hooks", json!(5)),
            with("hooks", json!({"Nonsense": []})),
            with("verbose", json!("yes")),
            with("availableModels", json!(5)),
            with("somethingNew", json!(5)),
            with("extraKnownMarketplaces", json!(5)),
            with("forceLoginMethod", json!("x")),
            Value::Null,
        ];
        let choice = self.rng.pick(&choices).clone();
        if choice.is_null() || self.rng.chance(30) {
            return self.odd_text(settings);
        }
        choice
    }
}
