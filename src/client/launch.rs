//! How the client is started: what its command line and its launcher decide about the credential.
//!
//! Options are read as the client reads them (2.1.332, its code and runs of it, 2026-11-25): a scan of its own finds
//! `--settings`, `--setting-sources` and `--print`, and `--bare` counts wherever the word stands before `--`, as the
//! value of another option too. Everything else is parsed by commander, which refuses what it does not know.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::Path;

use clap::ValueEnum;

use super::{Client, Mode, NEWEST, Rule, js_trim};
use crate::context::Context;

/// The question's launch. The default is a plain `claude` on a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    pub program: Option<OsString>,
    /// The mode that the options choose; none where no command line was given.
    pub mode: Option<Mode>,
    /// The last `--settings`: a file's name or JSON. An empty one is as none.
    pub settings: Option<String>,
    first_settings: Option<String>,
    /// The last `--setting-sources`, as it is written.
    pub setting_sources: Option<String>,
    /// `--bare`: as CLAUDE_CODE_SIMPLE=1.
    pub bare: bool,
    /// `--restricted`: as CLAUDE_CODE_RESTRICTED=1.
    pub restricted: bool,
    /// An option that [`NEWEST`] does not know; a newer client may.
    unknown: Option<String>,
    /// Why no client starts a session with this command line.
    refused: Option<String>,
    /// The same as older clients scan it, if they find more.
    scanned: Option<Box<Launch>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagSettings<'a> {
    Json(&'a str),
    /// A file, relative to the directory that the client starts in.
    File(&'a Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Launcher {
    /// A shell in a terminal
    Cli,
    /// The VS Code extension
    Vscode,
    /// The desktop app
    Desktop,
    /// The Agent SDK
    Sdk,
    /// A cloud session
    Remote,
}

impl Launcher {
    /// Gives the context the variables that this launcher sets for the client, in place of those that are set.
    pub(crate) fn set_variables(self, context: &mut Context) {
        let entrypoint = match self {
            Launcher::Cli => "cli",
            Launcher::Vscode => "claude-vscode",
            Launcher::Desktop => "claude-desktop",
            Launcher::Sdk => "sdk-ts",
            Launcher::Remote => "remote",
        };
        context.set_var("CLAUDE_CODE_ENTRYPOINT", entrypoint);
        if self == Launcher::Remote {
            context.set_var("CLAUDE_CODE_REMOTE", "true");
        } else {
            context.remove_var(OsStr::new("CLAUDE_CODE_REMOTE"));
        }
    }
}

impl Launch {
    /// Reads `claude ARGS…`, the program first. It may be left out if the first argument is an option.
    pub fn parse(line: &[OsString]) -> Launch {
        let is_program = |first: &&OsString| !first.as_encoded_bytes().starts_with(b"-");
        let program = line.first().filter(is_program).cloned();
        let args = line.iter().skip(program.iter().len());
        let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        let mut launch = Launch { program, mode: Some(Mode::Interactive), ..Launch::default() };
        launch.bare = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--bare");
        let scanned = Launch { scanned: Some(Box::default()), ..launch.clone() }.read(&args);
        let launch = launch.read(&args);
        let scanned = Launch { scanned: None, ..scanned };
        Launch { scanned: (scanned != launch).then(|| scanned.into()), ..launch }
    }

    /// Reads the arguments; as older clients scan them, if `scanned` is set.
    fn read(mut self, args: &[String]) -> Launch {
        let launch = &mut self;
        let mut rest = args.iter().map(String::as_str).peekable();
        let mut operand = None;
        while let Some(arg) = rest.next().filter(|arg| *arg != "--") {
            if is_option(arg) {
                launch.option(arg, &mut rest);
            } else {
                operand.get_or_insert(arg);
            }
        }
        // With `-p` anywhere, the name of a command is a prompt.
        if let Some(command) = operand.filter(|word| has(COMMANDS, word))
            && launch.mode == Some(Mode::Interactive)
        {
            launch.refuse(format!("`claude {command}` does not start a session"));
        }
        self
    }

    /// As this client reads it.
    fn seen_by(&self, client: Client) -> &Launch {
        let scans = !client.has(Rule::OptionValuesAreNoOptions);
        self.scanned.as_deref().filter(|_| scans).unwrap_or(self)
    }

    fn option<'a, I>(&mut self, arg: &str, rest: &mut Peekable<I>)
    where
        I: Iterator<Item = &'a str> + Clone,
    {
        let (name, value) = match arg.char_indices().nth(2) {
            _ if arg.starts_with("--") => match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg, None),
            },
            // `-cp` is `-c -p`; `-nNAME` is `-n NAME`.
            Some((end, _)) if kind(arg).is_none() => (&arg[..end], Some(&arg[end..])),
            _ => (arg, None),
        };
        let is_cluster = !arg.starts_with("--");
        match (kind(name), value) {
            (Some(Kind::Flag), None) => self.flag(name),
            (Some(Kind::Flag), Some(tail)) if is_cluster => {
                self.flag(name);
                self.option(&format!("-{tail}"), rest);
            }
            (None, _) if is_cluster => _ = self.unknown.get_or_insert(name.to_owned()),
            (Some(Kind::Flag) | None, _) => _ = self.unknown.get_or_insert(arg.to_owned()),
            (Some(Kind::Optional), None) => _ = rest.next_if(|next| !is_option(next)),
            (Some(Kind::Optional), Some(_)) => {}
            // Whatever comes next, an option too.
            (Some(kind @ (Kind::One | Kind::Many)), None) => {
                let value = rest.next();
                self.take(name, value);
                let is_found = |value: &&str| value.starts_with("--setting") && !has(SKIPPED, name);
                if let Some(value) = value.filter(|_| self.scanned.is_some()).filter(is_found) {
                    self.option(value, &mut rest.clone());
                }
                while kind == Kind::Many && rest.next_if(|next| !is_option(next)).is_some() {}
            }
            (Some(Kind::One | Kind::Many), value) => self.take(name, value),
        }
    }

    /// Why the client ends at once with this command line, and sends nothing.
    pub fn refusal(&self, client: Client) -> Option<String> {
        let unknown = |option: &str| format!("Claude Code does not know the option {option}");
        let seen = self.seen_by(client);
        match (&seen.refused, &seen.unknown) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Some(option)) if client <= NEWEST => Some(unknown(option)),
            _ if self.restricted && !client.has(Rule::RestrictedIsKnown) => {
                Some(unknown("--restricted"))
            }
            _ if self.bare && !client.has(Rule::SimpleLeavesVariables) => Some(unknown("--bare")),
            _ => None,
        }
    }

    pub fn flag_settings(&self, client: Client) -> Option<FlagSettings<'_>> {
        let last = client.has(Rule::LastSettingsFlagCounts);
        let seen = self.seen_by(client);
        let value = if last { &seen.settings } else { &seen.first_settings }.as_deref()?;
        let text = js_trim(value);
        Some(if text.starts_with('{') && text.ends_with('}') {
            FlagSettings::Json(text)
        } else {
            FlagSettings::File(Path::new(text))
        })
    }

    fn flag(&mut self, name: &str) {
        match name {
            "-p" | "--print" => self.mode = Some(Mode::Print),
            "--restricted" => self.restricted = true,
            "-h" | "--help" | "-v" | "--version" => {
                self.refuse(format!("`claude {name}` does not start a session"));
            }
            _ => {}
        }
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        match (name, value) {
            (_, None) => self.refuse(format!("the option {name} has no value")),
            ("--settings", Some(value)) => {
                self.settings = Some(value.to_owned()).filter(|value| !value.is_empty());
                self.first_settings = self.first_settings.take().or_else(|| self.settings.clone());
            }
            ("--setting-sources", Some(value)) => {
                if let Some(odd) = unknown_setting_source(value) {
                    self.refuse(format!(
                        "--setting-sources takes user, project and local, and not `{odd}`"
                    ));
                }
                self.setting_sources = Some(value.to_owned());
            }
            _ => {}
        }
    }

    /// Whether the settings of that name (`user`, `project`, `local`) are read, as far as `--setting-sources` decides.
    pub fn reads(&self, source: &str, client: Client) -> bool {
        let sources = &self.seen_by(client).setting_sources;
        sources.as_ref().is_none_or(|list| list.split(',').any(|name| name.trim() == source))
    }

    fn refuse(&mut self, reason: String) {
        self.refused.get_or_insert(reason);
    }
}

/// The first name in the list that the client refuses. An empty list is one without names.
fn unknown_setting_source(list: &str) -> Option<&str> {
    let mut names = list.split(',').map(str::trim).filter(|_| !list.is_empty());
    names.find(|name| !matches!(*name, "user" | "project" | "local"))
}

fn is_option(arg: &str) -> bool {
    arg.len() > 1 && arg.starts_with('-')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    One,
    Many,
    /// One value, if what follows is not an option.
    Optional,
}

fn kind(name: &str) -> Option<Kind> {
    OPTIONS.iter().find(|(_, names)| has(names, name)).map(|(kind, _)| *kind)
}

fn has(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

/// The options of `claude`, hidden ones too (2.1.332).
const OPTIONS: [(Kind, &str); 4] = [
    (Kind::Flag, FLAGS),
    (Kind::One, ONE_VALUE),
    (Kind::Many, MANY_VALUES),
    (Kind::Optional, OPTIONAL_VALUE),
];

const FLAGS: &str = "\
    -d2e --debug-to-stderr --verbose -p --print --bare --safe-mode --init --init-only \
    --maintenance --include-hook-events --include-partial-messages --forward-subagent-text \
    --session-mirror --await-claim --await-initialize --dangerously-skip-permissions \
    --allow-dangerously-skip-permissions --replay-user-messages --enable-auth-status \
    --restricted --exclude-dynamic-system-prompt-sections -c --continue --fork-session \
    --deep-link-origin --no-session-persistence --reply-on-resume --include-unsupported-models \
    --allow-other-models --managed-settings-in-initialize --host-auth-is-org-sign-in --ide \
    --desktop --strict-mcp-config --disable-slash-commands --chrome --no-chrome --tmux \
    --enable-auto-mode --agents-view-if-allowed --bg --background --brief --ax-screen-reader \
    --plan-mode-required --hold-repository-while-parked --ignore-persisted-trust -h --help -v \
    --version";

const ONE_VALUE: &str = "\
    --debug-file --output-format --json-schema --input-format --thinking --thinking-display \
    --max-thinking-tokens --max-turns --max-budget-usd --task-budget --permission-prompt-tool \
    --permission-prompts --system-prompt --system-prompt-file --append-system-prompt \
    --append-system-prompt-file --system-prompt-snapshot --append-subagent-system-prompt \
    --append-subagent-system-prompt-file --plan-mode-instructions --permission-mode \
    --inherit-permission-mode --watch-artifact --watch-artifact-no-autoreact --prefill \
    --deep-link-repo --deep-link-last-fetch --prefill-b64 --deep-link-cwd-b64 \
    --resume-session-at --resume-drops-turn --rewind-files --model --effort --fast-mode --agent \
    --fallback-model --workload --settings --client-data-url --managed-settings \
    --project-config-root --session-id -n --name --agents --setting-sources --plugin-dir \
    --plugin-dir-no-mcp --plugin-url --advisor --autocompact --agent-id --agent-name --team-name \
    --agent-color --parent-session-id --lead-verify-key --teammate-mode --agent-type --sdk-url \
    --runner-declares --session-began-as-copy --initialize-fields --forward-home-settings \
    --attach-serve --environment --pool --correlation-id --metadata --ref --on-branch \
    --remote-control-session-name-prefix";

/// Those whose value older clients do not take for an option either (2.1.200, observed 2026-11-26).
const SKIPPED: &str = "\
    --agent-id --agent-color --agent-name --agent-type --effort --deep-link-cwd-b64 \
    --deep-link-last-fetch --deep-link-repo --managed-settings --model --parent-session-id \
    --prefill --prefill-b64 --team-name";

const MANY_VALUES: &str = "\
    --allowedTools --allowed-tools --tools --disallowedTools --disallowed-tools --mcp-config \
    --betas --add-dir --file --channels --dangerously-load-development-channels";

const OPTIONAL_VALUE: &str = "\
    -d --debug --prompt-suggestions -r --resume --from-pr -w --worktree --teleport --cloud \
    --remote --remote-control --rc";

/// The commands of `claude`. Options after them are theirs.
const COMMANDS: &str = "\
    agents attach auth auto-mode daemon doctor gateway import install kill logs mcp plugin \
    plugins purge respawn rm setup-token stop ultrareview update upgrade";

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Client = Client::at(2, 1, 332);

    fn parse(line: &[&str]) -> Launch {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        Launch::parse(&line)
    }

    #[test]
    fn options_count_as_the_client_counts_them() {
        // Every line was given to 2.1.332: (bare, restricted, settings, print).
        type Row<'a> = (&'a [&'a str], bool, bool, Option<&'a str>, bool);
        let rows: &[Row<'_>] = &[
            (&["claude"], false, false, None, false),
            (&["claude", "-p", "hi"], false, false, None, true),
            (&["claude", "-cp", "hi"], false, false, None, true),
            (&["-p", "--", "--bare"], false, false, None, true),
            (&["claude", "-p", "--append-system-prompt", "--bare", "hi"], true, false, None, true),
            (&["claude", "-p", "--append-system-prompt", "--restricted"], false, false, None, true),
            (&["claude", "-p", "--restricted", "hi"], false, true, None, true),
            (
                &["claude", "-p", "--settings", "a", "--settings", "b"],
                false,
                false,
                Some("b"),
                true,
            ),
            (&["claude", "-p", "--settings", "a", "--settings="], false, false, None, true),
            (&["claude", "--append-system-prompt", "--settings", "a"], false, false, None, false),
            (
                &["claude", "--allowedTools", "A", "B", "--settings=c"],
                false,
                false,
                Some("c"),
                false,
            ),
            (&["claude", "-npn", "-p", "--settings", "c"], false, false, Some("c"), true),
            (&["claude", "--settings", "-p"], false, false, Some("-p"), false),
            (&["claude", "-d", "x", "-r", "-p"], false, false, None, true),
            (&["claude", "-p", "doctor"], false, false, None, true),
        ];
        for (line, bare, restricted, settings, print) in rows {
            let launch = parse(line);
            let seen = (launch.bare, launch.restricted, launch.settings.as_deref());
            assert_eq!(seen, (*bare, *restricted, *settings), "{line:?}");
            assert_eq!(launch.mode == Some(Mode::Print), *print, "{line:?}");
            assert_eq!(launch.refusal(KNOWN), None, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_the_client_refuses_is_refused() {
        for line in [
            &["claude", "--nosuch", "-p", "hi"][..],
            &["claude", "-p", "hi", "--settings"],
            &["claude", "-p", "hi", "--model"],
            &["claude", "-p", "hi", "--bare=1"],
            &["claude", "-p", "--setting-sources", "bogus", "hi"],
            &["claude", "-p", "--setting-sources", "user,", "hi"],
            &["claude", "-p", "--setting-sources", " ", "hi"],
            &["claude", "-pv"],
            &["claude", "-n"],
            &["claude", "--model", "x", "doctor"],
        ] {
            assert!(parse(line).refusal(KNOWN).is_some(), "{line:?}");
        }
        // A client that is not known yet may know it.
        assert_eq!(parse(&["claude", "--nosuch"]).refusal(Client::V2), None);
        assert!(parse(&["claude", "--restricted"]).refusal(Client::at(2, 1, 200)).is_some());
    }

    #[test]
    fn older_clients_find_settings_among_the_values_of_options() {
        // Every line was given to 2.1.200 and 2.1.332.
        let old = Client::at(2, 1, 200);
        for (line, found) in [
            (&["claude", "-n", "--settings={}"][..], [Some("{}"), None]),
            (&["claude", "--add-dir", "--settings={}"], [Some("{}"), None]),
            (&["claude", "--model", "--settings={}"], [None, None]),
            (&["claude", "--settings={}", "-n", "--settings", "{ }"], [Some("{ }"), Some("{}")]),
        ] {
            let launch = parse(line);
            let seen = [old, KNOWN].map(|client| match launch.flag_settings(client)? {
                FlagSettings::Json(text) => Some(text),
                FlagSettings::File(_) => None,
            });
            assert_eq!(seen, found, "{line:?}");
        }
        let sources = parse(&["claude", "-n", "--setting-sources="]);
        assert_eq!([old, KNOWN].map(|client| sources.reads("user", client)), [false, true]);
        let refused = parse(&["claude", "-n", "--setting-sources", "-p", "x"]);
        assert!(refused.refusal(old).is_some() && refused.refusal(KNOWN).is_none());
    }

    #[test]
    fn setting_sources_name_the_layers_that_are_read() {
        let read = |line: &[&str]| {
            let launch = parse(line);
            ["user", "project", "local"].map(|source| launch.reads(source, KNOWN))
        };
        assert_eq!(read(&["claude"]), [true, true, true]);
        assert_eq!(read(&["claude", "--setting-sources", "user, local"]), [true, false, true]);
        assert_eq!(read(&["claude", "--setting-sources="]), [false, false, false]);
        let twice = ["claude", "--setting-sources", "user", "--setting-sources", "project"];
        assert_eq!(read(&twice), [false, true, false]);
    }

    #[test]
    fn settings_are_a_file_or_json() {
        let settings = |value: &str| parse(&["claude", "--settings", value]);
        assert_eq!(settings(" {} ").flag_settings(KNOWN), Some(FlagSettings::Json("{}")));
        for file in ["{bad", "[1]", "~/s.json"] {
            assert_eq!(
                settings(file).flag_settings(KNOWN),
                Some(FlagSettings::File(Path::new(file)))
            );
        }
        assert_eq!(settings("").flag_settings(KNOWN), None);
    }
}
