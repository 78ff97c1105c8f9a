//! `cck man`: the manual page. A test makes it from the clap tree, so that it cannot differ from what the program does.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::Args;

use crate::context::Context;
use crate::error::Exit;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck man                                       read it here
  cck man > ~/.local/share/man/man1/cck.1")]
pub(crate) struct ManArgs {}

/// The day of this version, for the page's foot. The build does not ask the clock, so that it can be repeated.
const DATE: &str = "2026-11-24";

/// All but the first line.
const PAGE: &str = include_str!("man/cck.1");

pub(crate) fn run(_args: &ManArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let page = format!(".TH CCK 1 {DATE} \"cck {version}\" \"User Commands\"\n{PAGE}");
    if !context.stdout_is_terminal() || !show(&page, context)? {
        context.out.push_str(&page);
    }
    Ok(Exit::Done)
}

/// Shows the page on a terminal with the first program that can: `man`, `mandoc`, or a pager. False if there is none.
fn show(page: &str, context: &Context) -> anyhow::Result<bool> {
    // Only man-db knows `-l`; other systems have mandoc, which pages by itself as man does.
    let pager = context.var("PAGER").filter(|pager| !pager.trim().is_empty());
    let pager = pager.as_deref().unwrap_or("less");
    let plain = plain(page);
    let man = if cfg!(target_os = "linux") { ("man", "-l -") } else { ("mandoc", "-a") };
    for (program, args, text) in [(man.0, man.1, page), ("sh", "-c", &plain), ("more", "", &plain)]
    {
        let mut command = Command::new(program);
        command.args(args.split_whitespace()).stdin(Stdio::piped());
        if program == "sh" {
            command.arg(pager).env("LESS", context.var("LESS").unwrap_or_else(|| "FRX".into()));
        }
        let Ok(mut child) = command.spawn() else { continue };
        if let Some(mut stdin) = child.stdin.take() {
            // Someone who leaves the pager early closes the pipe.
            let _ = stdin.write_all(text.as_bytes());
        }
        if child.wait()?.success() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn plain(page: &str) -> String {
    let mut text = String::new();
    for line in page.lines().filter(|line| !line.starts_with(".TH")) {
        let (macro_name, rest) = match line.strip_prefix('.') {
            Some(request) => request.split_once(' ').unwrap_or((request, "")),
            None => ("", line),
        };
        let rest = rest.trim_matches('"').replace("\\fB", "").replace("\\fR", "");
        let rest = rest.replace("\\(aq", "'").replace("\\(ga", "`").replace("\\(dq", "\"");
        let rest = rest.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\");
        let _ = match macro_name {
            "SH" => write!(text, "\n{rest}\n\n"),
            "SS" => write!(text, "\n  {rest}\n"),
            "TP" | "PP" => writeln!(text),
            _ => writeln!(text, "    {rest}"),
        };
    }
    text
}
