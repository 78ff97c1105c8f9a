//! The files of a random state: settings, login, config.

use serde_json::{Map, Value, json};

use super::{HEADERS, KEY, Maker, OAUTH, TOKEN};

impl Maker {
    /// Lays a file of the claude directory: the project itself, where CLAUDE_CONFIG_DIR is empty.
    fn claude_file(&mut self, dir: &str, name: &str, content: Value) {
        if self
            .state
            .env
            .get("CLAUDE_CONFIG_DIR")
            .is_some_and(String::is_empty)
        {
            self.state.project.insert(name.into(), content);
        } else {
            self.state.home.insert(format!("{dir}/{name}"), content);
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
                self.state.project.insert(format!(".claude/{file}"), settings);
            }
        }
        if self.rng.chance(20) {
            self.state.managed = Some(self.managed());
        }
        if self.rng.chance(self.odd / 2) {
            // A drop-in's values take the place of the main file's, whose ids are the same.
            let dropin = self.managed();
            let name = *self.rng.pick(&["10-team.json", ".hidden.json", "20.conf"]);
            if name == "10-team.json" {
                self.state
                    .etc
                    .insert(format!("managed-settings.d/{name}"), dropin);
            } else {
                // The client does not read it, so what is in it must be no known credential.
                let text = dropin.to_string().replace("managed", "UNREAD");
                self.state
                    .etc
                    .insert(format!("managed-settings.d/{name}"), json!(text));
            }
        }
    }

    /// Managed settings: never malformed, for then 2.1.330 does not start.
    fn managed(&mut self) -> Value {
        let odd = std::mem::replace(&mut self.odd, 0);
        let settings = self.layer("managed");
        self.odd = odd;
        settings
    }

    fn layer(&mut self, layer: &str) -> Value {
        let mut settings = Map::new();
        if self.rng.chance(60) {
            let mut env = Map::new();
            for name in [KEY, TOKEN, OAUTH] {
                if self.rng.chance(35) {
                    env.insert(
                        name.into(),
                        self.variable(name, &format!("settings.{layer}.env.{name}")),
                    );
                }
            }
            if self.odd() {
                env.insert(
                    HEADERS.into(),
                    self.variable(HEADERS, &format!("settings.{layer}.env.{HEADERS}")),
                );
            }
            if self.odd() {
                let name = *self.rng.pick(&["CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_USE_GATEWAY"]);
                env.insert(name.into(), json!(*self.rng.pick(&["1", "0", ""])));
            }
            settings.insert("env".into(), env.into());
        }
        if self.rng.chance(45) {
            settings.insert("apiKeyHelper".into(), self.helper(layer));
        }
        if self.odd() {
            let broken = [
                json!("{"),
                json!(""),
                json!([]),
                json!({"permissions": 5, "env": settings.get("env").cloned().unwrap_or(json!({}))}),
                json!({"env": null, "apiKeyHelper": "echo unread"}),
                json!({"apiKeyHelper": 5, "env": settings.get("env").cloned().unwrap_or(json!({}))}),
                json!(format!("\u{feff}{}", Value::Object(settings.clone()))),
            ];
            return self.rng.pick(&broken).clone();
        }
        settings.into()
    }

    fn helper(&mut self, layer: &str) -> Value {
        let key = self.credential("key", &format!("settings.{layer}.apiKeyHelper"));
        let commands = [
            format!("echo {key}"),
            format!("echo {key}"),
            format!("printf ' %s\\n' {key}"),
            format!("echo noise >&2; echo {key}"),
            "exit 3".into(),
            String::new(),
        ];
        json!(self.rng.pick(&commands))
    }

    pub(super) fn login(&mut self, dir: &str) {
        if !self.rng.chance(45) {
            return;
        }
        let token = self.credential(OAUTH, "credentials.claudeAiOauth");
        let mut login = json!({
            "accessToken": token, "refreshToken": "sk-ant-ort01-R", "expiresAt": 4_102_444_800_000_u64,
            "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
        });
        if self.odd() {
            let (name, value) = self
                .rng
                .pick(&[
                    ("expiresAt", json!(1000)),
                    ("scopes", json!(["user:profile"])),
                    ("scopes", json!([])),
                    ("scopes", json!("user:inference user:profile")),
                    ("scopes", Value::Null),
                    ("refreshToken", Value::Null),
                    ("accessToken", json!("")),
                    ("accessToken", Value::Null),
                    ("subscriptionType", Value::Null),
                ])
                .clone();
            login[name] = value;
        }
        let whole = json!({ "claudeAiOauth": login });
        let text = if self.odd() {
            self.rng
                .pick(&[
                    json!("{"),
                    json!(""),
                    json!({}),
                    json!(format!("\u{feff}{whole}")),
                ])
                .clone()
        } else {
            whole
        };
        self.claude_file(dir, ".credentials.json", text);
    }

    pub(super) fn config(&mut self, dir: &str, path: &str) {
        let config = self.one_config();
        if self.rng.chance(20) {
            // The legacy config takes the place of the other, in which nothing may then be known.
            let other = Value::Object(config.clone())
                .to_string()
                .replace("sk-ant-api03-", "sk-ant-unread-");
            self.state.home.insert(path.into(), json!(other));
            self.claude_file(dir, ".config.json", config.into());
        } else if self.odd() {
            self.state
                .home
                .insert(path.into(), json!(format!("\u{feff}{}", Value::Object(config))));
        } else {
            self.state.home.insert(path.into(), config.into());
        }
    }

    fn one_config(&mut self) -> Map<String, Value> {
        let trusted = self.rng.chance(80);
        let project = json!({"hasTrustDialogAccepted": trusted, "hasCompletedProjectOnboarding": true, "allowedTools": []});
        let mut config = Map::new();
        config.insert("hasCompletedOnboarding".into(), json!(true));
        config.insert("lastOnboardingVersion".into(), json!("0.2.107"));
        config.insert("theme".into(), json!("dark"));
        config.insert("projects".into(), json!({ "$PROJECT": project }));
        if self.rng.chance(55) {
            let key = self.credential("key", "config.primaryApiKey");
            let value = if self.odd() {
                let odd = [json!(""), Value::Null, json!(format!(" {key}\n"))];
                self.rng.pick(&odd).clone()
            } else {
                json!(key)
            };
            config.insert("primaryApiKey".into(), value);
        }
        if self.rng.chance(12) {
            let name = *self.rng.pick(&[KEY, TOKEN]);
            let value = self.variable(name, &format!("config.env.{name}"));
            config.insert("env".into(), json!({ name: value }));
        }
        let lists = self.approvals();
        if !lists.is_null() {
            config.insert("customApiKeyResponses".into(), lists);
        }
        config
    }

    /// For each key: approved, rejected, in neither list or in both.
    fn approvals(&mut self) -> Value {
        if self.rng.chance(15) {
            return Value::Null;
        }
        let (mut approved, mut rejected) = (Vec::new(), Vec::new());
        for key in self.keys.clone() {
            let tail = &key[key.len().saturating_sub(20)..];
            match *self
                .rng
                .pick(&["approved", "approved", "rejected", "neither", "both", "whole"])
            {
                "approved" => approved.push(tail.to_owned()),
                "rejected" => rejected.push(tail.to_owned()),
                "both" => {
                    approved.push(tail.to_owned());
                    rejected.push(tail.to_owned());
                }
                "whole" => approved.push(key.clone()),
                _ => {}
            }
        }
        if self.odd() {
            return self
                .rng
                .pick(&[
                    json!({}),
                    json!([]),
                    json!({ "approved": Value::Null, "rejected": rejected }),
                ])
                .clone();
        }
        json!({ "approved": approved, "rejected": rejected })
    }
}
