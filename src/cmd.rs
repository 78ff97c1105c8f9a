//! The commands, one file each.

pub mod profile;
pub mod verify;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::exit::Exit;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever the command could not do; the caller prints it.
pub fn run(cli: Cli, context: &mut Context) -> anyhow::Result<Exit> {
    match cli.command {
        None => Ok(Exit::Done),
        Some(Command::Profile(args)) => profile::run(args, context),
        Some(Command::Verify(args)) => verify::run(&args, context),
    }
}
