//! How the client is started: what its command line and its launcher decide about the credential.
//!
//! Options are read as the client reads them (its code and runs of it, 2026-11-25 and 26): a scan of its own finds
//! `--settings` and `--setting-sources`, and `--bare` counts wherever the word stands before `--`, as the value of
//! another option too. Everything else is parsed by commander, which refuses what it does not know.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::Path;

use clap::ValueEnum;

use super::{Client, Mode, NEWEST, Rule, js_trim};
use crate::context::Context;

/// The question's launch, as one client reads it. The default is a plain `claude` on a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The mode that the options choose; none where no command line was given.
    pub mode: Option<Mode>,
    /// The `--settings` that counts: a file's name or JSON. An empty one is as none.
    settings: Option<String>,
    /// The `--setting-sources` that counts, as it is written.
    setting_sources: Option<String>,
    /// `--bare`: as CLAUDE_CODE_SIMPLE=1.
    pub bare: bool,
    /// `--restricted`: as CLAUDE_CODE_RESTRICTED=1.
    pub restricted: bool,
    /// Why the client ends at once with this command line, and sends nothing.
    pub refused: Option<String>,
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

/// The program of `claude ARGS…`. It may be left out if the first argument is an option.
pub(crate) fn program(line: &[OsString]) -> Option<&OsString> {
    line.first().filter(|first| !first.as_encoded_bytes().starts_with(b"-"))
}

impl Launch {
    /// Reads `claude ARGS…` as this client does.
    pub fn parse(line: &[OsString], client: Client) -> Launch {
        let args = line.iter().skip(program(line).iter().len());
        let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        let mut launch = Launch { mode: Some(Mode::Interactive), ..Launch::default() };
        launch.bare = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--bare");
        launch.settings = scan(&args, "--settings", client).filter(|value| !value.is_empty());
        launch.setting_sources = scan(&args, "--setting-sources", client);
        if let Some(odd) = launch.setting_sources.as_deref().and_then(unknown_setting_source) {
            launch.refuse(format!(
                "--setting-sources takes user, project and local, and not `{odd}`"
            ));
        }
        let mut rest = args.iter().map(String::as_str).peekable();
        let mut operand = None;
        while let Some(arg) = rest.next().filter(|arg| *arg != "--") {
            if is_option(arg) {
                launch.option(arg, &mut rest, client);
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
        launch
    }

    fn option<'a, I>(&mut self, arg: &str, rest: &mut Peekable<I>, client: Client)
    where
        I: Iterator<Item = &'a str>,
    {
        let (name, value) = match arg.char_indices().nth(2) {
            _ if arg.starts_with("--") => match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg, None),
            },
            // `-cp` is `-c -p`; `-nNAME` is `-n NAME`.
            Some((end, _)) if kind(OPTIONS, arg, client).is_none() => {
                (&arg[..end], Some(&arg[end..]))
            }
            _ => (arg, None),
        };
        let is_cluster = !arg.starts_with("--");
        match (kind(OPTIONS, name, client), value) {
            (Some(Kind::Flag), None) => self.flag(name),
            (Some(Kind::Flag), Some(tail)) if is_cluster => {
                self.flag(name);
                self.option(&format!("-{tail}"), rest, client);
            }
            // A client that is newer than the table may know it.
            (Some(Kind::Flag) | None, _) if client <= NEWEST => {
                let option = if is_cluster { name } else { arg };
                self.refuse(format!("Claude Code does not know the option {option}"));
            }
            (Some(Kind::One | Kind::Many), None) if rest.peek().is_none() => {
                self.refuse(format!("the option {name} has no value"));
            }
            (Some(kind), None) => kind.skip_values(rest),
            (_, Some(_)) | (None, None) => {}
        }
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

    pub fn flag_settings(&self) -> Option<FlagSettings<'_>> {
        let text = js_trim(self.settings.as_deref()?);
        Some(if text.starts_with('{') && text.ends_with('}') {
            FlagSettings::Json(text)
        } else {
            FlagSettings::File(Path::new(text))
        })
    }

    /// Whether the settings of that name (`user`, `project`, `local`) are read, as far as `--setting-sources` decides.
    pub fn reads(&self, source: &str) -> bool {
        let sources = &self.setting_sources;
        sources.as_ref().is_none_or(|list| list.split(',').any(|name| name.trim() == source))
    }

    fn refuse(&mut self, reason: String) {
        self.refused.get_or_insert(reason);
    }
}

/// The value of the option that counts, as the client's own scan finds it before the line is parsed.
fn scan(args: &[String], name: &str, client: Client) -> Option<String> {
    let is_last = client.has(Rule::LastSettingsFlagCounts);
    let mut rest = args.iter().map(String::as_str).peekable();
    let mut found = None;
    let is_end = |arg: &str| arg == "--" && client.has(Rule::OptionsEndAtDashes);
    while let Some(arg) = rest.next().filter(|arg| !is_end(arg)) {
        let value = arg.strip_prefix(name).and_then(|tail| tail.strip_prefix('='));
        if value.is_some() || (arg == name && rest.peek().is_some()) {
            found = value.or_else(|| rest.next());
            if !is_last {
                break;
            }
        } else if client.has(Rule::OptionValuesAreNoOptions) {
            kind(OPTIONS, arg, client).unwrap_or(Kind::Flag).skip_values(&mut rest);
        } else if kind(SKIPPED, arg, client).is_some() {
            rest.next();
        }
    }
    found.map(str::to_owned)
}

/// The first name in the list that the client refuses. An empty list is one without names.
fn unknown_setting_source(list: &str) -> Option<&str> {
    let mut names = list.split(',').map(str::trim).filter(|_| !list.is_empty());
    names.find(|name| !matches!(*name, "user" | "project" | "local"))
}

fn is_option(arg: &str) -> bool {
    arg.len() > 1 && arg.starts_with('-')
}

#[derive(Clone, Copy)]
enum Kind {
    Flag,
    /// Whatever comes next, an option too.
    One,
    /// The same, and all that follows up to an option.
    Many,
    /// One value, if what follows is not an option.
    Optional,
}

impl Kind {
    fn skip_values<'a>(self, rest: &mut Peekable<impl Iterator<Item = &'a str>>) {
        if matches!(self, Kind::One | Kind::Many) {
            rest.next();
        }
        let others = match self {
            Kind::Flag | Kind::One => 0,
            Kind::Optional => 1,
            Kind::Many => usize::MAX,
        };
        (0..others).find(|_| rest.next_if(|next| !is_option(next)).is_none());
    }
}

/// How the table has the option for this client.
fn kind(table: &str, name: &str, client: Client) -> Option<Kind> {
    let mut is_known = true;
    table.split_whitespace().find_map(|word| {
        if let Some((from, until)) = word.split_once("..") {
            let bound = |text: &str| text.parse().unwrap_or_default();
            is_known = client >= bound(from) && (until.is_empty() || client < bound(until));
        }
        let kind = match word.strip_prefix(name).filter(|_| is_known)? {
            "" => Kind::Flag,
            "=" => Kind::One,
            "=*" => Kind::Many,
            "=?" => Kind::Optional,
            _ => return None,
        };
        Some(kind)
    })
}

fn has(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|known| known == name)
}

/// The options of `claude`, hidden ones too, after the versions that know them: `FROM..`, or `FROM..UNTIL`. `=` is one
/// value, `=*` one or more, `=?` one or none. Read from the definitions in the clients, of which 1.0.128 is the oldest;
/// `tests/data/options.json` has what they say on both sides of each bound.
const OPTIONS: &str = "\
    0.0.0.. --add-dir=* --agents= --allowed-tools=* --allowedTools=* --append-system-prompt= -c \
    --continue -d2e -d=? --dangerously-skip-permissions --debug-to-stderr --debug=? \
    --disallowed-tools=* --disallowedTools=* --fallback-model= --fork-session -h --help --ide \
    --include-partial-messages --input-format= --max-turns= --mcp-config=* --model= \
    --output-format= -p --permission-mode= --permission-prompt-tool= --print -r=? \
    --replay-user-messages --resume-session-at= --resume=? --sdk-url= --session-id= \
    --setting-sources= --settings= --strict-mcp-config --system-prompt-file= --system-prompt= \
    --teleport=? -v --verbose --version 0.0.0..2.0.0 -g --global 0.0.0..2.1.15 --remote= \
    0.0.0..2.1.193 --mcp-debug 2.0.2.. --max-thinking-tokens= 2.0.25..2.1.76 --plugin-dir=* \
    2.0.26.. --allow-dangerously-skip-permissions 2.0.30.. --enable-auth-status --max-budget-usd= \
    2.0.31.. --tools=* 2.0.33.. --append-system-prompt-file= 2.0.44..2.0.45 --output-schema= \
    2.0.45.. --json-schema= 2.0.58.. --betas=* 2.0.59.. --agent= 2.0.60.. \
    --disable-slash-commands 2.0.64.. --no-session-persistence --rewind-files= 2.0.71.. --chrome \
    --no-chrome 2.1.8.. --file=* 2.1.9.. --init 2.1.10.. --init-only --maintenance 2.1.15.. \
    --remote=? 2.1.16.. --agent-color= --agent-id= --agent-name= --agent-type= \
    --parent-session-id= --plan-mode-required --team-name= --teammate-mode= 2.1.20.. \
    --debug-file= 2.1.27.. --from-pr=? 2.1.38.. --effort= 2.1.47.. --thinking= 2.1.48.. --tmux \
    -w=? --worktree=? 2.1.69.. --prefill= 2.1.71.. --enable-auto-mode --workload= 2.1.72.. \
    --brief 2.1.73.. --rc=? --remote-control=? 2.1.76.. --deep-link-origin -n= --name= \
    --plugin-dir= 2.1.80.. --channels=* --dangerously-load-development-channels=* 2.1.81.. --bare \
    --deep-link-last-fetch= --deep-link-repo= 2.1.84.. --task-budget= 2.1.88.. \
    --include-hook-events 2.1.92.. --remote-control-session-name-prefix= 2.1.94.. \
    --thinking-display= 2.1.97.. --session-mirror 2.1.98.. \
    --exclude-dynamic-system-prompt-sections 2.1.113.. --deep-link-cwd-b64= --prefill-b64= \
    2.1.118.. --managed-settings= --plan-mode-instructions= 2.1.129.. --plugin-url= 2.1.153.. \
    --reply-on-resume 2.1.154.. --prompt-suggestions=? 2.1.166.. --cloud=? 2.1.169.. --safe-mode \
    2.1.172.. --plugin-dir-no-mcp= 2.1.174.. --advisor= 2.1.181.. --ax-screen-reader 2.1.187.. \
    --background --bg 2.1.205.. --append-subagent-system-prompt= 2.1.211.. \
    --forward-subagent-text 2.1.221.. --autocompact= 2.1.223.. --resume-drops-turn= 2.1.224.. \
    --correlation-id= --environment= --messaging-socket-path= --on-branch= --pool= --ref= \
    2.1.233.. --watch-artifact-no-autoreact= --watch-artifact= 2.1.242..2.1.246 \
    --no-home-settings 2.1.246.. --forward-home-settings= 2.1.248.. --restricted 2.1.257.. \
    --inherit-permission-mode= --system-prompt-snapshot= 2.1.259.. --permission-prompts= \
    2.1.261.. --append-subagent-system-prompt-file= --await-initialize 2.1.265.. --attach-serve= \
    2.1.275.. --project-config-root= 2.1.281.. --await-claim 2.1.283.. --client-data-url= \
    2.1.285.. --desktop 2.1.290.. --proactivity= 2.1.299.. --fast-mode= 2.1.302.. \
    --allow-other-models --host-auth-is-org-sign-in --include-unsupported-models 2.1.307.. \
    --runner-declares= 2.1.314.. --agents-view-if-allowed 2.1.315.. --session-began-as-copy= \
    2.1.323.. --ignore-persisted-trust --lead-verify-key= --managed-settings-in-initialize \
    2.1.327.. --initialize-fields= 2.1.328.. --hold-repository-while-parked --metadata=";

/// Those whose value the scan passes over in clients that do not pass over all, from the version on.
const SKIPPED: &str = "\
    2.1.113.. --deep-link-cwd-b64 --deep-link-last-fetch --deep-link-repo --prefill --prefill-b64 \
    --setting-sources --settings 2.1.118.. --managed-settings 2.1.166.. --agent-color --agent-id \
    --agent-name --agent-type --model --parent-session-id --team-name 2.1.172.. --agent --effort \
    --permission-mode 2.1.179.. --session-id 2.1.233.. --watch-artifact \
    --watch-artifact-no-autoreact 2.1.234.. --add-dir --agents --allowed-tools --allowedTools \
    --append-system-prompt --disallowed-tools --disallowedTools";

/// The commands of `claude`. Options after them are theirs.
const COMMANDS: &str = "\
    agents attach auth auto-mode daemon doctor gateway import install kill logs mcp plugin \
    plugins purge respawn rm setup-token stop ultrareview update upgrade";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const KNOWN: Client = Client::at(2, 1, 332);

    fn parse(line: &[&str], client: Client) -> Launch {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        Launch::parse(&line, client)
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
            let launch = parse(line, KNOWN);
            let seen = (launch.bare, launch.restricted, launch.settings.as_deref());
            assert_eq!(seen, (*bare, *restricted, *settings), "{line:?}");
            assert_eq!(launch.mode == Some(Mode::Print), *print, "{line:?}");
            assert_eq!(launch.refused, None, "{line:?}");
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
            assert!(parse(line, KNOWN).refused.is_some(), "{line:?}");
        }
        // A client that is not known yet may know it.
        assert_eq!(parse(&["claude", "--nosuch"], Client::V2).refused, None);
    }

    #[test]
    fn each_version_has_its_options() {
        // By table and option, what the definitions in the clients say of it.
        type Seen = BTreeMap<String, BTreeMap<String, String>>;
        let [options, skipped]: [Seen; 2] =
            serde_json::from_str(include_str!("../../tests/data/options.json")).unwrap();
        let mut wrong = Vec::new();
        for (table, seen) in [(OPTIONS, options), (SKIPPED, skipped)] {
            // Where an option changes: in the clients, and in the table.
            let mut changes = BTreeSet::new();
            for (option, versions) in &seen {
                let at = |(version, what): (&String, &String)| -> (Client, String) {
                    (version.parse().unwrap(), what.clone())
                };
                let mut versions: Vec<_> = versions.iter().map(at).collect();
                versions.sort_by_key(|(version, _)| *version);
                for (version, what) in &versions {
                    let found = match kind(table, option, *version) {
                        None => "unknown",
                        Some(Kind::Flag) => "flag",
                        Some(Kind::One) => "one",
                        Some(Kind::Many) => "many",
                        Some(Kind::Optional) => "optional",
                    };
                    if found != what {
                        wrong.push(format!("{option} at {version}: {found}, and not {what}"));
                    }
                }
                let pairs = versions.windows(2).filter(|pair| pair[0].1 != pair[1].1);
                changes.extend(pairs.map(|pair| (option.as_str(), pair[1].0.to_string())));
            }
            let mut bounds = vec![];
            for word in table.split_whitespace() {
                if let Some((from, until)) = word.split_once("..") {
                    bounds = [from, until]
                        .into_iter()
                        .filter(|bound| !["", "0.0.0"].contains(bound))
                        .collect();
                } else {
                    let option = word.trim_end_matches(['=', '*', '?']);
                    assert!(seen.contains_key(option), "{option} was not seen");
                    for bound in &bounds {
                        if !changes.contains(&(option, (*bound).to_owned())) {
                            wrong.push(format!("{option} was not seen to change at {bound}"));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn older_clients_find_settings_among_the_values_of_options() {
        // Every line was given to 2.1.112, 2.1.200 and 2.1.332.
        let clients = [Client::at(2, 1, 112), Client::at(2, 1, 200), KNOWN];
        for (line, found) in [
            (&["claude", "-n", "--settings={}"][..], [Some("{}"), Some("{}"), None]),
            (&["claude", "--add-dir", "--settings={}"], [Some("{}"), Some("{}"), None]),
            (&["claude", "--model", "--settings={}"], [Some("{}"), None, None]),
            (&["claude", "--", "--settings={}"], [Some("{}"), None, None]),
            (
                &["claude", "--settings={}", "-n", "--settings", "{ }"],
                [Some("{}"), Some("{ }"), Some("{}")],
            ),
        ] {
            let seen = clients.map(|client| parse(line, client).settings);
            assert_eq!(seen.each_ref().map(Option::as_deref), found, "{line:?}");
        }
        let [_, old, new] = clients;
        let reads = |client| parse(&["claude", "-n", "--setting-sources="], client).reads("user");
        assert_eq!([reads(old), reads(new)], [false, true]);
        let refused = |client| {
            parse(&["claude", "-n", "--setting-sources", "-p", "x"], client).refused.is_some()
        };
        assert_eq!([refused(old), refused(new)], [true, false]);
    }

    #[test]
    fn setting_sources_name_the_layers_that_are_read() {
        let read = |line: &[&str]| {
            let launch = parse(line, KNOWN);
            ["user", "project", "local"].map(|source| launch.reads(source))
        };
        assert_eq!(read(&["claude"]), [true, true, true]);
        assert_eq!(read(&["claude", "--setting-sources", "user, local"]), [true, false, true]);
        assert_eq!(read(&["claude", "--setting-sources="]), [false, false, false]);
        let twice = ["claude", "--setting-sources", "user", "--setting-sources", "project"];
        assert_eq!(read(&twice), [false, true, false]);
    }

    #[test]
    fn settings_are_a_file_or_json() {
        let settings = |value: &str| parse(&["claude", "--settings", value], KNOWN);
        assert_eq!(settings(" {} ").flag_settings(), Some(FlagSettings::Json("{}")));
        for file in ["{bad", "[1]", "~/s.json"] {
            assert_eq!(settings(file).flag_settings(), Some(FlagSettings::File(Path::new(file))));
        }
        assert_eq!(settings("").flag_settings(), None);
    }
}
