//! The shell of Windows.

use std::io::Read;
use std::os::windows::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

pub(crate) fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    // With /s the outer quotes go and what is between them stays as it is, quotes and all.
    shell.raw_arg(format!("/d /s /c \"{command}\""));
    shell
}

/// What the command prints. A pipe cannot be read here without waiting for it, so another thread waits.
pub(super) struct Pipe(Receiver<Zeroizing<Vec<u8>>>);

impl Pipe {
    pub(super) fn of(mut pipe: ChildStdout) -> std::io::Result<Pipe> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut chunk = Zeroizing::new([0u8; 4096]);
            while let Ok(length @ 1..) = pipe.read(&mut chunk[..]) {
                if sender.send(Zeroizing::new(chunk[..length].to_vec())).is_err() {
                    return;
                }
            }
        });
        Ok(Pipe(receiver))
    }

    pub(super) fn read(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        match self.0.try_recv() {
            Ok(bytes) => Some(bytes),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Zeroizing::default()),
        }
    }

    pub(super) fn wait(&self, _is_open: bool) {
        thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn signal(_: ExitStatus) -> i32 {
    -1
}

pub(super) fn group(_: &mut Command) -> bool {
    false
}

/// Ends a command and what it has started: cmd.exe alone would leave that running.
pub(crate) fn stop(child: &mut Child, _own_group: bool) {
    let _ = Command::new("taskkill.exe")
        .args(["/T", "/F", "/PID", &child.id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}
