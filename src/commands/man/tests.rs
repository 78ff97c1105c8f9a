//! Makes the manual page from the clap tree.

use clap::{Arg, CommandFactory};

use super::*;
use crate::cli::Cli;

/// What no command says of itself: headings, then terms with their meaning below them.
const APPENDIX: &str = include_str!("man.txt");

#[test]
#[allow(clippy::disallowed_methods, reason = "a test writes its page")]
fn the_page_has_every_command_and_option_as_the_program_has_them() {
    let mut root = Cli::command();
    root.build();
    let page = page(&root);
    if std::env::var_os("CCK_UPDATE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands/man/cck.1");
        return std::fs::write(file, page).unwrap();
    }
    assert_eq!(PAGE, page, "write it with CCK_UPDATE=1 cargo test --lib man::");
    for word in ["cck set\\-key", "cck profile add", "\\fB\\-\\-key\\-file FILE\\fR", "EXIT STATUS"]
    {
        assert!(page.contains(word), "no {word} in {page}");
    }
}

#[test]
fn text_is_no_request() {
    assert_eq!(escape(".SH it's a\\b --c"), "\\&.SH it\\(aqs a\\eb \\-\\-c");
}

fn page(root: &clap::Command) -> String {
    let mut page = Page::default();
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
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
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let default = match arg.get_default_values() {
                [value] if !arg.is_hide_default_value_set() && arg.get_action().takes_values() => {
                    format!(" [default: {}]", value.to_string_lossy())
                }
                _ => String::new(),
            };
            let mut meaning = format!("{help}{default}.");
            // What `--help` leaves out.
            let long = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
            if let Some((_, more)) = long.split_once("\n\n") {
                let _ = write!(meaning, "\n{more}");
            }
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
