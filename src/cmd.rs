//! The commands, one file each.

use crate::cli::Cli;
use crate::context::Context;
use crate::exit::Exit;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever the command could not do; the caller prints it.
pub fn run(cli: Cli, _context: &mut Context) -> anyhow::Result<Exit> {
    match cli.command {
        None => Ok(Exit::Done),
    }
}
