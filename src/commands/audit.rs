//! `cck audit`: shows the audit trail and checks its chain.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::broker::log;
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::output::one_line;
use crate::records::audit::chain::{self, Broken};
use crate::records::audit::{self, Record};
use crate::records::state;
use crate::store;

#[derive(Debug, Args)]
#[command(after_help = "\
Each line of the log holds the SHA-256 of the line before, so a line that was changed or removed shows. Lines cut off \
at the end do not: ship the log elsewhere (CCK_AUDIT_FILE) if that matters. Keys are named by fingerprint:
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

pub(crate) fn run(args: &AuditCmdArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let path = audit::file(args.file.as_deref(), context)?;
    let text = store::read(&path)?;
    if text.is_none() && args.file.is_some() {
        return Err(fail(format!("{} does not exist", path.display()), "check the path in --file"));
    }
    let (records, broken) = chain::read(&text.unwrap_or_default());
    // The log of calls is checked with the audit log, unless another file was named.
    let calls = match state::dir(context) {
        Ok(state) if args.check && args.file.is_none() => Some(log::check(&state)?),
        _ => None,
    };
    let is_broken = broken.is_some() || matches!(&calls, Some((_, Some(_))));
    let exit = if args.check && is_broken { Exit::No } else { Exit::Done };
    let shown_from = args.number.map_or(0, |number| records.len().saturating_sub(number));
    let shown = &records[shown_from..];
    if args.json {
        let chain = |is_broken: bool| if is_broken { "broken" } else { "whole" };
        let mut report = json!({
            "schema": 1,
            "file": path.display().to_string(),
            "records": shown,
            "chain": chain(broken.is_some()),
            "broken_line": broken.map(|broken| broken.line),
        });
        if let Some((lines, broken)) = calls {
            report["calls"] = json!({
                "lines": lines,
                "chain": chain(broken.is_some()),
                "broken_file": broken.as_ref().map(|(file, ..)| file.display().to_string()),
                "broken_line": broken.as_ref().map(|(_, line, _)| line),
            });
        }
        context.say_json(&report)?;
        return Ok(exit);
    }
    if !args.check {
        shown.iter().for_each(|record| context.out.push_str(&row(record)));
    }
    let (file, lines) = (one_line(&path.display().to_string()), records.len());
    let more = match records.iter().filter(|record| record.damage.is_some()).count() {
        0 => String::new(),
        1 => "; 1 damaged line is described in it".to_owned(),
        n => format!("; {n} damaged lines are described in it"),
    };
    match broken {
        Some(Broken { line, why }) => context.say(broken_at(&path, line, why)),
        None if lines == 0 => context.say(format!("{file}: no change has been recorded yet")),
        None if args.check => {
            context.say(format!("{file}: the chain of {lines} lines is whole{more}"));
        }
        None => {}
    }
    match calls {
        Some((_, Some((file, line, why)))) => context.say(broken_at(&file, line, why)),
        Some((lines @ 1.., None)) => {
            context.say(format!("the call log: the chain of {lines} lines is whole"));
        }
        _ => {}
    }
    Ok(exit)
}

fn broken_at(file: &Path, line: usize, why: &str) -> String {
    format!("{}: line {line} breaks the chain: {why}", one_line(&file.display().to_string()))
}

fn row(record: &Record) -> String {
    let Record { time, action, outcome, user, host, config, .. } = record;
    let [old, new] = [&record.old, &record.new].map(|key| key.as_deref().unwrap_or("none"));
    let more = |before: &str, text: &Option<String>, after: &str| {
        text.as_ref().map_or(String::new(), |text| format!("{before}{text}{after}"))
    };
    let source = more(" from ", &record.source, "");
    let damage = more("  (", &record.damage, ")");
    let line = format!(
        "{time}  {action:<9} {outcome:<7} {old} -> {new}{source}  {user}@{host}  {config}{damage}"
    );
    one_line(&line) + "\n"
}
