//! `cck run`: runs a command whose Claude Code sends the key, and leaves no key behind.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

use crate::client::decision::{Header, Provider};
use crate::client::launch::Launch;
use crate::client::paths::Paths;
use crate::client::source::Source as Credential;
use crate::client::{Client, conflict, gather, resolve};
use crate::context::Context;
use crate::disk;
use crate::error::Exit;
use crate::error::fail;
use crate::key::ApiKey;
use crate::key::source::{Source, SourceArgs};
use crate::output::one_line;
use crate::profile::{self, ProfileArg};
use crate::session::child::{self, Signals, start_failure};
use crate::session::{self, Session, keep, place, seed};

/// The arguments of `cck run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck run --profile acme -- claude
  vault kv get -field=key secret/claude | cck run --stdin -- claude -p 'hello'

The command gets a CLAUDE_CONFIG_DIR of its own, in memory, which is gone when
it ends. Its exit code is cck's: 127 if not found, 126 if it cannot be run,
128 + N if signal N ended it, 2 if cck itself could not get that far.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    profile: ProfileArg,
    #[command(flatten)]
    source: SourceArgs,
    /// Trust the files of the working directory, so that the client does not ask
    #[arg(long)]
    trust: bool,
    /// Keep the conversations, so that --resume finds them later
    #[arg(long)]
    keep_sessions: bool,
    /// The API's address for this run
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Tell what is left out of the command's environment and settings
    #[arg(long, short)]
    verbose: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs `cck run`.
pub(crate) fn run(args: RunArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let own = own_claude_dir(context);
    let profile = args.profile.enter(context)?;
    // With a profile the settings and conversations are the profile's; without, the user's.
    let claude_dir = profile.as_ref().map(|profile| profile.config_dir.clone()).or(own);
    let base_url = args.base_url.or_else(|| profile.as_ref()?.base_url.clone());
    if let Some(Err(problem)) = base_url.as_deref().map(profile::check_base_url) {
        return Err(fail(problem, "give the address alone: --base-url https://gateway.example"));
    }
    let source = Source::resolve_for(args.source, profile.as_ref(), context)?;
    let key = source.read(context)?;
    if args.command.iter().any(|argument| seed::holds(argument, &key)) {
        return Err(fail(
            "the command line of COMMAND holds the key, where everybody can see it",
            "leave it out: the client takes the key from the config that cck gives it",
        ));
    }

    let base = place::base(context);
    if !base.in_memory {
        context.warn(&format!(
            "{}: the key is on the disk, in {}, while the command runs",
            place::NOT_IN_MEMORY,
            base.path.display()
        ));
    }
    let swept = session::sweep(&base.path);
    if swept > 0 && args.verbose {
        context.warn(&format!(
            "removed what {swept} killed run(s) had left in {}",
            base.path.display()
        ));
    }

    let mut signals = Signals::take().context("cannot take the signals")?;
    let session = Session::create(&base.path)?;
    let project = (args.trust || args.keep_sessions)
        .then(|| disk::real(context.cwd()).unwrap_or_else(|_| context.cwd().to_path_buf()));
    let config = seed::config(&key, project.as_deref().filter(|_| args.trust));
    session.write(".claude.json", config.as_bytes())?;
    if let Some(dir) = &claude_dir {
        seed_settings(&session, dir, &key, base_url.is_some(), args.verbose, context)?;
        if let Some(project) = project.as_ref().filter(|_| args.keep_sessions) {
            keep::bring(dir, session.config_dir(), project)
                .with_context(|| format!("cannot copy the conversations of {}", dir.display()))?;
        }
    }

    let (program, arguments) = args.command.split_first().context("no command")?;
    let mut command = Command::new(child::program(program, context));
    // The environment is inherited and not rebuilt: then the standard library starts the command without copying this
    // process first.
    command.args(arguments);
    for name in left_out(&key, context) {
        if args.verbose {
            context.warn(&format!("left out of the environment: {}", name.to_string_lossy()));
        }
        command.env_remove(&name);
        context.remove_var(&name);
    }
    command.env("CLAUDE_CONFIG_DIR", session.config_dir());
    context.set_var("CLAUDE_CONFIG_DIR", session.config_dir());
    warn_of_shadows(context)?;
    if let Some(url) = &base_url {
        command.env("ANTHROPIC_BASE_URL", url);
    }
    if let Some(signal) = signals.ending() {
        return Ok(Exit::Child(u8::try_from(128 + signal).unwrap_or(128)));
    }
    let code = match command.spawn() {
        Ok(mut child) => {
            session.note_child(child.id());
            signals.wait(&mut child).context("cannot wait for the command")?
        }
        Err(error) => {
            let (code, what) = start_failure(&error);
            let shown = one_line(&program.to_string_lossy());
            context.error(
                &format!("{shown}: {what} ({error})"),
                Some("check the name, and that it is on PATH"),
            );
            code
        }
    };
    if args.keep_sessions
        && let Some(dir) = &claude_dir
    {
        match keep::take_back(session.config_dir(), dir, &key) {
            Ok(notes) => notes.iter().for_each(|note| context.warn(note)),
            Err(error) => context
                .warn(&format!("cannot keep the conversations in {}: {error}", dir.display())),
        }
    }
    let left = session.config_dir().to_path_buf();
    if let Err(error) = session.remove() {
        context.warn(&format!(
            "{} is still there: {error}; remove it by hand, it holds the key",
            left.display()
        ));
    }
    Ok(Exit::Child(code))
}

/// The claude directory of the user, if there is a home.
fn own_claude_dir(context: &Context) -> Option<std::path::PathBuf> {
    Paths::locate(context, Client::V2, None, None).ok().map(|paths| paths.claude_dir)
}

/// Gives the session the settings of `dir`, without their credentials.
fn seed_settings(
    session: &Session,
    dir: &Path,
    key: &ApiKey,
    base_url_given: bool,
    verbose: bool,
    context: &mut Context,
) -> anyhow::Result<()> {
    let file = dir.join("settings.json");
    // A FIFO in its place would hang us.
    let text = match fs::metadata(&file) {
        Ok(metadata) if metadata.is_file() => fs::read(&file),
        Ok(_) => Err(std::io::Error::other("not a file")),
        Err(error) => Err(error),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            context.warn(&format!("the settings {} are left out: {error}", file.display()));
            return Ok(());
        }
    };
    match seed::settings(&text, key, base_url_given) {
        Ok(settings) => {
            if verbose {
                for member in &settings.removed {
                    context
                        .warn(&format!("left out of the settings: {member} ({})", file.display()));
                }
            }
            session.write("settings.json", &settings.text)
        }
        Err(error) => {
            context.warn(&format!("the settings {} are left out: {error}", file.display()));
            Ok(())
        }
    }
}

/// The variables that conflict with the key, or hold it.
fn left_out(key: &ApiKey, context: &Context) -> Vec<OsString> {
    let is_out =
        |name: &OsStr, value: &OsStr| conflict::is_conflict(name, value) || seed::holds(value, key);
    context
        .vars()
        .iter()
        .filter(|(name, value)| is_out(name, value))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Settings of the project and of the administrator hold in every config directory, and may have a credential of their
/// own. That is theirs to say; but nobody should think that the key is sent when it is not.
fn warn_of_shadows(context: &mut Context) -> anyhow::Result<()> {
    let paths = Paths::locate(context, Client::V2, None, None)?;
    let files = [
        &paths.project_settings,
        &paths.local_settings,
        &paths.managed_settings,
        &paths.managed_drop_ins,
    ];
    if !files.into_iter().any(|file| file.exists()) {
        return Ok(());
    }
    let decision =
        resolve::resolve(&gather::gather(context, Client::V2, &Launch::default(), None, None)?);
    let headers = [&decision.print.x_api_key, &decision.print.authorization];
    let others = headers
        .into_iter()
        .filter_map(Header::taken_by)
        .filter(|source| **source != Credential::PrimaryKey);
    let mut others: Vec<String> = others.map(ToString::to_string).collect();
    others.dedup();
    if !others.is_empty() {
        context.warn(&format!(
            "Claude Code in this directory does not send the key alone: {} is in force; `cck verify` explains it",
            others.join(", ")
        ));
    } else if decision.print.provider != Provider::Anthropic {
        let provider = decision.print.provider.name();
        context.warn(&format!(
            "settings here switch Claude Code to {provider}, which does not take the key"
        ));
    }
    Ok(())
}
