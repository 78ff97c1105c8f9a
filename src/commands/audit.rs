//! `cck audit`: shows the audit trail and checks its chain.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::broker::log;
use crate::context::Context;
use crate::error::Exit;
use crate::output::one_line;
use crate::records::audit::chain::{self, Broken};
use crate::records::audit::{self, Record};
use crate::records::state;
use crate::store;

/// The arguments of `cck audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line of the log holds the SHA-256 of the line before, so a line that was changed
or removed shows. That the last lines were cut off does not: ship the log elsewhere
(CCK_AUDIT_FILE) if that matters. Keys are named by fingerprint:
  printf 'cck-fingerprint-v1:%s' \"$KEY\" | sha256sum | cut -c1-12")]
pub(crate) struct AuditCmdArgs {
    /// Check the chain; the exit code is 1 if it is broken
    #[arg(long)]
    check: bool,
    /// Show only the last lines
    #[arg(short, long = "last", value_name = "N")]
    number: Option<usize>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
    /// Read this log [default: $CCK_AUDIT_FILE, else the state directory]
    #[arg(long, value_name = "FILE", alias = "audit-file")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    file: String,
    records: &'a [Record],
    chain: &'a str,
    broken_line: Option<usize>,
    /// The call log, with --check.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<CallsReport>,
}

#[derive(Serialize)]
struct CallsReport {
    lines: usize,
    chain: &'static str,
    broken_file: Option<String>,
    broken_line: Option<usize>,
}

/// Runs `cck audit`.
pub(crate) fn run(args: &AuditCmdArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let path = audit::file(args.file.as_deref(), context)?;
    let (records, broken) = chain::read(&store::read(&path)?.unwrap_or_default());
    // The log of calls is checked with the audit log, unless another file was named.
    let calls = match state::dir(context) {
        Ok(state) if args.check && args.file.is_none() => Some(log::check(&state)?),
        _ => None,
    };
    let is_broken = broken.is_some() || matches!(&calls, Some((_, Some(_))));
    let exit = if args.check && is_broken { Exit::No } else { Exit::Done };
    let shown_from = args.number.map_or(0, |number| records.len().saturating_sub(number));
    if args.json {
        let report = Report {
            schema: 1,
            file: path.display().to_string(),
            records: &records[shown_from..],
            chain: if broken.is_some() { "broken" } else { "whole" },
            broken_line: broken.map(|broken| broken.line),
            calls: calls.map(|(lines, broken)| CallsReport {
                lines,
                chain: if broken.is_some() { "broken" } else { "whole" },
                broken_line: broken.as_ref().map(|broken| broken.1),
                broken_file: broken.map(|broken| broken.0.display().to_string()),
            }),
        };
        context.say_json(&report)?;
        return Ok(exit);
    }
    if !args.check {
        context.out.push_str(&table(&records[shown_from..]));
    }
    let shown = one_line(&path.display().to_string());
    match broken {
        Some(Broken { line, why }) => {
            context.say(format!("{shown}: line {line} breaks the chain: {why}"));
        }
        None if args.check => {
            let lines = records.len();
            context.say(match records.iter().filter(|record| record.damage.is_some()).count() {
                0 => format!("{shown}: the chain of {lines} lines is whole"),
                1 => format!("{shown}: the chain of {lines} lines is whole; 1 damaged line is described in it"),
                n => format!("{shown}: the chain of {lines} lines is whole; {n} damaged lines are described in it"),
            });
        }
        None if records.is_empty() => context.say(format!("{shown}: no change was recorded yet")),
        None => {}
    }
    match calls {
        Some((_, Some((file, line, why)))) => {
            let shown = one_line(&file.display().to_string());
            context.say(format!("{shown}: line {line} breaks the chain: {why}"));
        }
        Some((lines @ 1.., None)) => {
            context.say(format!("the call log: the chain of {lines} lines is whole"));
        }
        _ => {}
    }
    Ok(exit)
}

fn table(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let key =
            |fingerprint: &Option<String>| fingerprint.clone().unwrap_or_else(|| "none".into());
        let (old, new) = (key(&record.old), key(&record.new));
        let source =
            record.source.as_ref().map(|source| format!(" from {source}")).unwrap_or_default();
        let damage =
            record.damage.as_ref().map(|damage| format!("  ({damage})")).unwrap_or_default();
        let line = format!(
            "{}  {:<9} {:<7} {old} -> {new}{source}  {}@{}  {}{damage}",
            record.time, record.action, record.outcome, record.user, record.host, record.config
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", one_line(&line));
    }
    text
}
