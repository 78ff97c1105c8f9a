//! The shell of Windows.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::{Ended, GRACE, MAX_OUTPUT_BYTES};

/// How often is looked whether the command has exited.
const PAUSE: Duration = Duration::from_millis(5);

/// [`super::output`], with these variables set over the environment.
pub(crate) fn output_with(
    command: &str,
    cwd: &Path,
    timeout: Duration,
    variables: &BTreeMap<&str, &str>,
) -> anyhow::Result<Result<Zeroizing<String>, Ended>> {
    let deadline = Instant::now() + timeout;
    let mut child = Command::new("cmd.exe")
        // With /s the outer quotes go and what is between them stays as it is, quotes and all.
        .raw_arg(format!("/d /s /c \"{command}\""))
        .current_dir(cwd)
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cmd.exe")?;
    let pipe = child.stdout.take().context("no pipe to the command")?;
    let (sender, receiver) = mpsc::channel();
    // A pipe cannot be read here without waiting for it, so another thread waits.
    thread::spawn(move || read(pipe, &sender));
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT_BYTES));
    let mut is_open = true;
    let mut exited: Option<(ExitStatus, Instant)> = None;
    let status = loop {
        if exited.is_none() {
            exited = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        match receiver.recv_timeout(PAUSE) {
            Ok(chunk) if text.len() + chunk.len() > MAX_OUTPUT_BYTES => {
                stop(&mut child);
                return Ok(Err(Ended::Flooded));
            }
            Ok(chunk) => {
                text.extend_from_slice(&chunk);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
        match exited {
            Some((status, at)) if !is_open || at.elapsed() >= GRACE => break status,
            None if Instant::now() >= deadline => {
                stop(&mut child);
                return Ok(Err(Ended::TimedOut));
            }
            _ if !is_open => thread::sleep(PAUSE),
            _ => {}
        }
    };
    Ok(match status.code() {
        Some(0) => super::text(&text),
        code => Err(Ended::Code(code.unwrap_or(-1))),
    })
}

/// Hands on what comes, until it ends or nobody wants it.
fn read(mut pipe: ChildStdout, sender: &Sender<Zeroizing<Vec<u8>>>) {
    let mut chunk = Zeroizing::new([0u8; 4096]);
    while let Ok(length @ 1..) = pipe.read(&mut chunk[..]) {
        if sender.send(Zeroizing::new(chunk[..length].to_vec())).is_err() {
            return;
        }
    }
}

/// Ends a command and what it has started: cmd.exe alone would leave that running.
fn stop(child: &mut Child) {
    let _ = Command::new("taskkill.exe")
        .args(["/T", "/F", "/PID", &child.id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}
