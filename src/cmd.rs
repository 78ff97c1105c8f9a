//! The commands, one file each: its arguments and its `run`.

pub mod approve;
pub mod audit;
pub mod change;
pub mod completions;
pub mod get_key;
pub mod helper;
pub mod in_force;
pub mod man;
pub mod profile;
pub mod rotate;
pub mod run;
pub mod set_key;
pub mod status;
pub mod target;
pub mod undo;
pub mod unset_key;
pub mod verify;

use crate::cli::{Cli, Command, Lazy};
use crate::context::Context;
use crate::exit::Exit;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever the command could not do; the caller prints it.
pub fn run(cli: Cli, context: &mut Context) -> anyhow::Result<Exit> {
    match cli.command {
        None => status::run(context),
        Some(Command::Profile(Lazy(args))) => profile::run(args, context),
        Some(Command::Verify(Lazy(args))) => verify::run(&args, context),
        Some(Command::SetKey(Lazy(args))) => set_key::run(args, context),
        Some(Command::Rotate(Lazy(args))) => rotate::run(*args, context),
        Some(Command::UnsetKey(Lazy(args))) => unset_key::run(args, context),
        Some(Command::Approve(Lazy(args))) => approve::run(args, context),
        Some(Command::Undo(Lazy(args))) => undo::run(args, context),
        Some(Command::Audit(Lazy(args))) => audit::run(&args, context),
        Some(Command::Completions(Lazy(args))) => completions::run(&args, context),
        Some(Command::Man(Lazy(args))) => man::run(&args, context),
        Some(Command::Run(Lazy(args))) => run::run(args, context),
        Some(Command::GetKey(Lazy(args))) => get_key::run(args, context),
        Some(Command::Helper(Lazy(args))) => helper::run(args, context),
    }
}
