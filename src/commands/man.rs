//! `cck man`: the manual page, made from the clap tree, so that it cannot differ from what the program does.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::{Arg, Args};

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

/// What no command says of itself: headings, then terms with their meaning below them.
const APPENDIX: &str = include_str!("man.txt");

pub(crate) fn run(
    _args: &ManArgs,
    mut root: clap::Command,
    context: &mut Context,
) -> anyhow::Result<Exit> {
    root.build();
    let page = page(&root);
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
    for (program, args, text) in
        [(man.0, man.1, page), ("sh", "-c", plain.as_str()), ("more", "", plain.as_str())]
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

/// The page without its markup, for a machine without `man`.
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

fn page(root: &clap::Command) -> String {
    let mut page = Page::default();
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    page.raw(&format!(".TH CCK 1 {DATE} \"cck {version}\" \"User Commands\""));
    page.raw(".SH NAME");
    // Programs that index pages want exactly this form.
    page.raw(&format!("cck \\- {}", escape(&about)));
    page.raw(".SH SYNOPSIS\n.B cck\n.RI [ command ]\n.RI [ options ]\n.SH DESCRIPTION");
    page.text(
        "cck writes an API key into the config of Claude Code, shows which credential the client sends and why, \
         and manages the key from then on. Without a command, it says what is in force.",
    );
    page.raw(".SH COMMANDS");
    for sub in root.get_subcommands() {
        page.command(sub);
    }
    page.raw(".SH OPTIONS");
    page.options(root.get_arguments());
    for line in APPENDIX.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("# "), line.strip_prefix("    ")) {
            (Some(heading), _) => page.raw(&format!(".SH \"{heading}\"")),
            (_, Some(meaning)) => page.text(meaning),
            _ => page.term(line, ""),
        }
    }
    page.out
}

#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    /// A line that is roff already.
    fn raw(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn text(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.raw(&escape(line));
        }
    }

    fn term(&mut self, term: &str, meaning: &str) {
        self.raw(&format!(".TP\n\\fB{}\\fR", escape(term)));
        self.text(meaning);
    }

    /// A command and what is below it. What holds for all commands is said once, under OPTIONS.
    fn command(&mut self, command: &clap::Command) {
        if command.is_hide_set() || command.get_name() == "help" {
            return;
        }
        if command.has_subcommands() {
            for sub in command.get_subcommands() {
                self.command(sub);
            }
            return;
        }
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        self.raw(&format!(".SS \"{}\"", escape(usage).replace('"', "\\(dq")));
        if let Some(about) = command.get_about() {
            self.text(&format!("{about}."));
        }
        let everywhere = ["help", "quiet"];
        self.options(
            command.get_arguments().filter(|arg| !everywhere.contains(&arg.get_id().as_str())),
        );
        if let Some(after) = command.get_after_help() {
            self.raw(".PP");
            // A line that begins with a blank stays one.
            for line in after.to_string().lines() {
                self.raw(&if line.is_empty() { ".PP".to_owned() } else { escape(line) });
            }
        }
    }

    fn options<'a>(&mut self, args: impl Iterator<Item = &'a Arg>) {
        for arg in args.filter(|arg| !arg.is_hide_set()) {
            let values = arg.get_possible_values();
            let values: Vec<&str> = values
                .iter()
                .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
                .map(|value| value.get_name())
                .collect();
            let mut meaning = arg.get_help().map(|help| format!("{help}.")).unwrap_or_default();
            if !values.is_empty() {
                let _ = write!(meaning, "\nOne of {}.", values.join(", "));
            }
            self.term(&heading(arg), &meaning);
        }
    }
}

/// `-h, --help` or `--key-file FILE` or `NAME`.
fn heading(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    short + &arg.to_string().replace(['<', '>'], "")
}

/// Text that roff prints as it stands: no line of it is a request, and a hyphen can be copied and pasted.
fn escape(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    match escaped.chars().next() {
        Some('.') => format!("\\&{escaped}"),
        _ => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_request() {
        assert_eq!(escape(".SH it's a\\b --c"), "\\&.SH it\\(aqs a\\eb \\-\\-c");
    }

    #[test]
    fn every_command_and_option_is_on_the_page() {
        let mut root = <crate::cli::Cli as clap::CommandFactory>::command();
        root.build();
        let page = page(&root);
        for word in
            ["cck set\\-key", "cck profile add", "\\fB\\-\\-key\\-file FILE\\fR", "EXIT STATUS"]
        {
            assert!(page.contains(word), "no {word} in {page}");
        }
    }
}
