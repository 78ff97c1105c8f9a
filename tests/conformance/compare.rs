//! One state: what cck says, what the client does, and where they differ.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::Job;
use crate::generate::{self, Generated};
use crate::support::client::{Client, Sent};
use crate::support::sandbox;
use crate::support::standin::{Standin, WORD};
use crate::support::world::{State, World};

/// How the client is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `claude -p`.
    Print,
    /// The terminal UI.
    Interactive,
}

impl Mode {
    /// The mode of that name.
    pub fn named(name: &str) -> Mode {
        match name {
            "print" => Mode::Print,
            "interactive" => Mode::Interactive,
            other => panic!("CCK_CONFORMANCE_MODES: {other} is neither print nor interactive"),
        }
    }

    /// Its name in `cck verify`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Print => "print",
            Mode::Interactive => "interactive",
        }
    }

    /// Runs the client so.
    pub fn run(self, client: &Client, world: &World) -> Sent {
        match self {
            Mode::Print => client.print(world),
            Mode::Interactive => client.interactive(world),
        }
    }
}

/// What came of one state.
pub struct Report {
    /// What was run.
    pub job: Job,
    /// The state, both answers and how to see them again, where they differ.
    pub disagreement: Option<String>,
    /// The state could not be laid here.
    pub skipped: bool,
    /// The first answer was not the second one's: a busy machine, most likely.
    pub ran_twice: bool,
}

impl Report {
    /// The reports that are counted together.
    pub fn group(&self) -> String {
        let Job { kind, version, mode, .. } = &self.job;
        format!("{version} {} {}", kind.name(), mode.name())
    }
}

/// An answer, from either side. A header without a known credential is none: `cck verify --json` says null of it.
#[derive(Debug)]
pub struct Answer {
    sends: bool,
    x_api_key: Option<String>,
    authorization: Option<String>,
    asks_about_key: bool,
    /// Whether another provider is said to be on. The client does not tell; it is seen to send nothing here.
    pub to_another: bool,
    /// Whether the helper's output is said to race the token: then the helper's key may be sent, or not.
    races: bool,
    /// What it says without the server's answer of this start, where a client that does not wait is said to race it.
    late: Option<Box<Answer>>,
}

impl Answer {
    /// Whether what cck says is what the client did.
    fn describes(&self, seen: &Answer) -> bool {
        if self.late.as_ref().is_some_and(|late| late.describes(seen)) {
            return true;
        }
        let key = self.x_api_key == seen.x_api_key
            || self.races
                && seen.x_api_key.as_deref().is_none_or(|id| id.ends_with("apiKeyHelper"));
        // What the helper printed keeps the client from sending only if it was in time.
        if self.races && !self.sends && seen.sends {
            return seen.x_api_key.is_none() && seen.authorization.is_some();
        }
        key && self.sends == seen.sends
            && self.authorization == seen.authorization
            && self.asks_about_key == seen.asks_about_key
    }
}

/// How long a client of another provider is watched for a message to Anthropic: it goes on trying for minutes.
const PATIENCE: Duration = Duration::from_secs(12);

/// Runs the state of that seed.
pub fn run(seed: u64, job: &Job) -> Report {
    let Job { kind, version, mode, index } = job.clone();
    let generated = generate::state(kind, seed, index);
    let mut report = Report {
        job: job.clone(),
        disagreement: None,
        skipped: generated.state.needs_namespaces() && !sandbox::can_manage(),
        ran_twice: false,
    };
    if report.skipped {
        return report;
    }
    let client = Client::new(&version).expect("the client was installed before");
    let answer = answer(&generated.state, &version, mode);
    let to_another = answer.as_ref().is_ok_and(|answer| answer.to_another);
    let see = || seen(&client, &generated, mode, to_another);
    // A client that cannot get its token goes on trying; that it has sent nothing for so long is an answer. But one that
    // should have sent something, and did not end, proves nothing.
    let is_silent = answer.as_ref().is_ok_and(|answer| !answer.sends);
    let differs = |sent: &Sent, seen: &Answer| {
        !answer.as_ref().is_ok_and(|answer| answer.describes(seen))
            || (sent.timed_out && !is_silent)
    };
    let (mut sent, mut seen) = see();
    if differs(&sent, &seen) {
        report.ran_twice = true;
        (sent, seen) = see();
    }
    if differs(&sent, &seen) {
        report.disagreement = Some(format!(
            "\nDISAGREEMENT, client {version}, {}\nstate:  {}\ncck:    {answer:?}\nclient: {seen:?}\n        as sent: {:?} {:?}{}\n        \
             dialogs {:?}; it wrote: {}\nagain:  CCK_CONFORMANCE_KIND={} CCK_CONFORMANCE_SEED={seed} CCK_CONFORMANCE_INDEX={index} \
             CCK_CONFORMANCE_VERSIONS={version} CCK_CONFORMANCE_MODES={} cargo test --test conformance -- --nocapture",
            mode.name(),
            serde_json::to_string(&generated.state).expect("a state is JSON"),
            sent.x_api_key,
            sent.authorization,
            if sent.timed_out { " (the bound was reached)" } else { "" },
            sent.dialogs,
            tail(&sent.output),
            kind.name(),
            mode.name(),
        ));
    }
    report
}

/// The end of what the client wrote, on one line.
pub fn tail(output: &str) -> String {
    let words: Vec<&str> = output.split_whitespace().filter(|word| !word.contains('─')).collect();
    words[words.len().saturating_sub(30)..].join(" ")
}

/// What `cck verify` says.
pub fn answer(state: &State, version: &str, mode: Mode) -> Result<Answer, String> {
    asked(state, version, mode, state.base_url.starts_with("unset"))
}

fn asked(state: &State, version: &str, mode: Mode, online: bool) -> Result<Answer, String> {
    let world = World::lay(state);
    let binary = std::env::var("CCK_TEST_BINARY");
    let mut words = [
        binary.as_deref().unwrap_or(env!("CARGO_BIN_EXE_cck")),
        "verify",
        "--json",
        "--run-helper=project",
        "--expect",
        "any",
        "--mode",
        mode.name(),
        "--client-version",
        version,
    ]
    .map(str::to_owned)
    .to_vec();
    // The server's settings are known to those who ask it.
    let _standin = online.then(|| {
        words.push("--online".into());
        Standin::serve(&world)
    });
    if !state.args.is_empty() {
        words.extend(["--".into(), "claude".into()]);
        words.extend(world.args());
        if mode == Mode::Print {
            words.extend(["-p".into(), WORD.into()]);
        }
    }
    let output = sandbox::command(&words, &world, "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let json: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let answer = &json["modes"][mode.name()];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let asks = answer["dialogs"]
        .as_array()
        .is_some_and(|dialogs| dialogs.iter().any(|dialog| dialog == "approve_env_key"));
    let has = |code: &str| {
        let problems = json["problems"].as_array();
        problems.is_some_and(|problems| problems.iter().any(|problem| problem["code"] == code))
    };
    let late = online && has("server-race");
    let late = late.then(|| asked(state, version, mode, false)).transpose()?;
    Ok(Answer {
        sends: answer["sends"].as_bool().ok_or("no `sends` in the answer")?,
        x_api_key: text(&answer["x_api_key"]),
        authorization: text(&answer["authorization"]),
        asks_about_key: asks,
        to_another: answer["provider"] != "anthropic",
        races: has("helper-race"),
        late: late.map(Box::new),
    })
}

/// Runs the client, not for long if it is said to send to another provider.
pub fn watch(client: &Client, world: &World, mode: Mode, to_another: bool) -> Sent {
    if to_another && mode == Mode::Print {
        client.print_within(world, PATIENCE)
    } else {
        mode.run(client, world)
    }
}

/// What the client does.
fn seen(client: &Client, generated: &Generated, mode: Mode, to_another: bool) -> (Sent, Answer) {
    let world = World::lay(&generated.state);
    let sent = watch(client, &world, mode, to_another);
    let id = |value: &Option<String>| generated.id(value.as_deref()?);
    let answer = Answer {
        sends: sent.sent,
        x_api_key: id(&sent.x_api_key),
        authorization: id(&sent.authorization),
        asks_about_key: sent.dialogs.contains(&"approve_env_key"),
        to_another,
        races: false,
        late: None,
    };
    (sent, answer)
}
