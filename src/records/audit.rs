//! The audit trail: a line of JSON for each change, each line with the hash of the one before.
//!
//! No key enters it: keys are named by their fingerprints. The chain shows that a line was changed or taken out; it
//! cannot show that the last lines were cut off, so a trail that matters is shipped elsewhere as it is written.

pub mod chain;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::fail;
use crate::os::ext::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use crate::os::fs::{FlockOperation, OFlags, flock};
use crate::os::io::Errno;
use crate::records::state;

/// How long another holder of the trail's lock is waited for. Each holds it for one line.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// No line of the trail is longer.
const LONGEST_LINE: usize = 64 * 1024;

/// Where the trail goes and how much it matters.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AuditArgs {
    /// Write the audit line to this file [default: $CCK_AUDIT_FILE, else the state directory]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    audit_file: Option<PathBuf>,
    /// Change nothing where the audit line cannot be written
    #[arg(long, hide_short_help = true)]
    require_audit: bool,
}

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// What: `set-key`, `unset-key`, `rotate`, …
    pub action: String,
    /// The config that was changed.
    pub config: String,
    /// The kind of source that the key came from.
    pub source: Option<String>,
    /// The fingerprint of the key before.
    pub old: Option<String>,
    /// The fingerprint of the key after.
    pub new: Option<String>,
    /// Who, by the name in the password file, else `uid N`.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The version of cck.
    pub cck: String,
    /// `done`, `started` (with --require-audit, before the change), or `failed`.
    pub outcome: String,
    /// SHA-256 of the line before, without its line end, in hex; of the first line, zeros.
    pub prev: String,
}

/// What a command says of its change; the rest of the [`Record`] comes from the process.
#[derive(Clone, Debug)]
pub(crate) struct Event<'a> {
    /// See [`Record::action`].
    pub action: &'a str,
    /// See [`Record::config`].
    pub config: &'a Path,
    /// See [`Record::source`].
    pub source: Option<&'a str>,
    /// See [`Record::old`].
    pub old: Option<String>,
    /// See [`Record::new`].
    pub new: Option<String>,
}

impl AuditArgs {
    /// Before a change: where the trail is required, shows that it can be written by writing that the change starts.
    pub(crate) fn start(&self, event: &Event<'_>, context: &Context) -> anyhow::Result<()> {
        if !self.require_audit {
            return Ok(());
        }
        append(self, event, "started", context).map_err(|error| {
            fail(
                format!("the audit line cannot be written, so nothing was changed: {error:#}"),
                "mend the audit file, or leave --require-audit out",
            )
        })
    }

    /// After a change that failed: where its start is in the trail, so is its end.
    pub(crate) fn failed(&self, event: &Event<'_>, context: &mut Context) {
        if self.require_audit {
            self.log(event, "failed", context);
        }
    }

    /// After a change: writes `event` with `outcome`; the change stands, so that it cannot be written is a warning.
    pub(crate) fn log(&self, event: &Event<'_>, outcome: &str, context: &mut Context) {
        if let Err(error) = append(self, event, outcome, context) {
            context.warn(&format!("the audit line was not written: {error:#}"));
        }
    }
}

/// The file of the trail.
pub(crate) fn file(named: Option<&Path>, context: &Context) -> anyhow::Result<PathBuf> {
    match named
        .or_else(|| context.var_os("CCK_AUDIT_FILE").filter(|file| !file.is_empty()).map(Path::new))
    {
        Some(file) => Ok(context.cwd().join(file)),
        None => Ok(state::dir(context)?.join("audit.jsonl")),
    }
}

fn append(
    args: &AuditArgs,
    event: &Event<'_>,
    outcome: &str,
    context: &Context,
) -> anyhow::Result<()> {
    let path = file(args.audit_file.as_deref(), context)?;
    let shown = path.display();
    let mut trail = open(&path).with_context(|| format!("{shown}"))?;
    lock(&trail).with_context(|| format!("{shown}: cannot lock"))?;
    let end = trail.seek(SeekFrom::End(0))?;
    let last = last_line(&mut trail, end).with_context(|| format!("{shown}: cannot read"))?;
    let record = Record {
        time: now(),
        action: event.action.into(),
        config: event.config.display().to_string(),
        source: event.source.map(Into::into),
        old: event.old.clone(),
        new: event.new.clone(),
        user: user(context),
        host: host(context),
        pid: std::process::id(),
        cck: env!("CARGO_PKG_VERSION").into(),
        outcome: outcome.into(),
        prev: chain::link(last.as_ref().map(|line| line.text.as_slice())),
    };
    // A line that a full disk cut short is ended here, so that this one stands by itself.
    let mut line = if last.is_some_and(|line| !line.ended) { vec![b'\n'] } else { Vec::new() };
    serde_json::to_writer(&mut line, &record)?;
    line.push(b'\n');
    if let Err(error) = trail.write_all(&line).and_then(|()| trail.sync_data()) {
        // Half a line would break the chain.
        let _ = trail.set_len(end);
        return Err(error).with_context(|| format!("{shown}: cannot write"));
    }
    Ok(())
}

/// Takes the lock of the trail. Whoever may read the file can hold it, so it is not waited for without end.
fn lock(trail: &File) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match flock(trail, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(Errno::WOULDBLOCK) => {
                return Err(io::Error::other("another process has held it for too long"));
            }
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Opens the trail for appending. A link at its place is refused: it would let another user choose what is written to.
fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let trail = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    let metadata = trail.metadata()?;
    if !metadata.is_file() {
        Err(io::Error::other("it is not a regular file"))
    } else if metadata.nlink() > 1 {
        Err(io::Error::other("it has another name (a hard link), and may be another file"))
    } else {
        Ok(trail)
    }
}

/// The last line of the trail.
struct LastLine {
    text: Vec<u8>,
    /// Whether it has its line end.
    ended: bool,
}

/// Reads the last line of a file of `end` bytes, from behind, so that a long trail costs no more than a short one.
fn last_line(trail: &mut File, end: u64) -> io::Result<Option<LastLine>> {
    let mut tail = Vec::new();
    let mut start = end;
    while start > 0 {
        if tail.len() > LONGEST_LINE {
            return Err(io::Error::other("its last line is too long for an audit line"));
        }
        let from = start.saturating_sub(4096);
        let mut block = vec![0; usize::try_from(start - from).unwrap_or_default()];
        trail.seek(SeekFrom::Start(from))?;
        trail.read_exact(&mut block)?;
        block.extend_from_slice(&tail);
        tail = block;
        start = from;
        let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
        if let Some(at) = body.iter().rposition(|&byte| byte == b'\n') {
            return Ok(Some(LastLine {
                text: body[at + 1..].to_vec(),
                ended: body.len() < tail.len(),
            }));
        }
    }
    let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
    Ok((end > 0).then(|| LastLine { text: body.to_vec(), ended: body.len() < tail.len() }))
}

/// This moment as RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(unix)]
fn host(_: &Context) -> String {
    crate::os::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(windows)]
fn host(context: &Context) -> String {
    context.var("COMPUTERNAME").unwrap_or_default()
}

/// The user's name as the environment has it.
#[cfg(windows)]
fn user(context: &Context) -> String {
    context.var("USERNAME").unwrap_or_default()
}

/// The user's name in the password file, else `uid N`: in a container there may be no entry.
#[cfg(unix)]
fn user(context: &Context) -> String {
    let uid = crate::os::process::getuid().as_raw();
    let names = fs::read_to_string(context.etc().join("passwd")).unwrap_or_default();
    let name = names.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
