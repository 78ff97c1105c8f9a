//! Arguments of a command that are only built if that command is given: building all of them takes longer than most
//! commands do.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::context::Context;

/// The arguments `T` of a subcommand, and what every command has.
#[derive(Debug)]
pub(crate) struct Lazy<T> {
    args: T,
    quiet: bool,
}

impl<T> Lazy<T> {
    /// The arguments; what holds for every command goes to `context`.
    pub(crate) fn enter(self, context: &mut Context) -> T {
        context.quiet |= self.quiet;
        self.args
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(|args| Lazy { args, quiet: is_quiet(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.quiet = is_quiet(matches);
        self.args.update_from_arg_matches(matches)
    }
}

fn is_quiet(matches: &ArgMatches) -> bool {
    matches.get_flag("quiet") || matches.subcommand().is_some_and(|(_, sub)| sub.get_flag("quiet"))
}

impl<T: Args> Args for Lazy<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args_for_update))
    }
}

/// Builds the arguments; what the command is for stays as its parent says.
fn described(command: Command, build: fn(Command) -> Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let common = |command: Command| command.arg(help()).arg(quiet());
    build(common(command)).about(about).mut_subcommands(common)
}

fn quiet() -> Arg {
    Arg::new("quiet")
        .short('q')
        .long("quiet")
        .help("Print only errors, warnings and the data that was asked for")
        .help_heading(None)
        .hide_short_help(true)
        .action(ArgAction::SetTrue)
}

fn help() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .help("Print help")
        .help_heading(None)
        .action(ArgAction::HelpShort)
}
