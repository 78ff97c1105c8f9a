//! cck puts an Anthropic API key where Claude Code will use it, and proves that it does.

pub mod admin;
pub mod broker;
pub mod cli;
pub mod client;
pub mod commands;
pub mod context;
pub mod disk;
pub mod document;
pub mod error;
pub mod http;
pub mod json;
pub mod key;
pub mod output;
pub mod private;
pub mod process;
pub mod profile;
pub mod records;
pub mod report;
pub mod shell;
pub mod signals;
pub mod store;

use std::process::ExitCode;

use clap::CommandFactory;
use cli::Cli;
use context::Context;
use disk::tools::{LOOK, ROOM};
use error::{Exit, Failure};

pub fn main() -> ExitCode {
    process::disable_core_dumps();
    signals::survive_size_limit();
    run(&mut Context::from_process()).into()
}

pub fn run(context: &mut Context) -> Exit {
    let exit = match commands::completions::answer(Cli::command, context) {
        Some(exit) => exit,
        None => match cli::parse(context) {
            Ok(cli) => cli::dispatch(cli, context).unwrap_or_else(|error| {
                report(context, &error);
                failed(context)
            }),
            Err(error) => cli::report(context, &error),
        },
    };
    match context.flush() {
        Ok(()) => exit,
        // The reader of our output has gone (`cck verify | head -1`); what was asked for is done.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit,
        Err(error) => {
            context.warn(&format!("cannot write to standard output: {error}"));
            failed(context)
        }
    }
}

/// The exit code after an error: 2 promises that nothing was changed.
fn failed(context: &Context) -> Exit {
    if context.changed { Exit::No } else { Exit::Error }
}

fn report(context: &mut Context, error: &anyhow::Error) {
    if let Some(Failure { problem, advice }) = error.downcast_ref() {
        return context.error(problem, Some(advice));
    }
    let is_refusal = error.chain().any(|cause| cause.is::<std::io::Error>());
    let look = format!("look at the file ({LOOK}), and whether the disk is full ({ROOM})");
    context.error(&format!("{error:#}"), is_refusal.then_some(&look));
}
