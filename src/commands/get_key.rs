//! `cck get-key`: prints the key alone, for `apiKeyHelper` and other programs.

use std::time::Duration;

use clap::Args;

use crate::context::Context;
use crate::error::Exit;
use crate::key::ApiKey;
use crate::key::cache::Cache;
use crate::key::place;
use crate::key::source::{Source, SourceArgs};
use crate::profile::{Profile, ProfileArg};

/// The arguments of `cck get-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck get-key --profile acme
  cck get-key --key-command 'pass show anthropic' --ttl 300
  curl -H \"x-api-key: $(cck get-key --profile acme)\" …   (visible in ps: prefer -H @file)")]
pub(crate) struct GetKeyArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// Keep what a key command printed for so long, in memory, and ask it once for all callers
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    ttl: Option<u64>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs `cck get-key`.
pub(crate) fn run(args: GetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let source = Source::resolve_for(args.source, profile.as_ref(), context)?;
    let key = match args.ttl.map(Duration::from_secs) {
        Some(ttl) => cached(&source, profile.as_ref(), ttl, context)?,
        None => source.read(context)?,
    };
    context.say_key(&key);
    Ok(Exit::Done)
}

/// Only commands are worth it: reading a file or a variable is as quick as reading the cache.
fn cached(
    source: &Source,
    profile: Option<&Profile>,
    ttl: Duration,
    context: &mut Context,
) -> anyhow::Result<ApiKey> {
    let inner = match source {
        Source::Profile(_, inner) => inner,
        source => source,
    };
    let Source::Command(command, timeout) = inner else {
        return source.read(context);
    };
    let base = place::base(context);
    let cache = if base.in_memory {
        Cache::open(&base.path).map_err(|error| error.to_string())
    } else {
        Err(place::NOT_IN_MEMORY.to_owned())
    };
    match cache {
        Ok(cache) => {
            // What the command prints may hang on the directory it is run in and on whose home it is.
            let owner = profile.map(|profile| (&profile.name, &profile.file));
            let name = format!("{owner:?} {command} {:?} {:?}", context.cwd(), context.home());
            cache.get(&name, ttl, *timeout, || source.read(context))
        }
        Err(problem) => {
            context.warn(&format!("the key is not kept: {problem}"));
            source.read(context)
        }
    }
}
