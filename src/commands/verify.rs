//! `cck verify`: which credential the client really sends, and why.

pub(crate) mod online;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::target::no_config;
use crate::client::{
    Case, Client, Destination, Launch, Launcher, Mode, Source, State, advice, destination, gather,
    installed, launch, names, resolve, surroundings,
};
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::key::place;
use crate::profile::ProfileArg;
use crate::records::runs;
use crate::report::{Answer, json, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Modes {
    /// `claude -p`
    Print,
    /// The terminal UI
    Interactive,
    /// Both
    All,
}

/// Whose helper may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunHelper {
    /// That of the user, of the administrator, or of a folder that the user trusts
    Trusted,
    /// That of any folder
    Project,
}

/// Exits with 0 if the expected source, and no other, is sent in every mode asked about; with 1 if not.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// The mode to ask about [default: that of the command line, else all]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Modes>,
    /// Who starts the client, whatever the environment says
    #[arg(long = "as", value_enum, value_name = "LAUNCHER")]
    launcher: Option<Launcher>,
    /// The source that should be sent: an id from --json, or `any` [default: config.primaryApiKey if the config
    /// has a key, else any]
    #[arg(long, value_name = "ID")]
    expect: Option<String>,
    /// The host that the credential should go to
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    expect_host: Option<String>,
    /// Run the apiKeyHelper too; without this, cck assumes that it succeeds
    ///
    /// That of a folder you have not trusted runs with `--run-helper=project` only.
    #[arg(
        long,
        value_enum,
        value_name = "WHOSE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "trusted"
    )]
    run_helper: Option<RunHelper>,
    /// Ask the API whether it accepts the credential that would be sent
    ///
    /// One GET of /v1/models to the client's base URL, and one of the settings at api.anthropic.com if the client asks for them.
    /// The answer is yes only if the API takes it (HTTP 2xx), or says to wait (429).
    #[arg(long)]
    online: bool,
    /// The directory that the client is started in [default: the working directory]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    project: Option<PathBuf>,
    /// Ask about this config file instead of the client's
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config_file: Option<PathBuf>,
    /// The version of the client whose rules hold [default: that of the installed client]
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<Client>, hide_short_help = true)]
    client_version: Option<Client>,
    /// Show every source and header, even if the answer is yes
    #[arg(long, short)]
    verbose: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// The command line to ask about, such as `claude --bare -p hi` [default: a plain `claude`]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &VerifyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let width = context.width();
    answer(args, context, |it| {
        Ok(if args.json { json::render(it)? } else { text::render(it, width, args.verbose) })
    })
}

/// `cck` without a command: what is in force, and the next step. Not a verdict: no is not an error.
pub(crate) fn status(context: &mut Context) -> anyhow::Result<Exit> {
    let width = context.width();
    answer(&VerifyArgs::default(), context, |it| Ok(text::status(it, width))).map(|_| Exit::Done)
}

fn answer(
    args: &VerifyArgs,
    context: &mut Context,
    report: impl FnOnce(&Answer<'_>) -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    args.profile.enter(context)?;
    check(args, context)?;
    if let Some(launcher) = args.launcher {
        launcher.set_variables(context);
    }
    let program = launch::program(&args.command).map(OsString::as_os_str);
    let search = installed::find(context, program, args.launcher);
    let (client, mut installed) = installed::choose(args.client_version, &search);
    let launch = match args.command.as_slice() {
        [] => Launch::default(),
        line => Launch::parse(line, client),
    };
    if args.json || args.verbose {
        installed.others = installed::others(context, search.client.as_ref());
    }
    let (project, config) = (args.project.as_deref(), args.config_file.as_deref());
    let mut state = gather::gather(context, client, &launch, project, config)?;
    let session = super::run::session_source(context);
    let expected = expected(args.expect.as_deref(), &state, session.is_some())?;
    let destination = measure(args, &mut state, context)?;
    let refusal = destination::may_send(&destination, args.expect_host.as_deref()).err();
    let mut around = surroundings::look(&state, context);
    let left = runs::configs(&place::base(context).path);
    around.copies.extend(left.iter().filter_map(|config| surroundings::copy_with_key(config)));
    let case = Case {
        state: &state,
        around: &around,
        decision: &resolve::resolve(&state),
        destination: &destination,
        refusal: refusal.as_ref(),
        unusable_clients: if args.client_version.is_none() { &search.unusable } else { &[] },
        modes: modes(args.mode, launch.mode),
        expected: expected.as_ref(),
        profile: args.profile.profile.as_deref(),
        session: session.as_deref(),
    };
    let problems = advice::problems(&case);
    let online = args.online.then(|| online::ask(&case, context)).transpose()?;
    let answer = Answer::new(&case, &installed, problems, online);
    let (exit, report) = (if answer.verdict { Exit::Done } else { Exit::No }, report(&answer)?);
    if args.json || !context.quiet {
        context.out.push_str(&report);
    }
    Ok(exit)
}

fn check(args: &VerifyArgs, context: &Context) -> anyhow::Result<()> {
    if let Some(project) = &args.project
        && !context.cwd().join(project).is_dir()
    {
        let problem = format!("--project {}: the directory does not exist", project.display());
        return Err(fail(problem, "name the directory that Claude Code is started in"));
    }
    let config = args.config_file.as_ref().map(|file| context.cwd().join(file));
    let missing = config.filter(|file| matches!(file.try_exists(), Ok(false)));
    missing.map_or(Ok(()), |file| Err(no_config(&file)))
}

/// Runs the helpers, asks the server and takes the network as far as the arguments allow; where requests go then.
fn measure(
    args: &VerifyArgs,
    state: &mut State,
    context: &mut Context,
) -> anyhow::Result<Destination> {
    if args.online {
        destination::take_network(state, context);
        online::fetch_settings(state, context)?;
    }
    if args.run_helper.is_some() {
        gather::run_policy_helper(state)?;
    }
    let destination = destination::destination(state);
    if args.run_helper == Some(RunHelper::Project)
        || (args.run_helper == Some(RunHelper::Trusted) && !destination.helper_is_untrusted)
    {
        gather::run_helper(state)?;
    }
    Ok(destination)
}

fn modes(asked: Option<Modes>, launched: Option<Mode>) -> &'static [Mode] {
    match (asked, launched) {
        (Some(Modes::Print), _) | (None, Some(Mode::Print)) => &[Mode::Print],
        (Some(Modes::Interactive), _) | (None, Some(Mode::Interactive)) => &[Mode::Interactive],
        (Some(Modes::All), _) | (None, None) => &Mode::ALL,
    }
}

/// The source to expect; none stands for any. Without the flag, the key of the config if it has one.
fn expected(id: Option<&str>, state: &State, is_session: bool) -> anyhow::Result<Option<Source>> {
    match id {
        None | Some("session") if is_session => Ok(Some(Source::env(names::TOKEN))),
        Some("session") => {
            Err(fail("this is not inside of `cck run`", "cck run -- cck verify --expect session"))
        }
        Some("any") => Ok(None),
        Some(id) => id.parse().map(Some),
        None => Ok(state.config.primary_key.as_ref().map(|_| Source::PrimaryKey)),
    }
}
