//! How the client of a random state is started: options, launchers, hosts, policies, and the files that only they bring in.

use serde_json::{Value, json};

use super::{HEADERS, KEY, Maker, OAUTH, TOKEN};
use crate::support::standin::REFRESHED;

/// Options that a client starts with or ends at once with, by their values and by each other. None is of a session that must
/// be there, nor starts anything that outlives the client.
const LINES: [&str; 64] = [
    "--output-format json",
    "--output-format=text",
    "--output-format yaml",
    "--output-format=",
    "--output-format stream-json",
    "--output-format stream-json --verbose",
    "--input-format text",
    "--input-format json",
    "--input-format stream-json",
    "--permission-mode plan",
    "--permission-mode acceptEdits",
    "--permission-mode=auto",
    "--permission-mode ask",
    "--max-turns 3",
    "--max-turns=0",
    "--max-turns three",
    "--max-budget-usd 5",
    "--max-budget-usd=0.5",
    "--max-budget-usd 0",
    "--max-budget-usd $5",
    "--max-thinking-tokens 1024",
    "--max-thinking-tokens many",
    "--task-budget 1.5",
    "--effort high",
    "--effort xhigh",
    "--effort huge",
    "--effort=",
    "--thinking adaptive",
    "--thinking on",
    "--session-id 00000000-0000-4000-8000-00000000000a",
    "--session-id 1",
    "--session-id=",
    "--session-id 00000000-0000-4000-8000-00000000000b --continue",
    r#"--json-schema {"type":"object"}"#,
    "--json-schema {",
    "--json-schema []",
    r#"--mcp-config {"mcpServers":{}}"#,
    "--mcp-config {",
    "--strict-mcp-config",
    r#"--agents {"a":{"description":"d","prompt":"p"}}"#,
    "--agents {",
    "--tools=",
    "--tools=default",
    "--add-dir=missing",
    "--model sonnet --fallback-model haiku",
    "--system-prompt x",
    "--include-partial-messages",
    "--include-partial-messages --output-format=stream-json --verbose",
    "--replay-user-messages",
    "--no-session-persistence",
    "--fork-session",
    "--init-only",
    "--tmux",
    "--cloud",
    "--advisor opus",
    "--safe-mode",
    "--prompt-suggestions=off",
    "--prompt-suggestions=maybe",
    "--restricted --permission-mode bypassPermissions",
    "--teammate-mode in-process",
    "--teammate-mode none",
    "--no-chrome --ide",
    "--betas x",
    "-- doctor",
];

impl Maker {
    /// A state with little that is odd in its files, and a launch. Each part is drawn seldom enough that most states have one
    /// or two.
    pub(super) fn launch(&mut self) {
        let (dir, config) = self.config_dir();
        for name in [KEY, TOKEN, OAUTH, HEADERS] {
            let percent = if name == HEADERS { 5 } else { 30 };
            if self.rng.chance(percent) {
                let value = self.variable(name, &format!("env.{name}"));
                self.set(name, value.as_str().unwrap_or_default());
            }
        }
        if self.rng.chance(8) {
            self.descriptor();
        }
        if self.rng.chance(5) {
            let value = self.switch();
            self.set("CLAUDE_CODE_SIMPLE", value);
        }
        self.settings(dir);
        // A new token cannot be written where CLAUDE_CONFIG_DIR is empty, and then nothing is sent.
        if self.state.env.get("CLAUDE_CONFIG_DIR").is_none_or(|dir| !dir.is_empty())
            && self.rng.chance(10)
        {
            self.refreshed_login(dir);
        } else {
            self.login(dir);
        }
        self.options();
        self.launcher();
        self.policy();
        self.storage();
        self.well_known();
        self.destination(dir);
        self.encoding(dir);
        // Last: the approval lists are about the keys laid above.
        self.config(dir, config);
        if self.rng.chance(6) {
            self.custom_oauth(dir, config);
        }
    }

    /// `--settings`, `--setting-sources`, `--bare`, `--restricted`.
    fn options(&mut self) {
        if self.rng.chance(25) {
            self.flag_settings();
            if self.rng.chance(8) {
                // The last holds alone.
                self.flag_settings();
            }
        }
        if self.rng.chance(15) {
            let lists =
                ["user", "project", "local", "user,project", "project,local", "", "user,local"];
            let list = if self.rng.chance(5) { "user,other" } else { *self.rng.pick(&lists) };
            self.option("--setting-sources", list);
        }
        match *self.rng.pick(&["", "", "", "", "", "", "", "", "bare", "restricted", "variable"]) {
            "bare" => self.args(&["--bare"]),
            "restricted" => self.args(&["--restricted"]),
            "variable" => {
                let value = self.switch();
                self.set("CLAUDE_CODE_RESTRICTED", value);
            }
            _ => {}
        }
        if self.rng.chance(20) {
            self.other_option();
        }
        if self.rng.chance(20) {
            let line = *self.rng.pick(&LINES);
            let words: Vec<_> = line.split(' ').collect();
            self.args(&words);
        }
    }

    /// An option that decides nothing, before those that do or after them. Its value may look like one of those.
    fn other_option(&mut self) {
        let others: [&[&str]; 9] = [
            &["--model", "opus"],
            &["--model=opus"],
            &["--verbose"],
            &["--append-system-prompt", "--restricted"],
            &["--append-system-prompt", "--bare"],
            &["--allowedTools", "Read", "Bash(git *)", "--permission-mode=plan"],
            &["--add-dir=$HOME"],
            &["-n", "--settings"],
            &["--no-such-option"],
        ];
        let other = *self.rng.pick(&others);
        let at = if self.rng.chance(50) { 0 } else { self.state.args.len() };
        self.state.args.splice(at..at, other.iter().map(|arg| (*arg).to_owned()));
    }

    /// An option with its value, in either form.
    fn option(&mut self, name: &str, value: &str) {
        if self.rng.chance(30) {
            self.args(&[&format!("{name}={value}")]);
        } else {
            self.args(&[name, value]);
        }
    }

    fn args(&mut self, args: &[&str]) {
        self.state.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    fn flag_settings(&mut self) {
        let settings = self.layer("flag");
        let text = settings.as_str().map_or_else(|| settings.to_string(), str::to_owned);
        match *self.rng.pick(&["text", "text", "text", "file", "file", "absolute", "odd"]) {
            "text" => self.option("--settings", &text),
            "file" => {
                self.state.project.insert("flag.json".into(), json!(text));
                self.option("--settings", "flag.json");
            }
            "absolute" => {
                self.state.home.insert("flag.json".into(), json!(text));
                self.option("--settings", "$HOME/flag.json");
            }
            _ => {
                let odd = ["missing.json", "{", "", "{}", "[]"];
                let odd = *self.rng.pick(&odd);
                self.option("--settings", odd);
            }
        }
    }

    /// Who starts the client.
    fn launcher(&mut self) {
        if self.rng.chance(25) {
            let names = [
                "claude-vscode",
                "claude-vscode",
                " claude-vscode ",
                "Claude-VSCode",
                "claude-desktop",
                "local-agent",
                "sdk-ts",
                "cli",
                "",
            ];
            let name = *self.rng.pick(&names);
            self.set("CLAUDE_CODE_ENTRYPOINT", name);
        }
        if self.rng.chance(12) {
            let value = self.switch();
            self.set("CLAUDE_CODE_REMOTE", value);
        }
        if self.rng.chance(10) {
            let value = self.switch();
            self.set("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST", value);
        }
        if self.rng.chance(4) {
            let name = *self.rng.pick(&[TOKEN, KEY, "OTHER"]);
            self.set("CLAUDE_CODE_HOST_AUTH_ENV_VAR", name);
        }
        if self.rng.chance(8) {
            self.set("ANTHROPIC_UNIX_SOCKET", "$BASE/sock");
            self.state.unix = true;
        }
        if self.rng.chance(6) {
            let scopes = *self.rng.pick(&[
                "user:profile",
                "user:inference",
                "user:profile user:inference",
                "",
                " ",
            ]);
            self.set("CLAUDE_CODE_OAUTH_SCOPES", scopes);
        }
        if self.rng.chance(20) {
            let names = ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY"]
                .map(str::to_owned);
            self.state.unset.extend(names);
        }
    }

    /// What the administrator decides, beside the managed settings of any state.
    fn policy(&mut self) {
        if self.rng.chance(12) {
            let organizations =
                [json!([]), json!("00000000-0000-4000-8000-000000000001"), json!(["x"]), json!("")];
            let policy = match *self.rng.pick(&["console", "claudeai", "gateway", "other", "org"]) {
                "gateway" => json!({
                    "forceLoginMethod": "gateway", "forceLoginGatewayUrl": "https://custom.example",
                }),
                "org" => json!({"forceLoginOrgUUID": self.rng.pick(&organizations).clone()}),
                method => json!({ "forceLoginMethod": method }),
            };
            if self.rng.chance(30) {
                self.state.etc.insert("managed-settings.d/50-login.json".into(), policy);
            } else {
                self.add_to_managed(&policy);
            }
        }
        if self.rng.chance(6) {
            let odd = std::mem::replace(&mut self.odd, 0);
            let settings = self.layer("policy");
            self.odd = odd;
            let answer = json!({ "managedSettings": settings });
            let script = format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n");
            self.state.home.insert("policy.sh".into(), json!(script));
            let path = if self.rng.chance(10) { "$HOME/missing.sh" } else { "$HOME/policy.sh" };
            self.add_to_managed(&json!({"policyHelper": {"path": path}}));
            self.setup("chmod 755 ~/policy.sh");
        }
    }

    fn add_to_managed(&mut self, members: &Value) {
        let managed = self.state.managed.get_or_insert_with(|| json!({}));
        if let (Some(managed), Some(members)) = (managed.as_object_mut(), members.as_object()) {
            managed.extend(members.clone());
        }
    }

    fn setup(&mut self, command: &str) {
        self.state.setup.push_str(command);
        self.state.setup.push('\n');
    }

    /// A directory of its own for the login, and a login of a gateway.
    fn storage(&mut self) {
        if self.rng.chance(8) {
            let (value, dir) =
                *self.rng.pick(&[("$HOME/sec", "sec"), ("$HOME/sec/", "sec"), (" ", ""), ("", "")]);
            let layer = *self.rng.pick(&["env", "env", "user", "project"]);
            match layer {
                "env" => self.set("CLAUDE_SECURESTORAGE_CONFIG_DIR", value),
                _ => self.add_to_env(layer, "CLAUDE_SECURESTORAGE_CONFIG_DIR", value),
            }
            if !dir.is_empty() && self.rng.chance(60) {
                // The same id: whichever of the two files is read.
                let token = self.credential(OAUTH, "credentials.claudeAiOauth");
                let token = format!("{token}SEC");
                self.ids.insert(token.clone(), "credentials.claudeAiOauth".into());
                let login = json!({"claudeAiOauth": {
                    "accessToken": token, "refreshToken": "sk-ant-ort01-R", "expiresAt": 4_102_444_800_000_u64,
                    "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
                }});
                self.state.home.insert(format!("{dir}/.credentials.json"), login);
            }
        }
        if self.rng.chance(4) {
            let expires = *self.rng.pick(&[4_102_444_800_000_u64, 4_102_444_800_000, 1000]);
            let jwt = self.credential(TOKEN, "credentials.enterpriseGateway");
            let pin = *self.rng.pick(&["$PIN", "$PIN", "$PIN", "00"]);
            let login = json!({
                "enterpriseGateway": {"url": "https://custom.example", "jwt": jwt, "expiresAt": expires},
                "gatewayTrust": {"custom.example": pin},
            });
            let dir =
                if self.state.env.contains_key("CLAUDE_CONFIG_DIR") { "alt" } else { ".claude" };
            self.claude_file(dir, ".credentials.json", login);
        }
    }

    /// Sets a variable in the settings of a layer, if they are an object.
    fn add_to_env(&mut self, layer: &str, name: &str, value: &str) {
        let (files, path) = match layer {
            "user" if self.state.env.contains_key("CLAUDE_CONFIG_DIR") => return,
            "user" => (&mut self.state.home, ".claude/settings.json"),
            _ => (&mut self.state.project, ".claude/settings.json"),
        };
        let settings = files.entry(path.into()).or_insert_with(|| json!({}));
        if let Some(settings) = settings.as_object_mut() {
            let env = settings.entry("env").or_insert_with(|| json!({}));
            if let Some(env) = env.as_object_mut() {
                env.insert(name.into(), json!(value));
            }
        }
    }

    /// The files of the remote containers.
    fn well_known(&mut self) {
        for (file, name, id) in [
            (".api_key", "key", "wellknown.api_key"),
            (".oauth_token", OAUTH, "wellknown.oauth_token"),
        ] {
            if self.rng.chance(4) {
                let value = self.credential(name, id);
                let text = self.rng.pick(&["{}", "{}", " {}\\n", ""]).replace("{}", &value);
                self.setup(&format!(
                    "mkdir -p /home/claude/.claude/remote; printf '{text}' >/home/claude/.claude/remote/{file}"
                ));
            }
        }
    }

    /// Where the requests go: the stand-in, the default host with what its server says, or an odd address.
    fn destination(&mut self, dir: &str) {
        if self.rng.chance(8) {
            let odd = [
                "http://user:pw@$OTHER",
                "$OTHER",
                "default",
                "\"http://$OTHER\"",
                "${BASE_URL}",
                "http://127.0.0.1:99999",
                "http://$OTHER/?x=1",
                "http://$OTHER/#x",
                " http://$OTHER ",
                "HTTP://$OTHER",
                "http:/$OTHER",
                "http://$OTHER/",
            ];
            let odd = *self.rng.pick(&odd);
            self.set("ANTHROPIC_BASE_URL", odd);
            return;
        }
        // Without a base URL the client speaks TLS through the socket.
        if self.state.unix || !self.rng.chance(25) {
            return;
        }
        self.state.base_url = "unset".into();
        if self.rng.chance(60) {
            let settings = self.remote_settings("remote");
            self.state.opt = json!({ "remote": settings });
        } else if self.rng.chance(30) {
            self.state.opt = json!({"remote": 304});
        }
        if self.rng.chance(30) {
            // What the server says takes its place, so its ids are the same.
            let settings = self.remote_settings("remote");
            self.claude_file(dir, "remote-settings.json", settings);
        }
    }

    fn remote_settings(&mut self, layer: &str) -> Value {
        let odd = std::mem::replace(&mut self.odd, 0);
        let mut settings = self.layer(layer);
        self.odd = odd;
        match *self.rng.pick(&["", "", "", "login", "url"]) {
            "login" => settings["forceLoginMethod"] = json!("console"),
            "url" => settings["env"]["ANTHROPIC_BASE_URL"] = json!("http://$OTHER"),
            _ => {}
        }
        settings
    }

    /// Settings as PowerShell 5 writes them.
    fn encoding(&mut self, dir: &str) {
        if !self.rng.chance(5) {
            return;
        }
        let file = match *self.rng.pick(&["user", "project", "managed"]) {
            "user" => format!("$HOME/{dir}/settings.json"),
            "project" => "$PROJECT/.claude/settings.json".into(),
            _ => "/etc/claude-code/managed-settings.json".into(),
        };
        let (order, mark) = *self.rng.pick(&[
            ("LE", r"\377\376"),
            ("LE", r"\377\376"),
            ("LE", ""),
            ("BE", r"\376\377"),
        ]);
        self.setup(&format!(
            "f='{file}'; [ -f \"$f\" ] && {{ printf '{mark}' >$BASE/text; iconv -t UTF-16{order} \"$f\" >>$BASE/text; cat $BASE/text >\"$f\"; }}"
        ));
    }

    /// A login that has expired, mostly with what refreshes it.
    fn refreshed_login(&mut self, dir: &str) {
        let token = self.credential(OAUTH, "credentials.claudeAiOauth");
        self.ids.insert(REFRESHED.into(), "credentials.claudeAiOauth".into());
        let mut login = json!({
            "accessToken": token, "refreshToken": "sk-ant-ort01-R", "expiresAt": 1000,
            "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
        });
        if self.rng.chance(30) {
            login["refreshToken"] = Value::Null;
        }
        self.claude_file(dir, ".credentials.json", json!({ "claudeAiOauth": login }));
    }

    /// The global config under the name it has for another OAuth server.
    fn custom_oauth(&mut self, dir: &str, config: &str) {
        let url =
            *self.rng.pick(&["https://claude.fedstart.com", "https://custom.example", " ", ""]);
        self.set("CLAUDE_CODE_CUSTOM_OAUTH_URL", url);
        let legacy = format!("{dir}/.config.json");
        if let Some(whole) = self.state.home.get(config).cloned()
            && !self.state.home.contains_key(&legacy)
            && self.rng.chance(70)
        {
            let other = config.replace(".claude.json", ".claude-custom-oauth.json");
            let unread = |value: &Value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                json!(
                    text.replace("sk-ant-api03-", "sk-ant-unread-").replace("tok-", "tok-unread-")
                )
            };
            let (read, passed_over) =
                if url.is_empty() { (config, &*other) } else { (&*other, config) };
            self.state.home.insert(passed_over.into(), unread(&whole));
            self.state.home.insert(read.into(), whole);
        }
    }

    /// A key or an OAuth token by file descriptor.
    fn descriptor(&mut self) {
        let (variable, name, fd) = *self.rng.pick(&[
            ("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "key", 9),
            ("CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR", OAUTH, 8),
        ]);
        let secret = self.credential(name, &format!("env.{variable}"));
        self.set(variable, fd.to_string());
        self.state.fds.insert(fd, format!("{secret}\n"));
    }

    /// A Mac: the Keychain's items beside the files.
    pub(super) fn mac(&mut self) {
        let (dir, config) = self.config_dir();
        self.state.platform = "darwin".into();
        self.set("USER", "dev");
        for name in [KEY, TOKEN, OAUTH] {
            if self.rng.chance(25) {
                let value = self.variable(name, &format!("env.{name}"));
                self.set(name, value.as_str().unwrap_or_default());
            }
        }
        self.settings(dir);
        self.login(dir);
        let suffix = if self.state.env.contains_key("CLAUDE_CONFIG_DIR") { "-$HASH" } else { "" };
        if self.rng.chance(60) {
            let key = self.credential("key", "keychain.apiKey");
            let item = self.rng.pick(&["{}", "{}", "{}", "  {}\n", "", " "]).replace("{}", &key);
            let service = if self.rng.chance(10) {
                "Claude Code-0badc0de".into()
            } else {
                format!("Claude Code{suffix}")
            };
            self.state.keychain.insert(service, item);
        }
        if self.rng.chance(40) {
            let token = self.credential(OAUTH, "keychain.claudeAiOauth");
            let scopes = *self.rng.pick(&["user:inference", "user:inference", "user:profile"]);
            let login = json!({"claudeAiOauth": {
                "accessToken": token, "refreshToken": "sk-ant-ort01-R", "expiresAt": 4_102_444_800_000_u64,
                "scopes": [scopes], "subscriptionType": "max",
            }});
            let item = self
                .rng
                .pick(&[
                    login.to_string(),
                    login.to_string(),
                    login.to_string(),
                    "{".into(),
                    String::new(),
                    "{}".into(),
                ])
                .clone();
            self.state.keychain.insert(format!("Claude Code-credentials{suffix}"), item);
        }
        if self.rng.chance(15) {
            self.state.keychain_state = "locked".into();
        }
        self.config(dir, config);
    }
}
