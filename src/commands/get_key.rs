//! `cck get-key`: prints the key alone, for `apiKeyHelper` and other programs.

use std::ffi::OsStr;
use std::time::Duration;

use clap::Args;

use super::change;
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::key::source::{DEFAULT_VARIABLE, KeySource, NAME_ONE, Place, SourceArgs};
use crate::key::{ApiKey, cache::Cache, place};
use crate::profile::{self, Profile, ProfileArg};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck get-key --profile acme
  cck get-key --key-command 'pass show anthropic' --ttl 300")]
pub(crate) struct GetKeyArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// Keep the output of a key command in memory for so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    ttl: Option<u64>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) fn run(args: GetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    change::clear_expired(context);
    let profile = args.profile.enter(context)?;
    let is_named = args.source.names_one();
    let source = profile::key_source(args.source, profile.as_ref(), context)?;
    if source.place == Place::Prompt && !is_named {
        let problem = format!("no source was given, and {DEFAULT_VARIABLE} is not set");
        return Err(fail(problem, format!("{NAME_ONE}, or a profile (see cck profile list)")));
    }
    let key = match args.ttl.map(Duration::from_secs) {
        Some(ttl) => cached(&source, profile.as_ref(), ttl, context)?,
        None => source.read_or_ask("API key", context)?,
    };
    context.out.push_str(key.reveal());
    context.out.push('\n');
    Ok(Exit::Done)
}

/// Only commands are worth it: reading a file or a variable is as quick as reading the cache.
fn cached(
    source: &KeySource,
    profile: Option<&Profile>,
    ttl: Duration,
    context: &mut Context,
) -> anyhow::Result<ApiKey> {
    let Place::Command(command, timeout) = &source.place else { return source.read(context) };
    let base = place::base(context);
    let cache = if base.in_memory {
        Cache::open(&base.path).map_err(|error| error.to_string())
    } else {
        Err(place::NOT_IN_MEMORY.to_owned())
    };
    match cache {
        Ok(cache) => {
            // What the command prints may depend on all that it sees: its directory and its environment.
            let owner = profile.map(|profile| (&profile.name, &profile.file));
            let seen: Vec<_> =
                context.vars().iter().filter(|(name, _)| !is_bookkeeping(name)).collect();
            let name = format!("{owner:?} {command} {:?} {seen:?}", context.cwd());
            cache.get(&name, ttl, *timeout, || source.read(context))
        }
        Err(problem) => {
            context.warn(&format!("the key is not kept: {problem}"));
            source.read(context)
        }
    }
}

/// Whether a variable differs between shells and terminals, and no secret store asks for it.
fn is_bookkeeping(name: &OsStr) -> bool {
    const NAMES: &str = "_ SHLVL PWD OLDPWD COLUMNS LINES COLORTERM WINDOWID STY CLAUDECODE SSH_TTY SSH_CLIENT SSH_CONNECTION XDG_SESSION_ID";
    const STARTS: &str = "TERM TMUX CLAUDE_CODE_ VTE_ KONSOLE_";
    let name = name.to_string_lossy();
    NAMES.split(' ').any(|known| *known == *name)
        || STARTS.split(' ').any(|start| name.starts_with(start))
}
