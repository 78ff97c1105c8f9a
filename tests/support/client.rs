//! Runs a pinned client in a laid state, and says what it sent.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::standin::{Request, Standin, WORD};
use super::world::World;
use super::{install, pty, sandbox};

/// What the client sent to the API, and what it asked first.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Whether it sent a message at all.
    pub sent: bool,
    /// Where it arrived, and its header `host`.
    pub to: Option<String>,
    /// The header `x-api-key`, as sent.
    pub x_api_key: Option<String>,
    /// The header `authorization`, as sent.
    pub authorization: Option<String>,
    /// The dialogs it showed, by their names in `cck verify --json`.
    pub dialogs: Vec<&'static str>,
    /// What it wrote last, for anyone who has to understand a surprise.
    pub output: String,
    /// Whether a bound was reached before it ended: then nothing is proved.
    pub timed_out: bool,
    /// Every request that came, with its credentials.
    pub requests: Vec<Request>,
}

/// One version of the client.
pub struct Client {
    command: Vec<String>,
}

impl Client {
    /// The client of that version, installed if need be.
    ///
    /// # Errors
    /// Why it is not to be had here.
    pub fn new(version: &str) -> Result<Client, String> {
        install::command(version).map(|command| Client { command })
    }

    /// The same client under strace, which writes to `log` what is written to which file.
    pub fn traced(mut self, log: &std::path::Path) -> Client {
        let strace = "strace -f -qq -y -s 1000000 -e trace=write,writev,pwrite64 -o";
        let strace = strace.split(' ').map(str::to_owned).chain([log.display().to_string()]);
        self.command.splice(0..0, strace);
        self
    }

    /// The command that starts it; a client in JavaScript can be told that it runs on a Mac.
    fn program(&self, world: &World) -> Vec<String> {
        let mut command = self.command.clone();
        if world.state.is_mac() {
            assert_eq!(command[0], "node", "a native client cannot be made to run as on a Mac");
            let preload = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/darwin.js");
            command.splice(1..1, ["--require".to_owned(), preload.to_owned()]);
        }
        command
    }

    /// `claude -p WORD`.
    pub fn print(&self, world: &World) -> Sent {
        self.print_within(world, Duration::from_secs(150))
    }

    /// `claude -p WORD`, ended after that time.
    pub fn print_within(&self, world: &World, bound: Duration) -> Sent {
        let standin = Standin::serve(world);
        let program =
            [&self.program(world)[..], &world.args(), &["-p".into(), WORD.into()]].concat();
        let log = world.root().join("output");
        let output =
            || File::options().create(true).append(true).open(&log).expect("a file can be made");
        let mut child = sandbox::command(&program, world, &standin.url())
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .process_group(0)
            .spawn()
            .expect("the client can be started");
        let timed_out = !ends_within(&mut child, bound);
        stop(&mut child);
        Sent { output: fs::read_to_string(&log).unwrap_or_default(), timed_out, ..seen(&standin) }
    }

    /// `claude ARGS`, a command that sends nothing; whether it ended well within the bound, and what it said.
    pub fn command(&self, world: &World, args: &[&str]) -> (bool, String) {
        let args = args.iter().map(|arg| (*arg).to_owned());
        let program: Vec<String> = self.command.iter().cloned().chain(args).collect();
        let log = world.root().join("output-of-command");
        let output = File::create(&log).expect("a file can be made");
        let mut child = sandbox::command(&program, world, "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor can be doubled"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("the client can be started");
        let ended = ends_within(&mut child, Duration::from_secs(40));
        if !ended {
            stop(&mut child);
        }
        let well = ended && child.wait().is_ok_and(|status| status.success());
        (well, fs::read_to_string(&log).unwrap_or_default())
    }

    /// The terminal UI: answers dialogs by their defaults, types [`WORD`], waits for the message.
    pub fn interactive(&self, world: &World) -> Sent {
        let standin = Standin::serve(world);
        // A session of its own makes the pseudo-terminal its controlling one.
        let setsid = ["setsid".to_owned(), "--ctty".to_owned()];
        let program = [&setsid[..], &self.program(world)[..], &world.args()].concat();
        let ended = pty::drive(sandbox::command(&program, world, &standin.url()), &standin);
        Sent {
            dialogs: ended.dialogs,
            output: ended.screen,
            timed_out: ended.timed_out,
            ..seen(&standin)
        }
    }
}

fn seen(standin: &Standin) -> Sent {
    let message = standin.message();
    Sent {
        sent: message.is_some(),
        to: message.as_ref().map(|message| format!("{}:{}", message.listener, message.host)),
        x_api_key: message.as_ref().and_then(|message| message.x_api_key.clone()),
        authorization: message.and_then(|message| message.authorization),
        requests: standin.requests(),
        ..Sent::default()
    }
}

/// Whether the child ends within the bound.
pub fn ends_within(child: &mut Child, bound: Duration) -> bool {
    let end = Instant::now() + bound;
    while Instant::now() < end {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Ends the child with all it started in its process group.
pub fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may be gone already.
        _ = kill_process_group(pid, Signal::KILL);
    }
    _ = child.kill();
    _ = child.wait();
}
