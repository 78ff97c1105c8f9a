//! Arguments of a command, built only if that command is given: to build all takes longer than most commands do.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

#[derive(Debug)]
pub(crate) struct Lazy<T>(pub T);

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Lazy::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Args> Args for Lazy<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| {
            // What the command is for stays as its parent says.
            let about = command.get_about().cloned().unwrap_or_default();
            let with_common = |command: Command| command.args(common(true));
            T::augment_args(with_common(command)).about(about).mut_subcommands(with_common)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// What every command has; as global arguments clap would copy them into each at every start. `--help` is as short as
/// `-h`, so that it fits a screen; the man pages have the rest.
pub(super) fn common(is_quiet_hidden: bool) -> [Arg; 2] {
    let flag =
        |name: &'static str, short| Arg::new(name).long(name).short(short).help_heading(None);
    let quiet = "Print only errors, warnings and the data that was asked for";
    [
        flag("help", 'h').help("Print help").action(ArgAction::HelpShort),
        flag("quiet", 'q').help(quiet).hide_short_help(is_quiet_hidden).action(ArgAction::SetTrue),
    ]
}
