//! The command line: the clap tree. Nothing is resolved here.

mod lazy;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands;
use crate::context::Context;
use crate::error::Exit;
pub(crate) use lazy::Lazy;

/// Put an Anthropic API key where Claude Code will use it, and prove that it does.
#[derive(Debug, Parser)]
#[command(
    name = "cck",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    after_help = "Rarer options, files and variables: cck man | man -l -"
)]
pub(crate) struct Cli {
    // `--help` is as short as `-h`, so that it fits a screen; the man pages have the rest. The commands have it by
    // `lazy`: as a global argument clap copies it into each of them at every start.
    /// Print help
    #[arg(short, long, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
    /// What to do; without it, cck says what is in force.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Put a key into Claude Code's config
    SetKey(Lazy<commands::set_key::SetKeyArgs>),
    /// Swap a new key in, and leave nothing of the old one behind
    Rotate(Lazy<Box<commands::rotate::RotateArgs>>),
    /// Take the key out of Claude Code's config, and out of its copies
    UnsetKey(Lazy<commands::unset_key::UnsetKeyArgs>),
    /// Say which credential Claude Code really sends, and why
    Verify(Lazy<commands::verify::VerifyArgs>),
    /// Let interactive Claude Code use $ANTHROPIC_API_KEY unasked
    Approve(Lazy<commands::approve::ApproveArgs>),
    /// Put back what the last change replaced
    Undo(Lazy<commands::undo::UndoArgs>),
    /// Show or check the trail of changes
    Audit(Lazy<commands::audit::AuditCmdArgs>),
    /// Name the places that keys come from, one a tenant
    Profile(Lazy<commands::profile::ProfileArgs>),
    /// Run a command with the key in a private config, gone afterwards
    Run(Lazy<commands::run::RunArgs>),
    /// Print the key alone, for apiKeyHelper and other programs
    GetKey(Lazy<commands::get_key::GetKeyArgs>),
    /// Have Claude Code ask cck for the key, so that none rests in it
    Helper(Lazy<commands::helper::HelperArgs>),
    /// Print the script that completes this command line in a shell
    Completions(Lazy<commands::completions::CompletionsArgs>),
    /// Print the manual page
    Man(Lazy<commands::man::ManArgs>),
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, context: &mut Context) -> anyhow::Result<Exit> {
    match cli.command {
        None => commands::status::run(context),
        Some(Command::Profile(Lazy(args))) => commands::profile::run(args, context),
        Some(Command::Verify(Lazy(args))) => commands::verify::run(&args, context),
        Some(Command::SetKey(Lazy(args))) => commands::set_key::run(args, context),
        Some(Command::Rotate(Lazy(args))) => commands::rotate::run(*args, context),
        Some(Command::UnsetKey(Lazy(args))) => commands::unset_key::run(args, context),
        Some(Command::Approve(Lazy(args))) => commands::approve::run(args, context),
        Some(Command::Undo(Lazy(args))) => commands::undo::run(args, context),
        Some(Command::Audit(Lazy(args))) => commands::audit::run(&args, context),
        Some(Command::Completions(Lazy(args))) => commands::completions::run(&args, context),
        Some(Command::Man(Lazy(args))) => commands::man::run(&args, context),
        Some(Command::Run(Lazy(args))) => commands::run::run(args, context),
        Some(Command::GetKey(Lazy(args))) => commands::get_key::run(args, context),
        Some(Command::Helper(Lazy(args))) => commands::helper::run(args, context),
    }
}

/// Shorter arguments are words, not keys.
const SHORTEST_KEY: usize = 16;

/// Prints help, version or a usage error, and returns the exit code for it.
///
/// A usage error quotes the argument it stumbled over; that may be a key typed in the wrong place, so whatever looks
/// like one is cut out.
pub(crate) fn usage(context: &mut Context, error: &clap::Error) -> Exit {
    let text = error.render().ansi().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        context.out.push_str(&text);
        return Exit::Done;
    }
    let args: Vec<String> =
        context.args().iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (text, found) = redact(text, &args);
    context.warn_raw(&text);
    if found {
        context.warn("a key was given as a bare argument; use --key-env, --key-file or --stdin (see cck set-key --help)");
    }
    Exit::Error
}

/// Cuts every argument out of `text` that may be a key.
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
    use clap::CommandFactory;

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
}
