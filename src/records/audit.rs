//! The audit trail: two lines of JSON for each change, before and after it, each with the hash of the line before. No key
//! enters it. That the last lines were cut off does not show, so a trail that matters is shipped elsewhere as it is written.

pub mod chain;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::disk::Open;
use crate::error::fail;
use crate::private;
use crate::records::state;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AuditArgs {
    /// Write the audit line to this file [default: $CCK_AUDIT_FILE, else the state directory]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    audit_file: Option<PathBuf>,
    /// Change nothing if the audit line cannot be written
    #[arg(long, hide_short_help = true)]
    require_audit: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub time: String,
    /// What: `set-key`, `unset-key`, `rotate`, … or `repair`.
    pub action: String,
    pub config: String,
    pub source: Option<String>,
    pub old: Option<String>,
    pub new: Option<String>,
    pub user: String,
    pub host: String,
    pub pid: u32,
    pub cck: String,
    /// `started` before a change, then `done`, `failed` or `reverted`; of a rotation that was cut off, `resumed`.
    pub outcome: String,
    /// Of a `repair`: what is wrong with the line before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// SHA-256 of the line before, without its line end, in hex; of the first line, zeros.
    pub prev: String,
}

impl Record {
    /// What is known before a line is written, which adds the time, who it was, and the outcome.
    fn new(action: &str, config: &Path, source: Option<&str>) -> Record {
        Record {
            action: action.into(),
            config: config.display().to_string(),
            source: source.map(Into::into),
            pid: std::process::id(),
            cck: env!("CARGO_PKG_VERSION").into(),
            ..Record::default()
        }
    }
}

pub(crate) fn file(named: Option<&Path>, context: &Context) -> anyhow::Result<PathBuf> {
    let variable = || context.var_os("CCK_AUDIT_FILE").filter(|file| !file.is_empty());
    match named.or_else(|| variable().map(Path::new)) {
        Some(file) => Ok(context.cwd().join(file)),
        None => Ok(state::dir(context)?.join("audit.jsonl")),
    }
}

/// The lines of one change. The trail is locked from the first of them until this is dropped, so its lines stand in the order
/// of the changes.
pub(crate) struct Trail {
    args: AuditArgs,
    pub record: Record,
    /// Whether the last line waits for the disk, and takes those before it along: the config is there by then.
    pub is_synced: bool,
    open: Option<(File, PathBuf)>,
}

impl Trail {
    pub(crate) fn new(args: &AuditArgs, action: &str, path: &Path, source: Option<&str>) -> Trail {
        let record = Record::new(action, path, source);
        Trail { args: args.clone(), record, is_synced: true, open: None }
    }

    /// Before a change: writes that it starts. That it cannot be written is an error only if it is required.
    pub(crate) fn start(&mut self, context: &Context) -> anyhow::Result<()> {
        match self.append("started", context) {
            Err(error) if self.args.require_audit => Err(fail(
                format!("the audit line cannot be written, so nothing was changed: {error:#}"),
                "fix the audit file, or leave --require-audit out",
            )),
            _ => Ok(()),
        }
    }

    /// Writes one line. That it cannot be written is a warning: what it describes has happened.
    pub(crate) fn log(&mut self, outcome: &str, context: &mut Context) {
        if let Err(error) = self.append(outcome, context) {
            context.warn(&format!("the audit line was not written: {error:#}"));
        }
    }

    /// Adds a line, and before it one that describes the damage if the last line is not a record.
    fn append(&mut self, outcome: &str, context: &Context) -> anyhow::Result<()> {
        // What is written is there whatever ends cck, except for a power cut.
        let is_synced = (self.is_synced && outcome != "started") || self.args.require_audit;
        let (file, path) = match &mut self.open {
            Some(open) => open,
            none => {
                let path = file(self.args.audit_file.as_deref(), context)?;
                let file = private::open_locked(&path, Open::Append, private::LOCK_WAIT)
                    .with_context(|| path.display().to_string())?;
                none.insert((file, path))
            }
        };
        let shown = path.display();
        let end = file.seek(SeekFrom::End(0))?;
        let last = chain::last_line(file, end).with_context(|| format!("{shown}: cannot read"))?;
        let [user, host] = user_and_host(context);
        let mut lines = Vec::new();
        let add = |lines: &mut Vec<u8>, record: Record, outcome: &str, prev: String| {
            let (time, user, host, outcome) = (now(), user.clone(), host.clone(), outcome.into());
            let line = serde_json::to_vec(&Record { time, user, host, outcome, prev, ..record })?;
            lines.extend_from_slice(&line);
            lines.push(b'\n');
            anyhow::Ok(chain::link(Some(&line)))
        };
        let mut prev = chain::link(None);
        if let Some(last) = last {
            if !last.ended {
                lines.push(b'\n');
            }
            prev = last.link;
            if last.damage.is_some() {
                let repair = Record::new("repair", path, None);
                prev = add(&mut lines, Record { damage: last.damage, ..repair }, "done", prev)?;
            }
        }
        add(&mut lines, self.record.clone(), outcome, prev)?;
        let sync = |file: &File| if is_synced { file.sync_data() } else { Ok(()) };
        if let Err(error) = file.write_all(&lines).and_then(|()| sync(file)) {
            // Half a line would have to be repaired.
            let _ = file.set_len(end);
            return Err(error).with_context(|| format!("{shown}: cannot write"));
        }
        Ok(())
    }
}

pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(windows)]
fn user_and_host(context: &Context) -> [String; 2] {
    ["USERNAME", "COMPUTERNAME"].map(|name| context.var(name).unwrap_or_default())
}

/// The user's name in the password file, else `uid N`: in a container there may be no entry.
#[cfg(unix)]
fn user_and_host(context: &Context) -> [String; 2] {
    let user = rustix::process::getuid();
    let name = context.field_of(user, 0).unwrap_or_else(|| format!("uid {}", user.as_raw()));
    [name, rustix::system::uname().nodename().to_string_lossy().into_owned()]
}
