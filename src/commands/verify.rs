//! `cck verify`: which credential the client really sends, and why.

pub(crate) mod online;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::report::json::Online;
use clap::{Args, ValueEnum};

use crate::client::Client;
use crate::client::advice::{self, Case, values};
use crate::client::decision::Mode;
use crate::client::destination;
use crate::client::gather;
use crate::client::installed;
use crate::client::launch::{Launch, Launcher};
use crate::client::resolve;
use crate::client::settings::names;
use crate::client::source::Source;
use crate::client::state::State;
use crate::client::surroundings;
use crate::context::Context;
use crate::error::Exit;
use crate::error::fail;
use crate::profile::ProfileArg;
use crate::report::json::{self, Summary};
use crate::report::text;

/// Which modes are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Modes {
    /// `claude -p`
    Print,
    /// The terminal UI
    Interactive,
    /// Both
    All,
}

impl Modes {
    fn list(self) -> &'static [Mode] {
        match self {
            Modes::Print => &[Mode::Print],
            Modes::Interactive => &[Mode::Interactive],
            Modes::All => &[Mode::Print, Mode::Interactive],
        }
    }
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
#[derive(Clone, Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// The mode to ask about [default: that of the command line, else all]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Modes>,
    /// Who starts the client, whatever the environment says
    #[arg(long = "as", value_enum, value_name = "LAUNCHER")]
    launcher: Option<Launcher>,
    /// The source that should be sent: an id from the report, or `any` [default: config.primaryApiKey if the config
    /// has a key, else any]
    #[arg(long, value_name = "ID")]
    expect: Option<String>,
    /// The host that the credential should go to
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    expect_host: Option<String>,
    /// Run the apiKeyHelper too; without this it is taken to succeed
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
    /// Ask the API whether it takes the credential that would be sent
    ///
    /// One GET of /v1/models to the client's base URL. Rejection makes the answer no.
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
    /// Show every source and header, also if the answer is yes
    #[arg(long, short)]
    verbose: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// The command line to ask about, such as `claude --bare -p hi` [default: a plain `claude`]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    args.profile.enter(context)?;
    if let Some(project) = &args.project
        && !context.cwd().join(project).is_dir()
    {
        return Err(fail(
            format!("--project {}: no such directory", project.display()),
            "name the directory that Claude Code is started in",
        ));
    }
    if let Some(launcher) = args.launcher {
        launcher.set_variables(context);
    }
    let launch =
        if args.command.is_empty() { Launch::default() } else { Launch::parse(&args.command) };
    let program = launch.program.clone();
    let search = installed::find(context, program.as_deref(), args.launcher);
    let (client, mut installed) = installed::choose(args.client_version, &search);
    if args.json || args.verbose {
        installed.others = installed::others(context, search.client.as_ref());
    }
    let named = args.config_file.as_ref().map(|file| context.cwd().join(file));
    if let Some(file) = named.filter(|file| matches!(file.try_exists(), Ok(false))) {
        return Err(fail(
            format!("there is no file {}", file.display()),
            "check the path of --config-file",
        ));
    }
    let mut state = gather::gather(
        context,
        client,
        &launch,
        args.project.as_deref(),
        args.config_file.as_deref(),
    )?;
    let session = super::run::session_source(context);
    let expected = expected(args.expect.as_deref(), &state, session.is_some())?;
    if args.run_helper.is_some() {
        gather::run_policy_helper(&mut state)?;
    }
    if args.online {
        destination::take_network(&state, context);
        online::fetch_settings(&mut state, context)?;
    }
    let home = context.home();
    let destination = destination::destination(&state, home.as_deref());
    let may_run = match args.run_helper {
        None => false,
        Some(RunHelper::Project) => true,
        Some(RunHelper::Trusted) => !destination.helper_is_untrusted,
    };
    if may_run {
        gather::run_helper(&mut state)?;
    }
    let decision = resolve::resolve(&state);
    let around = surroundings::look(&state, context);
    let modes = match (args.mode, launch.mode) {
        (Some(modes), _) => modes.list(),
        (None, Some(Mode::Print)) => Modes::Print.list(),
        (None, Some(Mode::Interactive)) => Modes::Interactive.list(),
        (None, None) => Modes::All.list(),
    };
    let home = home.map(PathBuf::into_os_string);
    let refusal = destination::may_send(&destination, args.expect_host.as_deref()).err();
    let case = Case {
        state: &state,
        around: &around,
        decision: &decision,
        destination: &destination,
        refusal: refusal.as_ref(),
        unusable_clients: if args.client_version.is_none() { &search.unusable } else { &[] },
        modes,
        expected: expected.as_ref(),
        profile: args.profile.profile.as_deref(),
        home: home.as_deref(),
    };
    let mut problems = advice::problems(&case);
    let meets = modes.iter().all(|mode| decision.meets(*mode, expected.as_ref()));
    let mut online = None;
    if args.online {
        let mut answer =
            online::ask(&state, &decision, modes, &destination, refusal.as_ref(), context)?;
        problems.splice(0..0, answer.problem.take());
        online = Some(answer);
    }
    // What was asked and not answered is not a yes.
    let doubt = online.as_ref().and_then(Online::doubt);
    let refused = refusal.as_ref().map(|refusal| refusal.reason(&destination));
    let refused = refused.or_else(|| values::refused(&case));
    let refused = refused.map(|reason| format!("the credential would {reason}"));
    let verdict = meets && refused.is_none() && doubt.is_none();
    let summary = Summary {
        refused: refused.or(doubt).filter(|_| meets),
        destination: &destination,
        installed: &installed,
        modes,
        expected: expected.as_ref(),
        verdict,
        problems: &problems,
        online: online.as_ref(),
        session: session.as_deref(),
        width: context.width(),
        verbose: args.verbose,
        home: home.as_deref(),
    };
    let report = if args.json {
        json::render(&state, &decision, &summary)?
    } else {
        text::render(&state, &decision, &summary)
    };
    if args.json || !context.quiet {
        context.out.push_str(&report);
    }
    Ok(if verdict { Exit::Done } else { Exit::No })
}

/// The source to expect; none stands for any.
///
/// Who has injected a key asks whether that key is sent, so without the flag a key in the config is expected.
pub(super) fn expected(
    id: Option<&str>,
    state: &State,
    is_session: bool,
) -> anyhow::Result<Option<Source>> {
    match id {
        None | Some("session") if is_session => Ok(Some(Source::env(names::TOKEN))),
        Some("any") => Ok(None),
        Some(id) => id.parse().map(Some),
        None => {
            let has_key = state.config.primary_key.as_ref().is_some_and(|key| !key.is_empty());
            Ok(has_key.then_some(Source::PrimaryKey))
        }
    }
}
