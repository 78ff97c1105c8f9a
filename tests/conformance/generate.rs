//! Random states: every place a credential can be in, and the odd values seen in such places. Each credential of a
//! state is unique, so that its source can be told from a header.

use std::collections::BTreeMap;

use serde_json::json;

use crate::rng::Rng;
use crate::support::world::State;

mod config;
mod grants;
mod launch;
mod settings;
mod values;

/// A state, and where each of its credentials is.
pub struct Generated {
    /// The state.
    pub state: State,
    ids: BTreeMap<String, String>,
}

impl Generated {
    /// The source of a header's value, if it is a known credential.
    pub fn id(&self, header: &str) -> Option<String> {
        let value = header.strip_prefix("Bearer").unwrap_or(header);
        // A blank that HTTP does not take for one is sent along: the credential is there, but wrong.
        let is_blank = |c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER;
        self.ids.get(value.trim_matches(is_blank)).cloned()
    }
}

/// What states are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files and variables.
    Files,
    /// How the client is started, by whom, under which policy.
    Launch,
    /// A Mac, with its Keychain.
    Mac,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Files, Kind::Launch, Kind::Mac];

    /// The kind of that name.
    pub fn named(name: &str) -> Kind {
        match name {
            "files" => Kind::Files,
            "launch" => Kind::Launch,
            "mac" => Kind::Mac,
            other => panic!("CCK_CONFORMANCE_KIND: {other} is not one of files, launch, mac"),
        }
    }

    /// The versions of the client that it is tried with.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Kind::Files => &["2.0.77", "2.1.332"],
            Kind::Launch => &["2.1.332"],
            // The last one in JavaScript: a native client cannot be told that it runs on a Mac.
            Kind::Mac => &["2.0.77", "2.1.112"],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Files => "files",
            Kind::Launch => "launch",
            Kind::Mac => "mac",
        }
    }
}

/// State `index` of `seed`.
pub fn state(kind: Kind, seed: u64, index: u64) -> Generated {
    let mut maker = Maker {
        rng: Rng::new(seed, index),
        state: State::default(),
        ids: BTreeMap::new(),
        keys: Vec::new(),
        // Most states are plain, so that precedence is tried as well as tolerance.
        odd: 0,
    };
    match kind {
        Kind::Files => {
            maker.odd = *maker.rng.pick(&[0, 0, 10, 25]);
            maker.make();
        }
        Kind::Launch => {
            maker.odd = *maker.rng.pick(&[0, 0, 0, 10]);
            maker.launch();
        }
        Kind::Mac => {
            maker.odd = *maker.rng.pick(&[0, 0, 0, 10]);
            maker.mac();
        }
    }
    Generated { state: maker.state, ids: maker.ids }
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
        self.work_tree();
        for name in [KEY, TOKEN, OAUTH, HEADERS] {
            let percent = if name == HEADERS { self.odd } else { 40 };
            if self.rng.chance(percent) {
                let value = self.variable(name, &format!("env.{name}"));
                // An environment holds nothing but text.
                let text = value.as_str().map_or_else(String::new, str::to_owned);
                self.set(name, text);
            }
        }
        self.switches();
        self.descriptors();
        self.settings(dir);
        self.federation();
        self.profiles();
        self.login(dir);
        // Last: the approval lists are about the keys laid above.
        self.config(dir, config);
    }

    fn odd(&mut self) -> bool {
        let odd = self.odd;
        self.rng.chance(odd)
    }

    /// Sets a variable of the environment.
    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.state.env.insert(name.into(), value.into());
    }

    /// CLAUDE_CONFIG_DIR; gives the claude directory and the global config's path below HOME.
    fn config_dir(&mut self) -> (&'static str, &'static str) {
        let choices = [("", ".claude", ".claude.json"), ("$HOME/alt", "alt", "alt/.claude.json")];
        let (value, dir, config) = *self.rng.pick(&choices);
        if !value.is_empty() {
            // The project, where the client starts, is a neighbour of the home.
            let odd = [
                "$HOME/alt/",
                "$HOME//alt",
                "$HOME/./alt",
                "$HOME/x/../alt",
                "../home/alt",
                "./../home/alt/",
            ];
            let value = if self.odd() { self.rng.pick(&odd) } else { value };
            self.set("CLAUDE_CONFIG_DIR", value);
        } else if self.odd() {
            let odd = *self.rng.pick(&["", "$HOME/missing/deep", "elsewhere", " ", "~/.claude"]);
            self.set("CLAUDE_CONFIG_DIR", odd);
        }
        (dir, config)
    }

    /// Starts the client below the root of a git work tree, whose settings are then the root's and not the directory's.
    fn work_tree(&mut self) {
        let is_relative =
            self.state.env.get("CLAUDE_CONFIG_DIR").is_some_and(|dir| dir.starts_with('.'));
        if !is_relative && self.rng.chance(self.odd / 2) {
            self.state.below = (*self.rng.pick(&["sub", "sub/deep"])).into();
            if self.rng.chance(80) {
                self.state.project.insert(".git/HEAD".into(), json!("ref: refs/heads/main\n"));
            }
        }
    }

    fn switches(&mut self) {
        for name in ["CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_USE_GATEWAY"] {
            if self.rng.chance(self.odd / 3) {
                let value = self.switch();
                self.set(name, value);
            }
        }
        for name in [
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_USE_FOUNDRY",
            "CLAUDE_CODE_USE_MANTLE",
            "CLAUDE_CODE_USE_ANTHROPIC_AWS",
            "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
        ] {
            if self.rng.chance(self.odd / 4) {
                // A provider that is on ends the state, and takes long: not too many of them.
                let value = if self.rng.chance(25) {
                    self.switch()
                } else {
                    *self.rng.pick(&["0", "false", "no", "off", "", "2", " 0 "])
                };
                self.set(name, value);
            }
        }
    }

    /// A value for a switch.
    fn switch(&mut self) -> &'static str {
        const VALUES: [&str; 13] =
            ["1", "true", "0", "false", "no", "off", "", "yes", "ON", "2", " 1 ", "True", "y"];
        self.rng.pick::<&str>(&VALUES)
    }

    fn descriptors(&mut self) {
        for (fd, variable, name) in [
            (9, "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "key"),
            (8, "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR", OAUTH),
        ] {
            if !self.rng.chance(self.odd / 2) {
                continue;
            }
            let text = self.credential(name, &format!("env.{variable}"));
            let number = if self.rng.chance(10) {
                (*self.rng.pick(&["", "x", " "])).into()
            } else {
                fd.to_string()
            };
            self.set(variable, number);
            match *self.rng.pick(&["full", "full", "full", "padded", "empty", "blank", "closed"]) {
                "full" => self.state.fds.insert(fd, format!("{text}\n")),
                "padded" => self.state.fds.insert(fd, format!("  {text} \n\n")),
                "empty" => self.state.fds.insert(fd, String::new()),
                "blank" => self.state.fds.insert(fd, " \n".into()),
                _ => None,
            };
        }
    }
}
