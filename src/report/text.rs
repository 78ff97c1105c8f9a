//! `cck verify` for people: the verdict, what is sent where, every source, the problems. As wide as the terminal, from 40 to 100 columns.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::json::Summary;
use crate::client::advice::{Problem, Severity};
use crate::client::decision::{Candidate, Decision, Header, Mode, Outcome, Provider, Standing};
use crate::client::settings;
use crate::client::source::Source;
use crate::client::state::State;
use crate::key;
use crate::online::without_user;
use crate::output::one_line;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The report.
pub fn render(state: &State, decision: &Decision, summary: &Summary<'_>) -> String {
    let mut out = Page { text: String::new(), width: summary.width };
    verdict(decision, summary, &mut out);
    out.text.push('\n');
    match summary.modes {
        // What holds for both is said once.
        [one, other] if decision.outcome(*one) == decision.outcome(*other) => {
            sent(state, decision, *one, "both modes", &mut out);
        }
        modes => {
            for mode in modes {
                sent(state, decision, *mode, name(*mode), &mut out);
            }
        }
    }
    let client = summary.installed.name();
    for line in [client, summary.installed.note.clone()].into_iter().flatten() {
        out.wrap(&format!("{HEAD}client{HEAD:#}       "), 13, &line);
    }
    sources(decision, summary.modes, &mut out);
    if let Some(online) = &summary.online {
        let status = online.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let text = format!("{}{status}, asked {}", online.result, online.url);
        out.wrap(&format!("\n{HEAD}online{HEAD:#}       "), 13, &text);
    }
    problems(summary.problems, &mut out);
    // An address may have a key in it.
    key::mask(&out.text)
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Print => "print",
        Mode::Interactive => "interactive",
    }
}

/// The first line: yes or no, and about what.
fn verdict(decision: &Decision, summary: &Summary<'_>, out: &mut Page) {
    let expected = summary.expected;
    if summary.verdict {
        let what = match expected {
            Some(source) => format!("Claude Code sends {source}, and nothing besides"),
            None => "Claude Code sends one credential".to_owned(),
        };
        return out.wrap(&format!("{GOOD}yes{GOOD:#}  "), 5, &what);
    }
    if let Some(refused) = &summary.refused {
        return out.wrap(&format!("{BAD}no{BAD:#}   "), 5, refused);
    }
    let failing: Vec<Mode> = summary
        .modes
        .iter()
        .copied()
        .filter(|mode| !decision.outcome(*mode).meets(expected))
        .collect();
    let everywhere = failing.len() == summary.modes.len();
    let place = match failing.first() {
        Some(mode) if !everywhere => format!(" in {} mode", name(*mode)),
        _ => String::new(),
    };
    let outcome = failing.first().map(|mode| decision.outcome(*mode));
    let what = match (expected, outcome) {
        (_, Some(outcome)) if !outcome.sends => format!("Claude Code sends no credential{place}"),
        (Some(source), Some(outcome)) if outcome.sources().contains(&source) => {
            format!("Claude Code sends more than {source}{place}")
        }
        (Some(source), _) => format!("Claude Code does not send {source}{place}"),
        (None, _) => format!("Claude Code does not send exactly one credential{place}"),
    };
    out.wrap(&format!("{BAD}no{BAD:#}   "), 5, &what);
}

/// What one mode sends, and where.
fn sent(state: &State, decision: &Decision, mode: Mode, name: &str, out: &mut Page) {
    let outcome = decision.outcome(mode);
    let label = format!("{HEAD}{name:<11}{HEAD:#}  ");
    if !outcome.sends {
        let why = if outcome.provider == Provider::Anthropic {
            "nothing is sent".to_owned()
        } else {
            format!("nothing is sent to Anthropic; requests go to {}", outcome.provider.name())
        };
        out.wrap(&label, 13, &format!("{why}{}", dialogs(outcome)));
        return;
    }
    let mut lines = Vec::new();
    for (header, value) in
        [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)]
    {
        match value {
            Header::Absent => {}
            Header::From(sent) => {
                let source = &sent.source;
                lines.push(format!("{header}: {source}{}", hint(decision, source)));
            }
            Header::Invalid(source) => {
                lines.push(format!("{header}: no credential in it, for {source} gave none"));
            }
        }
    }
    let (setter, url) = settings::base_url(state);
    let by = setter.map_or_else(String::new, |source| format!(" ({source})"));
    lines.push(format!("to {}{by}{}", one_line(&without_user(url)), dialogs(outcome)));
    for (at, line) in lines.iter().enumerate() {
        let blank = " ".repeat(13);
        out.wrap(if at == 0 { &label } else { &blank }, 13, line);
    }
}

fn dialogs(outcome: &Outcome) -> String {
    let names: Vec<&str> = outcome.dialogs.iter().map(|dialog| dialog.name()).collect();
    if names.is_empty() { String::new() } else { format!("; it asks first: {}", names.join(", ")) }
}

fn hint(decision: &Decision, source: &Source) -> String {
    let candidate = decision.candidates.iter().find(|candidate| candidate.source == *source);
    candidate.and_then(|candidate| candidate.secret.as_ref()).map_or_else(String::new, |secret| {
        format!(" {}", one_line(&key::hint(secret.reveal().trim())))
    })
}

/// Every source that is there, in order of precedence, and the rest in a line.
fn sources(decision: &Decision, modes: &[Mode], out: &mut Page) {
    let standing = |candidate: &Candidate| {
        let all = modes.iter().map(|mode| match mode {
            Mode::Print => candidate.print,
            Mode::Interactive => candidate.interactive,
        });
        all.min_by_key(|standing| match standing {
            Standing::Used => 0,
            Standing::Shadowed => 1,
            Standing::Ignored => 2,
            Standing::Unset => 3,
        })
        .unwrap_or(Standing::Unset)
    };
    let (unset, there): (Vec<&Candidate>, Vec<&Candidate>) =
        decision.candidates.iter().partition(|candidate| {
            standing(candidate) == Standing::Unset && candidate.because == "not set"
        });
    if !there.is_empty() {
        let _ = writeln!(out.text, "\n{HEAD}sources{HEAD:#}, the first to win on top");
    }
    for candidate in there {
        let standing = standing(candidate);
        let style = match standing {
            Standing::Used => GOOD,
            Standing::Shadowed => WARN,
            Standing::Ignored | Standing::Unset => DIM,
        };
        let label = format!("  {style}{:<9}{style:#}", standing.name());
        let secret = candidate.secret.as_ref().map(|secret| secret.reveal().trim());
        let hint =
            secret.map_or_else(String::new, |secret| format!(" {}", one_line(&key::hint(secret))));
        out.wrap(&label, 11, &format!("{}{hint}", candidate.source));
        out.wrap(&" ".repeat(11), 11, &one_line(&candidate.because));
    }
    if !unset.is_empty() {
        let ids: Vec<String> = unset.iter().map(|candidate| candidate.source.to_string()).collect();
        out.wrap(&format!("  {DIM}not set{DIM:#}  "), 11, &ids.join(", "));
    }
}

fn problems(problems: &[Problem], out: &mut Page) {
    if problems.is_empty() {
        return;
    }
    let _ = writeln!(out.text, "\n{HEAD}problems{HEAD:#}");
    for problem in problems {
        let (style, word) = match problem.severity {
            Severity::Error => (BAD, "error"),
            Severity::Warning => (WARN, "warning"),
        };
        out.wrap(&format!("  {style}{word:<9}{style:#}"), 11, &one_line(&problem.message));
        out.wrap(&format!("           {DIM}fix:{DIM:#} "), 16, &one_line(&problem.fix));
    }
}

/// Text of a width.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// Adds text after a label, broken between words so that no line is wider than the page; words are not broken, so
    /// that a path can be copied.
    fn wrap(&mut self, label: &str, indent: usize, text: &str) {
        self.text.push_str(label);
        let mut column = indent;
        for (at, word) in text.split(' ').enumerate() {
            let width = word.chars().count();
            if at > 0 && column + 1 + width > self.width {
                let _ = write!(self.text, "\n{:indent$}", "");
                column = indent;
            } else if at > 0 {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(word);
            column += width;
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        let mut out = Page { text: String::new(), width: 80 };
        out.wrap("label  ", 7, &"word ".repeat(30));
        let text = out.text;
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("       w") || line.trim().is_empty())
        );
    }
}
