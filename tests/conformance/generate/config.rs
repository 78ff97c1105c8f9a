//! The global config of a random state.

use serde_json::{Map, Value, json};

use super::{KEY, Maker, TOKEN};

impl Maker {
    pub(super) fn config(&mut self, dir: &str, path: &str) {
        let config = self.one_config();
        let whole = Value::Object(config.clone());
        if self.rng.chance(20) {
            let (legacy, other) = if self.odd() {
                // Of 0 bytes it stops some clients, and others pass it over.
                (json!(""), whole)
            } else {
                // It takes the place of the other, in which nothing may then be known.
                let other = whole
                    .to_string()
                    .replace("sk-ant-api03-", "sk-ant-unread-")
                    .replace("tok-", "tok-unread-");
                (whole, json!(other))
            };
            self.claude_file(dir, ".config.json", legacy);
            self.state.home.insert(path.into(), other);
        } else if self.odd() {
            match *self.rng.pick(&["text", "text", "link", "link", "bad", "empty", "none"]) {
                "link" => {
                    self.state.home.insert("dotfiles/claude.json".into(), whole);
                    self.state.links.insert(path.into(), "$HOME/dotfiles/claude.json".into());
                }
                "bad" => {
                    let bad = ["{", "[]", "null", "{} x", "{\"a\": 1,}", "// c\n{}", "5"];
                    let bad = *self.rng.pick(&bad);
                    self.state.home.insert(path.into(), json!(bad));
                }
                "empty" => _ = self.state.home.insert(path.into(), json!("")),
                "none" => _ = self.state.links.insert(path.into(), "$HOME/nowhere".into()),
                _ => {
                    let text = self.odd_text(&config);
                    self.state.home.insert(path.into(), text);
                }
            }
        } else {
            self.state.home.insert(path.into(), whole);
        }
    }

    fn one_config(&mut self) -> Map<String, Value> {
        let trusted = self.rng.chance(80);
        let project = json!({"hasTrustDialogAccepted": trusted, "hasCompletedProjectOnboarding": true, "allowedTools": []});
        let mut config = Map::new();
        let onboarded = if self.rng.chance(self.odd / 4) {
            self.rng.pick(&[json!(false), json!(0), Value::Null]).clone()
        } else {
            json!(true)
        };
        config.insert("hasCompletedOnboarding".into(), onboarded);
        config.insert("lastOnboardingVersion".into(), json!("0.2.107"));
        config.insert("theme".into(), json!("dark"));
        config.insert("projects".into(), json!({ "$PROJECT": project }));
        if self.rng.chance(55) {
            let key = self.credential("key", "config.primaryApiKey");
            let value = if self.odd() {
                let odd = [
                    json!(""),
                    Value::Null,
                    json!("  "),
                    json!(0),
                    json!(format!(" {key}\n")),
                    json!(format!("\t{key}\u{a0}")),
                ];
                self.rng.pick(&odd).clone()
            } else {
                json!(key)
            };
            config.insert("primaryApiKey".into(), value);
        }
        if self.rng.chance(12) {
            let name = *self.rng.pick(&[KEY, TOKEN]);
            let value = self.member(name, &format!("config.env.{name}"));
            let env = if self.odd() {
                self.rng.pick(&[Value::Null, json!(5), json!([])]).clone()
            } else {
                json!({ name: value })
            };
            config.insert("env".into(), env);
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
            match *self.rng.pick(&["approved", "approved", "rejected", "neither", "both", "whole"])
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
                    json!(5),
                    json!("x"),
                    json!({ "approved": approved.join(" "), "rejected": rejected }),
                    json!({ "approved": Value::Null, "rejected": rejected }),
                    json!({ "approved": {}, "rejected": rejected }),
                ])
                .clone();
        }
        json!({ "approved": approved, "rejected": rejected })
    }
}
