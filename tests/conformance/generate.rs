//! Random states: every place a credential can be in, and the odd values seen in such places. Each credential of a
//! state is unique, so that its source can be told from a header.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::rng::Rng;
use crate::support::standin::EXCHANGED;
use crate::support::world::State;

mod files;

/// A state, and where each of its credentials is.
pub struct Generated {
    /// The state.
    pub state: State,
    ids: BTreeMap<String, String>,
}

impl Generated {
    /// The source of a header's value, if it is a known credential.
    pub fn id(&self, header: &str) -> Option<String> {
        let value = header.strip_prefix("Bearer").map_or(header, str::trim);
        self.ids.get(value.trim()).cloned()
    }
}

/// State `index` of `seed`.
pub fn state(seed: u64, index: u64) -> Generated {
    let mut maker = Maker {
        rng: Rng::new(seed, index),
        state: State::default(),
        ids: BTreeMap::new(),
        keys: Vec::new(),
        // Most states are plain, so that precedence is tried as well as tolerance.
        odd: 0,
    };
    maker.odd = *maker.rng.pick(&[0, 0, 10, 25]);
    maker.make();
    Generated {
        state: maker.state,
        ids: maker.ids,
    }
}

const KEY: &str = "ANTHROPIC_API_KEY";
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
const OAUTH: &str = "CLAUDE_CODE_OAUTH_TOKEN";
const HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";
const RULE: &str = "ANTHROPIC_FEDERATION_RULE_ID";

struct Maker {
    rng: Rng,
    state: State,
    ids: BTreeMap<String, String>,
    /// The values of ANTHROPIC_API_KEY, for the approval lists.
    keys: Vec<String>,
    /// How often, in a hundred, a value is odd.
    odd: u64,
}

impl Maker {
    fn make(&mut self) {
        let (dir, config) = self.config_dir();
        for name in [KEY, TOKEN, OAUTH, HEADERS] {
            let percent = if name == HEADERS { self.odd } else { 40 };
            if self.rng.chance(percent) {
                let value = self.variable(name, &format!("env.{name}"));
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.state.env.insert(name.into(), text);
            }
        }
        self.switches();
        self.descriptors();
        self.settings(dir);
        self.federation();
        self.login(dir);
        // Last: the approval lists are about the keys laid above.
        self.config(dir, config);
    }

    fn odd(&mut self) -> bool {
        let odd = self.odd;
        self.rng.chance(odd)
    }

    /// A credential that says where it is.
    fn credential(&mut self, name: &str, id: &str) -> String {
        let tag: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let value = match name {
            KEY | "key" => format!("sk-ant-api03-{tag}-{:x>40}", self.ids.len()),
            OAUTH => format!("sk-ant-oat01-{tag}"),
            _ => format!("tok-{tag}"),
        };
        self.ids.insert(value.clone(), id.to_owned());
        value
    }

    /// CLAUDE_CONFIG_DIR; gives the claude directory and the global config's path below HOME.
    fn config_dir(&mut self) -> (&'static str, &'static str) {
        let choices = [
            ("", ".claude", ".claude.json"),
            ("$HOME/alt", "alt", "alt/.claude.json"),
        ];
        let (value, dir, config) = *self.rng.pick(&choices);
        if !value.is_empty() {
            let slash = if self.odd() { "/" } else { "" };
            self.state
                .env
                .insert("CLAUDE_CONFIG_DIR".into(), format!("{value}{slash}"));
        } else if self.odd() {
            let odd = *self.rng.pick(&["", "$HOME/missing/deep", "elsewhere"]);
            self.state.env.insert("CLAUDE_CONFIG_DIR".into(), odd.into());
        }
        (dir, config)
    }

    /// A value for a variable: mostly a credential, sometimes empty, sometimes odd.
    fn variable(&mut self, name: &str, id: &str) -> Value {
        if self.rng.chance(15) {
            return json!("");
        }
        if name == HEADERS {
            let key = self.credential("key", id);
            let lines = [
                format!("x-api-key: {key}"),
                format!("X-Team: a\nX-API-Key:{key}\r\nX-More: b"),
                "X-Team: a".into(),
                format!("Authorization: Bearer {key}"),
                format!("no colon\nx-api-key: other\nx-api-key: {key}"),
            ];
            return json!(self.rng.pick(&lines));
        }
        let mut value = self.credential(name, id);
        if name == KEY {
            self.keys.push(value.clone());
        }
        if self.odd() {
            value = match *self.rng.pick(&["before", "after", "blank"]) {
                "before" => format!(" {value}"),
                "after" => format!("{value} "),
                _ => "  ".into(),
            };
        }
        json!(value)
    }

    fn switches(&mut self) {
        let values = ["1", "true", "0", "false", "no", "off", "", "yes", "ON", "2"];
        for name in [
            "CLAUDE_CODE_SIMPLE",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_USE_FOUNDRY",
            "CLAUDE_CODE_USE_GATEWAY",
        ] {
            // A cloud provider that is on ends the state, and a run of 2.0.77 in half a minute of retries.
            let is_cloud = !name.ends_with("SIMPLE") && !name.ends_with("GATEWAY");
            let choices = if is_cloud { &values[2..7] } else { &values[..] };
            let percent = self.odd / 3;
            if self.rng.chance(percent) {
                self.state
                    .env
                    .insert(name.into(), (*self.rng.pick(choices)).into());
            }
        }
    }

    fn descriptors(&mut self) {
        for (fd, variable, name) in [
            (9, "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "key"),
            (8, "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR", OAUTH),
        ] {
            let percent = self.odd / 2;
            if self.rng.chance(percent) {
                let text = self.credential(name, &format!("env.{variable}"));
                self.state.env.insert(variable.into(), fd.to_string());
                if self.rng.chance(85) {
                    self.state.fds.insert(fd, format!("{text}\n"));
                }
            }
        }
    }

    /// Workload identity and a profile of the Anthropic tools.
    fn federation(&mut self) {
        if self.rng.chance(self.odd / 2) {
            for (name, value) in [
                (RULE, "fdrl_1"),
                (
                    "ANTHROPIC_ORGANIZATION_ID",
                    "00000000-0000-4000-8000-000000000001",
                ),
                ("ANTHROPIC_IDENTITY_TOKEN", "eyJ.identity.token"),
            ] {
                if name == "ANTHROPIC_IDENTITY_TOKEN" || self.rng.chance(85) {
                    self.state.env.insert(name.into(), value.into());
                }
            }
            self.ids.insert(EXCHANGED.into(), format!("env.{RULE}"));
        }
        if self.rng.chance(self.odd / 2) {
            let name = *self.rng.pick(&["work", "nope"]);
            self.state.env.insert("ANTHROPIC_PROFILE".into(), name.into());
            if name == "work" {
                let token = self.credential(OAUTH, "env.ANTHROPIC_PROFILE");
                let config = json!({"organization_id": "org", "authentication": {"type": "user_oauth"}});
                let secret = json!({"version": "1", "type": "oauth", "access_token": token, "expires_at": 4_102_444_800_u64});
                self.state
                    .home
                    .insert(".config/anthropic/configs/work.json".into(), config);
                self.state
                    .home
                    .insert(".config/anthropic/credentials/work.json".into(), secret);
            }
        }
    }
}
