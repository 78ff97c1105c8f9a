//! `cck run`: runs a command that can use the key and never sees it. cck stays beside it, as the broker between it and the
//! API.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _};
use std::iter;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::change::{self, FilePlan};
use super::set_key;
use super::target::{ChangeArgs, Target};
use crate::broker::budget::{self, Budgets, Unit};
use crate::broker::prices::Prices;
use crate::broker::{self, Broker, Lender, PATIENCE, Reread, Setup, Summary, env};
use crate::client::{Client, Roots, config, gather, settings};
use crate::context::Context;
use crate::document::Document;
use crate::error::{Exit, fail};
use crate::http::Connector;
use crate::key::ApiKey;
use crate::key::command::{Change, change_env};
use crate::key::place;
use crate::key::source::{KeySource, Place, SourceArgs};
use crate::output::one_line;
use crate::profile::{self, Profile, ProfileArg, limits::LimitArgs};
use crate::records::audit::{AuditArgs, Trail};
use crate::records::state;
use crate::store;

#[cfg_attr(unix, path = "run/unix.rs")]
#[cfg_attr(windows, path = "run/windows.rs")]
mod child;
mod redirect;

use child::Signals;

/// How long a key is lent before its source is read again: as long as the client keeps what an apiKeyHelper printed.
const DEFAULT_TTL: u64 = 300;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck run --profile acme --budget 5usd/day -- claude
  vault kv get -field=key secret/claude | cck run --stdin -- claude -p hello")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// The API's address for this run
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Leave this variable in the command's environment
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    keep_env: Vec<String>,
    /// Run a client before 2.1.113 even if an untrusted project can redirect it
    #[arg(long, hide_short_help = true)]
    allow_project_host: bool,
    /// How old a key may be before its source is read again
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TTL, hide_short_help = true)]
    ttl: u64,
    /// Show what would happen, and run nothing
    #[arg(long, hide_short_help = true)]
    dry_run: bool,
    /// Show what is left out of the command's environment
    #[arg(long, short, hide_short_help = true)]
    verbose: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) fn run(args: RunArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let limits = profile.as_ref().map(|profile| profile.entry.clone()).unwrap_or_default();
    let connector = connector(&args, profile.as_ref(), context)?;
    redirect::check(&args.command, args.allow_project_host, context)?;
    let source = profile::key_source(args.source.clone(), profile.as_ref(), context)?;
    let profile = profile.map(|profile| profile.name);
    let state = state::dir(context).ok();
    let budgets = [args.limits.budget.clone(), limits.budget].concat();
    let budgets = Budgets::new(budgets, state.as_deref(), profile.as_deref())?;
    let mut setup = Setup {
        run: broker::log::Run {
            id: broker::run_id(),
            profile,
            project: context.cwd().display().to_string(),
        },
        connector,
        budgets: Mutex::new(budgets),
        // A model has to be allowed by both.
        models: vec![args.limits.allow_model.clone(), limits.allow_models],
        prices: Prices::load(context)?,
        require_log: args.limits.require_log || limits.require_log,
        on_alert: args.limits.on_alert.clone().or(limits.on_alert),
        env: Vec::new(),
        state,
        // Beside what else cck keeps in memory, which is swept of dead runs; elsewhere if that path is too long.
        bases: vec![place::base(context).path, "/tmp".into()],
        patience: PATIENCE,
    };
    if args.dry_run {
        return dry_run(&args, &setup, &source, context);
    }
    change::clear_expired(context);
    let key = source.read_or_ask("API key for this run", context)?;
    crate::process::lock_memory();
    if args.command.iter().any(|argument| env::holds(argument, &key)) {
        let problem = "the command line of COMMAND holds the key, where everyone can see it";
        return Err(fail(problem, "leave it out: cck adds the key to each call"));
    }
    if setup.state.is_none() {
        if setup.require_log {
            state::dir(context)?;
        }
        context.warn("no state directory: calls are not logged, and budgets hold for this run");
    }
    setup.env = env::changes(Some(&key), &args.keep_env, context);
    lend(&args, setup, &source, key, context)
}

fn lend(
    args: &RunArgs,
    setup: Setup,
    source: &KeySource,
    key: ApiKey,
    context: &mut Context,
) -> anyhow::Result<Exit> {
    // The store would otherwise end cck by a signal that is for the command; never given back, as those of `Signals`.
    let held = crate::signals::hold();
    held.finish();
    std::mem::forget(held);
    let mut signals = Signals::take().context("cannot take the signals")?;
    let mut command = command(args, &setup.env, context)?;
    let (fingerprint, is_logged) = (key.fingerprint(), setup.state.is_some());
    let log = |outcome, context: &mut Context| {
        if is_logged {
            let audit = AuditArgs::default();
            let mut trail = Trail::new(&audit, "run", context.cwd(), Some(source.kind()));
            trail.record.new = Some(fingerprint.clone());
            // A run changes nothing that a power cut could leave without its line.
            trail.is_synced = false;
            trail.log(outcome, context);
        }
    };
    let is_first_party = setup.connector.is_first_party();
    // As the client sends what is in ANTHROPIC_AUTH_TOKEN.
    let as_bearer = key.reveal().starts_with("sk-ant-oat")
        || matches!(&source.place, Place::Env(name) if name == "ANTHROPIC_AUTH_TOKEN");
    let ttl = Duration::from_secs(args.ttl);
    let lender = Lender::new(key, as_bearer, reread(source, context), ttl)?;
    let broker = Broker::start(setup, lender)?;
    let socket = broker.socket.as_deref();
    command.envs(env::additions(socket, broker.port, broker.token(), is_first_party, context));
    command.env(SOURCE, source.describe());
    if let Some(signal) = signals.ending() {
        return Ok(Exit::Child(u8::try_from(128 + signal).unwrap_or(128)));
    }
    // After all that can fail: exit code 2 says that nothing was changed.
    onboard(context)?;
    log("started", context);
    let code = match command.spawn() {
        Ok(mut child) => signals.wait(&mut child).context("cannot wait for the command")?,
        Err(error) => {
            // As a shell reports it.
            let (code, what) = match error.kind() {
                ErrorKind::NotFound => (127, "not found"),
                ErrorKind::PermissionDenied | ErrorKind::IsADirectory => (126, "not executable"),
                _ => (126, "cannot be started"),
            };
            let shown = one_line(&command.get_program().to_string_lossy());
            let problem = format!("{shown}: {what} ({error})");
            context.error(&problem, Some("check the name, and that it is on PATH"));
            code
        }
    };
    let summary = broker.stop();
    log("done", context);
    if std::io::stderr().is_terminal() && (summary.calls > 0 || !summary.alerts.is_empty()) {
        context.warn_raw(&format!("{}\n", one_line(&last_line(&summary))));
    }
    Ok(Exit::Child(code))
}

fn command(args: &RunArgs, changes: &[Change], context: &mut Context) -> anyhow::Result<Command> {
    let (program, arguments) = args.command.split_first().context("no command")?;
    #[cfg(windows)]
    let program = &child::program(program, context);
    let mut command = Command::new(program);
    // The environment is inherited and not rebuilt: then the standard library starts the command without copying this
    // process first.
    command.args(arguments);
    change_env(&mut command, changes);
    for (name, _) in changes.iter().filter(|(_, value)| args.verbose && value.is_none()) {
        context.warn(&format!("left out of the environment: {}", name.to_string_lossy()));
    }
    if let Some(dir) = context.var_os("CLAUDE_CONFIG_DIR") {
        // The profile's, if there is one.
        command.env("CLAUDE_CONFIG_DIR", dir);
    }
    Ok(command)
}

fn last_line(summary: &Summary) -> String {
    let Summary { calls, refused, used, left, alerts } = summary;
    let plural = if *calls == 1 { "" } else { "s" };
    let tokens = budget::show(used.tokens as f64, Unit::Tokens);
    let mut counts =
        format!("cck: {calls} call{plural}, {tokens}, {}", budget::show(used.usd, Unit::Usd));
    if *refused > 0 {
        counts = format!("{counts}, {refused} refused");
    }
    let texts = left.iter().chain(alerts).map(String::as_str);
    iter::once(&*counts).chain(texts).collect::<Vec<_>>().join(" · ")
}

/// Leads to where calls go: what was asked for, the profile's, the environment's, or the API.
fn connector(
    args: &RunArgs,
    profile: Option<&Profile>,
    context: &mut Context,
) -> anyhow::Result<Connector> {
    // Inside of another run the variable names that run's broker, which has a key of its own.
    let of_environment = || {
        let url = context.var("ANTHROPIC_BASE_URL").filter(|url| !url.trim().is_empty());
        url.filter(|_| !is_session(context))
    };
    let url =
        args.base_url.clone().or_else(|| profile?.entry.base_url.clone()).or_else(of_environment);
    let url = url.unwrap_or_else(|| settings::DEFAULT_BASE_URL.to_owned());
    profile::check_base_url(&url).map_err(|problem| {
        fail(problem, "give the address alone: --base-url https://gateway.example")
    })?;
    let connector = Connector::new(&url, context)?;
    if !crate::http::is_safe(&url) {
        let api = connector.authority();
        context.warn(&format!("the key goes to {api} in clear; use https"));
    }
    Ok(connector)
}

/// Tells the command where the key comes from, for `cck verify` inside of it.
const SOURCE: &str = "CCK_SESSION_SOURCE";

pub(super) fn session_source(context: &Context) -> Option<String> {
    is_session(context).then(|| context.var(SOURCE).unwrap_or_else(|| "its source".to_owned()))
}

fn is_session(context: &Context) -> bool {
    let token = context.var("ANTHROPIC_AUTH_TOKEN").unwrap_or_default();
    token.starts_with(broker::guard::Token::PREFIX)
}

/// What reads the source once more while the command runs. It prints nothing on the command's screen.
fn reread(source: &KeySource, context: &Context) -> Option<Reread> {
    let mut source = source.clone();
    match &mut source.place {
        // A pipe gives its key once.
        Place::File(file, _) if context.cwd().join(&file).is_file() => {}
        Place::Command(line, _) if cfg!(unix) => line.insert_str(0, "exec 2>/dev/null\n"),
        Place::Command(..) => {}
        _ => return None,
    }
    let cwd = context.cwd().to_path_buf();
    Some(Box::new(move || source.read(&mut Context::silent(&cwd))))
}

/// Has the client start at its prompt, if it never did: it would ask for a login, which a run does not need.
fn onboard(context: &mut Context) -> anyhow::Result<()> {
    let (file, onboarded) = onboarding(context)?;
    if onboarded {
        return Ok(());
    }
    let done = Target::locate(&ChangeArgs::default(), context).and_then(|target| {
        let target = Target { options: store::Options::default(), ..target };
        let edits = |document: &Document<'_>| Ok(set_key::onboarding(document, None));
        let files = vec![FilePlan::new(&target.file.path, edits)];
        change::apply(&target, "onboard", None, files, context)
    });
    let shown = context.show(&file);
    match done {
        Ok(changed) if changed.shown.is_empty() => {}
        Ok(_) => context.warn(&format!(
            "hasCompletedOnboarding is now set in {shown}, so that Claude Code does not ask for a login"
        )),
        Err(error) => {
            let why = crate::error::in_one_line(&error);
            context
                .warn(&format!("Claude Code may ask for a login: {shown} cannot be edited: {why}"));
        }
    }
    Ok(())
}

fn onboarding(context: &Context) -> anyhow::Result<(PathBuf, bool)> {
    let paths = Roots::locate(context, None, None)?.paths(Client::V2);
    let file = paths.config_file(|path| gather::is_legacy_config(Client::V2, path)).path;
    let (_, config) = config::read(&file, None);
    let onboarded = config.seen_by(Client::V2).is_ok_and(|config| config.onboarded);
    Ok((file, onboarded))
}

fn dry_run(
    args: &RunArgs,
    setup: &Setup,
    source: &KeySource,
    context: &mut Context,
) -> anyhow::Result<Exit> {
    let words: Vec<_> = args.command.iter().map(|word| one_line(&word.to_string_lossy())).collect();
    let mut lines = vec![
        format!("would run: {}", words.join(" ")),
        format!("the key:   from {}, added by cck to each call", source.describe()),
        format!("calls go to {}", setup.connector.authority()),
    ];
    lines.extend(setup.run.profile.iter().map(|name| format!("profile:   {name}")));
    lines.extend(
        setup.budgets().list.iter().map(|budget| format!("budget:    {}", budget.describe())),
    );
    let models = setup.models.iter().filter(|patterns| !patterns.is_empty());
    lines.extend(models.map(|patterns| format!("models:    {}", patterns.join(", "))));
    let changes = env::changes(None, &args.keep_env, context);
    let removed = changes.iter().filter(|(_, value)| value.is_none());
    let names: Vec<_> = removed.map(|(name, _)| name.to_string_lossy()).collect();
    if !names.is_empty() {
        lines.push(format!("left out of the environment: {}", names.join(", ")));
    }
    let (file, onboarded) = onboarding(context)?;
    if !onboarded {
        let shown = context.show(&file);
        lines.push(format!("{shown} would get hasCompletedOnboarding"));
    }
    lines.push("dry run: nothing was run or written".to_owned());
    context.say(lines.join("\n"));
    Ok(Exit::Done)
}
