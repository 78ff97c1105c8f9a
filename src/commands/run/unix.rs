//! The command in the foreground, as if cck was not there: passes signals on to it, stops with it, and waits for its end.

use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::process;

const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// The signals of this process, taken from now on: none of `FORWARDED` ends cck any more.
///
/// They are never given back: a signal that comes while the directory is being removed must not end cck either, and
/// giving them back takes as long as taking them.
pub(crate) struct Signals(ManuallyDrop<SignalsInfo<WithOrigin>>);

impl Signals {
    /// Takes the signals. Those that were ignored from outside (`nohup`, a shell's `&`) stay so, for the command too.
    pub(crate) fn take() -> io::Result<Signals> {
        let wanted = process::not_ignored(FORWARDED).chain([SIGCHLD]);
        SignalsInfo::new(wanted).map(|signals| Signals(ManuallyDrop::new(signals)))
    }

    /// A signal that asks cck to end and has come already.
    pub(crate) fn ending(&mut self) -> Option<i32> {
        self.0.pending().map(|origin| origin.signal).find(|signal| FORWARDED.contains(signal))
    }

    /// Waits for the child, passing signals on to it, and returns its exit status as a shell reports it.
    pub(crate) fn wait(&mut self, child: &mut Child) -> io::Result<u8> {
        let pid = Pid::from_child(child);
        loop {
            // The first look is before the first signal: it may have come and gone already.
            if let Some(status) = child.try_wait()? {
                let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(255);
                return Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
            }
            if has_stopped(pid) {
                // The child stopped itself (Ctrl-Z in a raw terminal): stop as well, or the shell would wait for us
                // for ever. `fg` wakes the whole group; `kill -CONT` only cck.
                let _ = kill_process(rustix::process::getpid(), Signal::STOP);
                let _ = kill_process(pid, Signal::CONT);
            }
            for origin in self.0.wait() {
                if is_for_child(&origin)
                    && let Some(signal) = Signal::from_named_raw(origin.signal)
                {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// Whether the child has stopped, and stays so: where Ctrl-Z has stopped both of us and `fg` has just woken us, its own
/// waking is a moment away.
fn has_stopped(pid: Pid) -> bool {
    let stopped = |options: WaitIdOptions| {
        let options = options | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(pid), options)
            .is_ok_and(|status| status.is_some_and(|status| status.stopped()))
    };
    stopped(WaitIdOptions::NOWAIT) && {
        std::thread::sleep(Duration::from_millis(2));
        stopped(WaitIdOptions::empty())
    }
}

/// Whether the signal has to be passed on to the child. Ctrl-C and Ctrl-\ go from the terminal to the whole foreground
/// group, so the child has had them already, and two may mean something else than one. A hang-up from the kernel may
/// be for the session's leader alone; it is passed on, as ending twice is the same as ending.
fn is_for_child(origin: &Origin) -> bool {
    let from_terminal = origin.cause == Cause::Kernel && [SIGINT, SIGQUIT].contains(&origin.signal);
    FORWARDED.contains(&origin.signal) && !from_terminal
}
