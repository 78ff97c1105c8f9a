//! What gives an OAuth token in a random state: workload identity, profiles of the Anthropic tools, the stored login.

use serde_json::{Value, json};

use super::{Maker, OAUTH, RULE};
use crate::support::standin::{EXCHANGED, REFRESHED};

impl Maker {
    /// Workload identity.
    pub(super) fn federation(&mut self) {
        if !self.rng.chance(self.odd / 2) {
            return;
        }
        for (name, value) in [
            (RULE, "fdrl_1"),
            ("ANTHROPIC_ORGANIZATION_ID", "00000000-0000-4000-8000-000000000001"),
        ] {
            if self.rng.chance(85) {
                let value = if self.rng.chance(10) { "" } else { value };
                self.set(name, value);
            }
        }
        match *self.rng.pick(&["text", "text", "file", "both", "missing", "empty", "none"]) {
            "text" => self.set("ANTHROPIC_IDENTITY_TOKEN", "eyJ.identity.token"),
            "file" => self.identity_file("$HOME/identity", "eyJ.identity.token\n"),
            "both" => {
                self.set("ANTHROPIC_IDENTITY_TOKEN", "eyJ.identity.token");
                self.identity_file("$HOME/identity", "eyJ.identity.token\n");
            }
            "missing" => self.set("ANTHROPIC_IDENTITY_TOKEN_FILE", "$HOME/no-identity"),
            "empty" => self.set("ANTHROPIC_IDENTITY_TOKEN", ""),
            _ => {}
        }
        self.ids.insert(EXCHANGED.into(), format!("env.{RULE}"));
    }

    fn identity_file(&mut self, path: &str, text: &str) {
        self.set("ANTHROPIC_IDENTITY_TOKEN_FILE", path);
        self.state.home.insert("identity".into(), json!(text));
    }

    /// Profiles of the Anthropic tools: named, or the default one.
    pub(super) fn profiles(&mut self) {
        if !self.rng.chance(self.odd / 2) {
            return;
        }
        let dir = self.profiles_dir();
        let (name, id) =
            match *self.rng.pick(&["named", "named", "nope", "default", "active", "empty"]) {
                "named" => ("work", "env.ANTHROPIC_PROFILE"),
                "nope" => {
                    self.set("ANTHROPIC_PROFILE", "nope");
                    return;
                }
                "active" => {
                    let active = format!("{dir}/active_config");
                    self.state.home.insert(active, json!("team\n"));
                    ("team", "profile.team")
                }
                "empty" => {
                    self.set("ANTHROPIC_PROFILE", "");
                    ("default", "profile.default")
                }
                _ => ("default", "profile.default"),
            };
        if name == "work" {
            self.set("ANTHROPIC_PROFILE", name);
        }
        let token = self.credential(OAUTH, id);
        let mut config =
            json!({"organization_id": "org", "authentication": {"type": "user_oauth"}});
        let mut secret = json!({"version": "1", "type": "oauth", "access_token": token, "expires_at": 4_102_444_800_u64});
        if self.odd() {
            match *self.rng.pick(&["type", "none", "expired", "malformed", "text"]) {
                "type" => config["authentication"]["type"] = json!("other"),
                "none" => secret = Value::Null,
                "expired" => secret["expires_at"] = json!(1000),
                "malformed" => config = json!("{"),
                _ => secret = json!("{"),
            }
        }
        self.state.home.insert(format!("{dir}/configs/{name}.json"), config);
        if !secret.is_null() {
            self.state.home.insert(format!("{dir}/credentials/{name}.json"), secret);
        }
    }

    /// Where profiles are, below HOME.
    fn profiles_dir(&mut self) -> &'static str {
        let choices = [
            ("", "", ".config/anthropic"),
            ("XDG_CONFIG_HOME", "$HOME/xdg", "xdg/anthropic"),
            ("ANTHROPIC_CONFIG_DIR", "$HOME/tools", "tools"),
            ("XDG_CONFIG_HOME", "", ".config/anthropic"),
            ("ANTHROPIC_CONFIG_DIR", "", ".config/anthropic"),
        ];
        let (name, value, dir) = *self.rng.pick(&choices);
        if !name.is_empty() {
            self.set(name, value);
        }
        dir
    }

    /// The stored login.
    pub(super) fn login(&mut self, dir: &str) {
        if !self.rng.chance(45) {
            return;
        }
        let token = self.credential(OAUTH, "credentials.claudeAiOauth");
        self.ids.insert(REFRESHED.into(), "credentials.claudeAiOauth".into());
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
                .pick(&[json!("{"), json!(""), json!({}), json!(format!("\u{feff}{whole}"))])
                .clone()
        } else {
            whole
        };
        self.claude_file(dir, ".credentials.json", text);
    }
}
