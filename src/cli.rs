//! The command line: the clap tree. Nothing is resolved here.

mod lazy;

use std::iter;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::commands::{
    approve, audit, completions, get_key, helper, man, profile, rotate, run, set_key, undo,
    unset_key, usage, verify,
};
use crate::context::Context;
use crate::error::Exit;
pub(crate) use lazy::Lazy;

/// With target and commit where packaging/build sets them.
const VERSION: &str = match option_env!("CCK_VERSION") {
    Some(version) => version,
    None => concat!(env!("CARGO_PKG_VERSION"), " (built from source)"),
};

/// Put an Anthropic API key where Claude Code will use it, and prove that it does.
#[derive(Debug, Parser)]
#[command(
    name = "cck",
    version = VERSION,
    max_term_width = 100,
    disable_help_flag = true,
    args = lazy::common(false),
    after_help = "More options, files and variables: cck man"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write an API key into Claude Code's config
    #[command(alias = "login")]
    SetKey(Lazy<set_key::SetKeyArgs>),
    /// Replace the key and remove every copy of the old one
    Rotate(Lazy<Box<rotate::RotateArgs>>),
    /// Remove the key
    #[command(alias = "logout")]
    UnsetKey(Lazy<unset_key::UnsetKeyArgs>),
    /// Show which credential Claude Code sends, and why
    #[command(aliases = ["status", "doctor"])]
    Verify(Lazy<verify::VerifyArgs>),
    /// Pre-approve $ANTHROPIC_API_KEY for interactive sessions
    Approve(Lazy<approve::ApproveArgs>),
    /// Revert the last change
    Undo(Lazy<undo::UndoArgs>),
    /// Show or check the audit log
    Audit(Lazy<audit::AuditCmdArgs>),
    /// Manage named key sources, one per tenant
    Profile(Lazy<profile::ProfileArgs>),
    /// Run a command that can use the key but never sees it
    #[command(alias = "exec")]
    Run(Lazy<run::RunArgs>),
    /// Show what was used, by key, model or project
    Usage(Lazy<usage::UsageArgs>),
    /// Print the key (for apiKeyHelper and scripts)
    GetKey(Lazy<get_key::GetKeyArgs>),
    /// Let Claude Code fetch the key from cck, so none is stored
    Helper(Lazy<helper::HelperArgs>),
    /// Print the completion script for a shell
    Completions(Lazy<completions::CompletionsArgs>),
    /// Print the manual page
    Man(Lazy<man::ManArgs>),
}

/// Reads the arguments. `--quiet` holds wherever among them it stands.
pub(crate) fn parse(context: &mut Context) -> Result<Cli, clap::Error> {
    let mut matches = Cli::command().try_get_matches_from(&context.args)?;
    let mut levels = iter::successors(Some(&matches), |level| Some(level.subcommand()?.1));
    context.quiet = levels.any(|level| level.get_flag("quiet"));
    Cli::from_arg_matches_mut(&mut matches)
}

pub(crate) fn dispatch(cli: Cli, context: &mut Context) -> anyhow::Result<Exit> {
    match cli.command {
        None => verify::status(context),
        Some(Command::SetKey(args)) => set_key::run(args.0, context),
        Some(Command::Rotate(args)) => rotate::run(*args.0, context),
        Some(Command::UnsetKey(args)) => unset_key::run(args.0, context),
        Some(Command::Verify(args)) => verify::run(&args.0, context),
        Some(Command::Approve(args)) => approve::run(args.0, context),
        Some(Command::Undo(args)) => undo::run(args.0, context),
        Some(Command::Audit(args)) => audit::run(&args.0, context),
        Some(Command::Profile(args)) => profile::run(args.0, context),
        Some(Command::Run(args)) => run::run(args.0, context),
        Some(Command::Usage(args)) => usage::run(&args.0, context),
        Some(Command::GetKey(args)) => get_key::run(args.0, context),
        Some(Command::Helper(args)) => helper::run(args.0, context),
        Some(Command::Completions(args)) => completions::run(&args.0, context),
        Some(Command::Man(args)) => man::run(&args.0, context),
    }
}

/// Shorter arguments are words, not keys.
const SHORTEST_KEY: usize = 16;

/// Prints help, version or a usage error. That quotes an argument, which may be a key: what looks like one is cut out.
pub(crate) fn report(context: &mut Context, error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        context.out.push_str(&error.render().ansi().to_string());
        return Exit::Done;
    }
    let args: Vec<String> =
        context.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (problem, advice) = two_lines(error, &args);
    let (problem, found) = redact(problem, &args);
    let (advice, _) = redact(advice, &args);
    let key_advice = "give a key with --key-env, --key-file or --stdin: cck set-key --help";
    context.error(&problem, Some(if found { key_advice } else { &advice }));
    Exit::Error
}

fn two_lines(error: &clap::Error, args: &[String]) -> (String, String) {
    let mut path = "cck".to_owned();
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for arg in args.iter().skip(1) {
        let Some(sub) = command.find_subcommand(arg) else { break };
        path = format!("{path} {}", sub.get_name());
        command = sub;
    }
    let help = format!("{path} --help");
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let names: Vec<&str> = command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
            .map(clap::Command::get_name)
            .collect();
        return (format!("{path} needs a command: {}", names.join(", ")), help);
    }
    let text = error.render().to_string();
    let (problem, _) = text.split_once("\n\n").unwrap_or((&text, ""));
    let words: Vec<&str> =
        problem.lines().map(str::trim).filter(|line| !line.starts_with("[possible")).collect();
    let problem = words.join(" ").trim_start_matches("error: ").to_owned();
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => vec![value.clone()],
        Some(ContextValue::Strings(values)) => values.clone(),
        _ => Vec::new(),
    };
    // clap sorts them, the nearest last.
    let near: Vec<String> =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            .flat_map(text)
            .collect();
    let valid = text(ContextKind::ValidValue);
    let advice = if let Some(near) = near.last() {
        format!("{near}, or see {help}")
    } else if !valid.is_empty() {
        format!("one of {}", valid.join(", "))
    } else {
        help
    };
    (problem, advice)
}

fn redact(mut text: String, args: &[String]) -> (String, bool) {
    let mut found = false;
    for arg in args.iter().skip(1) {
        let value = arg
            .split_once('=')
            .filter(|_| arg.starts_with('-'))
            .map_or(arg.as_str(), |(_, value)| value);
        let may_be_key =
            value.len() >= SHORTEST_KEY && !value.starts_with('-') && !value.contains(['/', ' ']);
        if may_be_key && text.contains(value) {
            text = text.replace(value, "…");
            found = true;
        }
    }
    (text, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_usage_error_shows_no_key() {
        let args = ["cck", "sk-ant-api03-abcdefgh", "--kee=abcdefghijklmnopqrst"].map(String::from);
        let text =
            "unexpected 'sk-ant-api03-abcdefgh' '--kee=abcdefghijklmnopqrst' found".to_owned();
        assert_eq!(redact(text, &args), ("unexpected '…' '--kee=…' found".to_owned(), true));
    }

    #[test]
    fn a_usage_error_is_two_lines_with_the_next_step() {
        for (args, problem, advice) in [
            ("verfy", "unrecognized subcommand 'verfy'", "verify, or see cck --help"),
            ("set-ky", "unrecognized subcommand 'set-ky'", "set-key, or see cck --help"),
            (
                "verify --mode x",
                "invalid value 'x' for '--mode <MODE>'",
                "one of print, interactive, all",
            ),
            (
                "set-key --key-fil x",
                "unexpected argument '--key-fil' found",
                "--key-file, or see cck set-key --help",
            ),
            (
                "profile",
                "cck profile needs a command: add, list, show, remove",
                "cck profile --help",
            ),
            (
                "profile add",
                "the following required arguments were not provided: <NAME>",
                "cck profile add --help",
            ),
        ] {
            let args: Vec<String> = format!("cck {args}").split(' ').map(String::from).collect();
            let error = Cli::try_parse_from(&args).unwrap_err();
            assert_eq!(two_lines(&error, &args), (problem.to_owned(), advice.to_owned()));
        }
    }

    #[test]
    fn quiet_holds_before_and_after_the_command() {
        for args in ["-q verify", "verify --quiet", "profile list -q", "profile -q list"] {
            let mut context = Context::for_test(
                &args.split(' ').collect::<Vec<_>>(),
                &[],
                ".".as_ref(),
                "/".as_ref(),
            );
            parse(&mut context).unwrap();
            assert!(context.quiet, "{args}");
        }
    }

    #[test]
    fn what_people_type_finds_its_command() {
        for (alias, name) in [
            ("status", "verify"),
            ("doctor", "verify"),
            ("login", "set-key"),
            ("logout", "unset-key"),
            ("exec", "run"),
        ] {
            let found = Cli::command().find_subcommand(alias).map(|sub| sub.get_name().to_owned());
            assert_eq!(found.as_deref(), Some(name));
        }
    }
}
