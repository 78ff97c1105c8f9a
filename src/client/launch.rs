//! How the client is started: what its command line and its launcher decide about the credential.
//!
//! Options are read as the client reads them (its code and runs of it, 2026-11-25 and 26): a scan of its own finds
//! `--settings` and `--setting-sources`, and `--bare` counts wherever the word stands before `--`, as the value of
//! another option too. Everything else is parsed by commander, which refuses what it does not know; then the client
//! refuses what does not go together.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::Path;

use clap::ValueEnum;

use super::options::{Kind, conflict, find, fits, is_nearly, is_option, list, words};
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
    /// Whether it is refused only when the client has asked its questions (2.1.166 to 2.1.332, observed 2026-11-27).
    pub asks_first: bool,
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
        let mut launch = Launch {
            bare: args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--bare"),
            settings: scan(&args, "--settings", client).filter(|value| !value.is_empty()),
            setting_sources: scan(&args, "--setting-sources", client),
            ..Launch::default()
        };
        let mut sources = launch.setting_sources.iter().flat_map(|list| list.split(','));
        let is_known = |name: &str| fits("user|project|local", name.trim());
        if launch.setting_sources.as_deref() != Some("") && !sources.all(is_known) {
            launch.refuse("--setting-sources takes user, project and local only".to_owned());
        }
        let mut rest = args.iter().map(String::as_str).peekable();
        let mut given = Vec::new();
        let mut operand = None;
        while let Some(arg) = rest.next().filter(|arg| *arg != "--") {
            if !is_option(arg) {
                operand.get_or_insert(arg);
            } else if let Err(reason) = option(arg, &mut rest, client, &mut given) {
                launch.refuse(reason);
            }
        }
        let has = |name| given.iter().any(|(given, _)| *given == name);
        launch.restricted = has("--restricted");
        launch.mode = Some(if has("--print") { Mode::Print } else { Mode::Interactive });
        if let Some(reason) = conflict("conflicts", &given, client) {
            launch.refuse(reason);
        } else if let Some(reason) = conflict("late conflicts", &given, client) {
            launch.asks_first = launch.refused.is_none();
            launch.refuse(reason);
        }
        let operand = operand.or_else(|| rest.next()).unwrap_or_default();
        let is_prompt = has("--print") && client.has(Rule::CommandIsPromptInPrint);
        // Where it goes on with a conversation, or prints, it does not ask what was meant.
        let asks = !["--print", "--continue", "--resume"].into_iter().any(has);
        let is_command =
            words(list("commands"), client).any(|name| match name.split_at(name.len() - 1) {
                (name, "!") => args.first().is_some_and(|first| first == name),
                (name, "?") => operand == name && !is_prompt,
                _ if operand == name => !is_prompt,
                _ => asks && client.has(Rule::MistakenCommandEnds) && is_nearly(operand, name),
            });
        if is_command {
            launch.refuse(format!("`claude {operand}` does not start a session"));
        }
        launch
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
            if let Some(known) = find("options", arg, client) {
                known.kind.take(&mut rest);
            }
        } else if find("skipped", arg, client).is_some() {
            rest.next();
        }
    }
    found.map(str::to_owned)
}

/// Reads an option with its values and adds it to those given; or returns why the client refuses it.
fn option<'a>(
    arg: &str,
    rest: &mut Peekable<impl Iterator<Item = &'a str>>,
    client: Client,
    given: &mut Vec<(&'static str, String)>,
) -> Result<(), String> {
    let is_long = arg.starts_with("--");
    let (name, value) = match (arg.char_indices().nth(2), arg.split_once('=')) {
        (_, Some((name, value))) if is_long => (name, Some(value)),
        // `-cp` is `-c -p`; `-nNAME` is `-n NAME`.
        (Some((end, _)), _) if !is_long && find("options", arg, client).is_none() => {
            (&arg[..end], Some(&arg[end..]))
        }
        _ => (arg, None),
    };
    // A client that is newer than the lists may know more.
    let refuse = |reason| if client > NEWEST { Ok(()) } else { Err(reason) };
    let Some(known) = find("options", name, client) else {
        return refuse(format!("Claude Code does not know the option {name}"));
    };
    let values = match (known.kind, value) {
        (Kind::Flag, Some(_)) if is_long => {
            return refuse(format!("the option {name} takes no value"));
        }
        (Kind::Flag, _) => Vec::new(),
        (_, Some(value)) => vec![value],
        (Kind::One | Kind::Many, None) if rest.peek().is_none() => {
            return Err(format!("the option {name} has no value"));
        }
        (kind, None) => kind.take(rest),
    };
    if !values.iter().all(|value| fits(known.values, value)) {
        refuse(format!("the option {name} does not take its value"))?;
    }
    given.push((known.name, values.last().copied().unwrap_or_default().to_owned()));
    match value {
        Some(others) if known.kind == Kind::Flag => {
            option(&format!("-{others}"), rest, client, given)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
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
            (&["claude", "-d", "x", "-r", "x", "-p"], false, false, None, true),
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
            &["claude", "--", "doctor"],
            &["claude", "Doctor"],
            &["claude", "instal"],
            &["claude", "--verbose", "udpate"],
            &["claude", "attach", "x", "-p"],
            &["claude", "-p", "hi", "--output-format", "yaml", "--output-format", "json"],
            &["claude", "-p", "hi", "--session-id", "x"],
            &["claude", "-p", "hi", "--json-schema", "{"],
            &["claude", "-p", "-r"],
            &["claude", "--no-session-persistence"],
            &["claude", "--tmux"],
        ] {
            assert!(parse(line, KNOWN).refused.is_some(), "{line:?}");
        }
        for line in [
            &["claude", "-p", "hi", "--session-id", "x", "--session-id="][..],
            &["claude", "--json-schema", "{"],
            &["claude", "--verbose", "attach"],
            &["claude", "-c", "docter"],
            &["claude", "-p", "docter"],
            &["claude", "dcotr"],
            &["claude", "--output-format=stream-json"],
            &["claude", "-p", "hi", "--max-turns", " 1e3 "],
        ] {
            assert_eq!(parse(line, KNOWN).refused, None, "{line:?}");
        }
        // A client that is not known yet may know it.
        for line in [&["claude", "--nosuch"][..], &["claude", "--output-format", "yaml"]] {
            assert_eq!(parse(line, Client::V2).refused, None);
        }
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
