//! The command line: the clap tree. Nothing is resolved here.

mod lazy;

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cmd;
use crate::context::Context;
use crate::exit::Exit;
pub use lazy::Lazy;

/// Put an Anthropic API key where Claude Code will use it, and prove that it does.
#[derive(Debug, Parser)]
#[command(
    name = "cck",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    after_help = "Rarer options, files and variables: cck man | man -l -"
)]
pub struct Cli {
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
pub enum Command {
    /// Put a key into Claude Code's config
    SetKey(Lazy<cmd::set_key::SetKeyArgs>),
    /// Swap a new key in, and leave nothing of the old one behind
    Rotate(Lazy<Box<cmd::rotate::RotateArgs>>),
    /// Take the key out of Claude Code's config, and out of its copies
    UnsetKey(Lazy<cmd::unset_key::UnsetKeyArgs>),
    /// Say which credential Claude Code really sends, and why
    Verify(Lazy<cmd::verify::VerifyArgs>),
    /// Let interactive Claude Code use $ANTHROPIC_API_KEY unasked
    Approve(Lazy<cmd::approve::ApproveArgs>),
    /// Put back what the last change replaced
    Undo(Lazy<cmd::undo::UndoArgs>),
    /// Show or check the trail of changes
    Audit(Lazy<cmd::audit::AuditCmdArgs>),
    /// Name the places that keys come from, one a tenant
    Profile(Lazy<cmd::profile::ProfileArgs>),
    /// Run a command with the key in a private config, gone afterwards
    Run(Lazy<cmd::run::RunArgs>),
    /// Print the key alone, for apiKeyHelper and other programs
    GetKey(Lazy<cmd::get_key::GetKeyArgs>),
    /// Have Claude Code ask cck for the key, so that none rests in it
    Helper(Lazy<cmd::helper::HelperArgs>),
    /// Print the script that completes this command line in a shell
    Completions(Lazy<cmd::completions::CompletionsArgs>),
    /// Print the manual page
    Man(Lazy<cmd::man::ManArgs>),
}

/// Parses the arguments of the process.
///
/// # Errors
/// Help and version as well as what is wrong.
pub fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    match Command::alone(args.get(1..).unwrap_or_default()) {
        Some(command) => Ok(Cli { help: None, command: Some(command) }),
        None => Cli::try_parse_from(args),
    }
}

impl Command {
    /// The command that `args` begins with, if all is as it should be: the tree of this command takes a third of the time
    /// of the whole one. Help and errors are the whole tree's to tell.
    fn alone(args: &[OsString]) -> Option<Command> {
        Some(match args.first()?.to_str()? {
            "set-key" => Command::SetKey(lazy::alone(args)?),
            "rotate" => Command::Rotate(lazy::alone(args)?),
            "unset-key" => Command::UnsetKey(lazy::alone(args)?),
            "verify" => Command::Verify(lazy::alone(args)?),
            "approve" => Command::Approve(lazy::alone(args)?),
            "undo" => Command::Undo(lazy::alone(args)?),
            "audit" => Command::Audit(lazy::alone(args)?),
            "profile" => Command::Profile(lazy::alone(args)?),
            "run" => Command::Run(lazy::alone(args)?),
            "get-key" => Command::GetKey(lazy::alone(args)?),
            "helper" => Command::Helper(lazy::alone(args)?),
            _ => return None,
        })
    }
}

/// Shorter arguments are words, not keys.
const SHORTEST_KEY: usize = 16;

/// Prints help, version or a usage error, and returns the exit code for it.
///
/// A usage error quotes the argument it stumbled over; that may be a key typed in the wrong place, so whatever looks
/// like one is cut out.
pub fn usage(context: &mut Context, error: &clap::Error) -> Exit {
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
    fn a_command_alone_is_what_the_whole_tree_makes_of_it() {
        for line in [
            "set-key --key-env A --dry-run",
            "rotate --stdin",
            "unset-key --scrub",
            "verify --mode print --json",
            "approve --revoke",
            "undo",
            "audit --check",
            "profile list",
            "profile add n --key-env A",
            "run --trust -- a -h --help",
            "get-key --profile n",
            "helper show",
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let whole = Cli::try_parse_from([&["cck".into()], &args[..]].concat()).unwrap();
            let alone = Command::alone(&args).expect(line);
            assert_eq!(format!("{:?}", Some(alone)), format!("{:?}", whole.command));
        }
        for line in [
            "verify --help",
            "verify -h",
            "profile help",
            "verify --jsno",
            "nothing",
            "help",
            "--version",
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(Command::alone(&args).is_none(), "{line}");
        }
    }

    #[test]
    fn a_usage_error_shows_no_key() {
        let args = ["cck", "sk-ant-api03-abcdefgh", "--kee=abcdefghijklmnopqrst"].map(String::from);
        let text =
            "unexpected 'sk-ant-api03-abcdefgh' '--kee=abcdefghijklmnopqrst' found".to_owned();
        assert_eq!(redact(text, &args), ("unexpected '…' '--kee=…' found".to_owned(), true));
    }
}
