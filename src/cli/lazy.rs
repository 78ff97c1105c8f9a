//! Arguments of a command that are only built if that command is given: building all of them takes longer than most
//! commands do.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// The arguments `T` of a subcommand.
#[derive(Debug)]
pub(crate) struct Lazy<T>(pub T);

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
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
    build(command.arg(help())).about(about).mut_subcommands(|command| command.arg(help()))
}

fn help() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .help("Print help")
        .help_heading(None)
        .action(ArgAction::HelpShort)
}
