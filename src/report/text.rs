//! `cck verify` for people: the verdict with file, host and version; the sources only if the answer is no, or on demand.

use std::fmt::Write;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};

use super::Answer;
use super::names::Names;
use crate::client::{
    Candidate, Case, Decision, Dialog, Kind, Mode, Outcome, Problem, Severity, Source, Standing,
    names,
};
use crate::key;
use crate::output::one_line;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The report, `width` columns wide; `verbose` shows every source, wanted or not.
pub fn render(answer: &Answer<'_>, width: usize, verbose: bool) -> String {
    let mut out = Text::new(answer, width);
    out.session();
    out.verdict();
    out.online();
    let told = out.either_or();
    out.problems(&told);
    if !answer.verdict && answer.installed.note.is_some() && !out.has(&answer.installed.text()) {
        out.sentence("", &answer.installed.text());
    }
    if verbose || !answer.verdict {
        out.sources(verbose);
    }
    if verbose {
        for mode in answer.case.modes {
            out.headers(*mode);
        }
        for other in &answer.installed.others {
            let version = other.version.as_deref().unwrap_or("of unknown version");
            let path = one_line(&other.path.display().to_string());
            let by = other.installed_by;
            out.sentence("", &format!("also here: Claude Code {version} ({by}), {path}"));
        }
    }
    // An address may have a key in it.
    key::mask(&out.text)
}

/// What is in force and the next step: `cck` without a command.
pub(crate) fn status(answer: &Answer<'_>, width: usize) -> String {
    let mut out = Text::new(answer, width);
    out.verdict();
    let count =
        |severity| answer.problems.iter().filter(|found| found.severity == severity).count();
    let next = match answer.problems.first() {
        None if answer.verdict => "cck --help shows what else cck does".to_owned(),
        None => "cck verify".to_owned(),
        Some(first) if first.severity == Severity::Error => {
            if answer.refused.is_none() && !out.is_told(first) {
                out.sentence("", &out.message(first));
            }
            match count(Severity::Error) {
                1 if is_command(&first.fix) => first.fix.clone(),
                _ => "cck verify   (explains it, with the fix)".to_owned(),
            }
        }
        Some(_) => match count(Severity::Warning) {
            1 => "cck verify   (explains 1 warning)".to_owned(),
            more => format!("cck verify   (explains {more} warnings)"),
        },
    };
    out.line(&format!("  {HEAD}next:{HEAD:#} {}", one_line(&next)));
    key::mask(&out.text)
}

struct Text<'a> {
    text: String,
    width: usize,
    answer: &'a Answer<'a>,
    decision: &'a Decision,
    names: Names<'a>,
}

impl<'a> Text<'a> {
    fn new(answer: &'a Answer<'a>, width: usize) -> Self {
        let Case { state, session, decision, .. } = *answer.case;
        let names = Names { state, is_session: session.is_some() };
        Text { text: String::new(), width, answer, decision, names }
    }

    /// Adds a line as it is: what is to be copied is never wrapped.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Adds a sentence after a label, broken between words.
    fn sentence(&mut self, label: &str, text: &str) {
        self.wrap(&format!("  {label}"), 2, text);
    }

    /// Adds text after a label, and what does not fit in the line below its beginning.
    fn beside(&mut self, label: &str, text: &str) {
        self.wrap(label, columns(label), text);
    }

    fn wrap(&mut self, label: &str, indent: usize, text: &str) {
        self.text.push_str(label);
        let mut column = columns(label);
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

    fn session(&mut self) {
        let Some(source) = self.answer.case.session else { return };
        let text = format!("cck adds the key from {source} to each call of Claude Code");
        self.sentence(&format!("{HEAD}inside cck run:{HEAD:#} "), &text);
    }

    fn verdict(&mut self) {
        let case = self.answer.case;
        let outcome = |mode: Mode| case.decision.outcome(mode);
        let meets = |mode: &Mode| case.decision.meets(*mode, case.expected);
        let (good, first) = (case.modes.iter().all(meets), outcome(case.modes[0]));
        if let Some(why) = &self.answer.refused {
            return self.refused(why, first);
        }
        if case.outcomes().all(|it| it.headers() == first.headers() && it.sends == first.sends) {
            let who = if let [mode] = case.modes { who(*mode) } else { "Claude Code" };
            self.judge(Some(good), who, first);
            let asks = case.outcomes().find_map(dialogs);
            if let Some(asks) = asks.filter(|_| good) {
                self.sentence("", &format!("interactive claude first {asks}"));
            }
            return;
        }
        // What is wrong comes first.
        let mut modes = case.modes.to_vec();
        modes.sort_by_key(meets);
        for (row, mode) in modes.iter().enumerate() {
            let mark = if meets(mode) { (row == 0).then_some(true) } else { Some(false) };
            self.judge(mark, who(*mode), outcome(*mode));
        }
    }

    /// The first lines where nothing is wrong with what is sent: the server, or the host, is.
    fn refused(&mut self, why: &str, outcome: &Outcome) {
        self.beside(&mark(false), &self.names.in_text(&one_line(why)));
        if let Some(source) = outcome.sources().first() {
            let (noun, hint) = (self.noun(source), self.hint(source, " "));
            self.sentence("", &format!("it is {noun}{hint}, from {}", self.names.name(source)));
        }
    }

    /// What one mode, or both, sends: with a mark, or as a line below one.
    fn judge(&mut self, good: Option<bool>, who: &str, outcome: &Outcome) {
        let label = good.map_or_else(|| "  ".to_owned(), mark);
        if good == Some(false) {
            return self.beside(&label, &format!("{who} {}", self.shortfall(outcome)));
        }
        let sources = outcome.sources();
        let Some(source) = sources.first() else { return };
        if good.is_none() && !self.answer.verdict && self.same_key(source) {
            let but =
                dialogs(outcome).map(|asks| format!(", but first {asks}")).unwrap_or_default();
            return self.beside(&label, &format!("{who} sends yours{but}"));
        }
        let (noun, hint) = (self.noun(source), self.hint(source, " "));
        self.beside(&label, &format!("{who} will send {noun}{hint} to {}", self.host()));
        let same = self.same_key(source) && **source != Source::PrimaryKey;
        let also = if same { ", the same key as in the config" } else { "" };
        let client = one_line(&self.answer.installed.text());
        self.sentence("", &format!("from {}{also} · {client}", self.names.name(source)));
    }

    fn shortfall(&self, outcome: &Outcome) -> String {
        if let Some(provider) = outcome.provider {
            return format!("uses {}: no Anthropic credential is sent", provider.name);
        }
        if !outcome.sends {
            let asks = self.decision.interactive.dialogs.contains(&Dialog::Login);
            let then = if asks { " and asks you to log in" } else { "" };
            return format!("sends no credential{then}");
        }
        if let Some(source) = outcome.invalid() {
            let name = self.names.name(source);
            return format!("sends a request without a credential: {name} returned none");
        }
        let named = |source: &Source| match &*self.hint(source, "") {
            "" => self.names.name(source),
            hint => format!("{} ({hint})", self.names.name(source)),
        };
        let sources = outcome.sources();
        let expected = self.answer.case.expected;
        let others = sources.iter().filter(|source| Some(**source) != expected);
        let others = others.map(|source| named(source)).collect::<Vec<_>>().join(" and ");
        match expected {
            None if sources.len() > 1 => format!("sends two credentials: {others}"),
            None => "sends no credential".to_owned(),
            Some(expected) if sources.contains(&expected) => {
                format!("sends {}, but also {others}", self.noun(expected))
            }
            Some(expected) if others.is_empty() => format!("does not send {}", named(expected)),
            Some(expected) => {
                let is_key = is_key(expected) && sources.first().is_some_and(|first| is_key(first));
                let kind = if is_key { "another key" } else { "another credential" };
                format!("sends {kind}: {others}")
            }
        }
    }

    fn noun(&self, source: &Source) -> &'static str {
        match source.kind() {
            _ if self.same_key(source) => "your key",
            Kind::Helper => "apiKeyHelper's key",
            Kind::Login | Kind::Gateway => "the stored login",
            Kind::Key | Kind::Primary => "the key",
            _ => "the token",
        }
    }

    fn same_key(&self, source: &Source) -> bool {
        let key = self.decision.secret(&Source::PrimaryKey).filter(|key| !key.is_empty());
        *source == Source::PrimaryKey || (key.is_some() && self.decision.secret(source) == key)
    }

    fn hint(&self, source: &Source, before: &str) -> String {
        let hint = |secret| format!("{before}{}", one_line(&key::hint(secret)));
        self.decision.secret(source).map(hint).unwrap_or_default()
    }

    /// Where requests go: the host alone for the usual kind of address.
    fn host(&self) -> &'a str {
        let url = &*self.answer.case.destination.shown;
        url.strip_prefix("https://").filter(|host| !host.contains('/')).unwrap_or(url)
    }

    fn find(&self, code: &str) -> Option<&'a Problem> {
        self.answer.problems.iter().find(|problem| problem.code == code)
    }

    fn online(&mut self) {
        let Some(online) = &self.answer.online else { return };
        let status = online.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let text = match online.result {
            "valid" => format!("{} accepts it{status}", online.url),
            result => format!("{}: {}{status}", online.url, result.replace('-', " ")),
        };
        self.sentence(&format!("{HEAD}online:{HEAD:#} "), &text);
    }

    /// The two ways out of a key that is hidden by another. Returns the problems that this settles.
    fn either_or(&mut self) -> Vec<&'a Problem> {
        let case = self.answer.case;
        let (Some(shadowed), Some(expected)) = (self.find("key-shadowed"), case.expected) else {
            return Vec::new();
        };
        let Some(other) = case.sent().find(|source| *source != expected) else { return Vec::new() };
        let mine = match expected {
            Source::PrimaryKey => "the key in the config".to_owned(),
            expected => self.names.name(expected),
        };
        let leads = [format!("To use {mine}:"), format!("or to use {}:", self.names.name(other))];
        let id = other.to_string();
        let verify = case.cck(&format!("verify --expect {}", self.answer.with_session(&id)));
        let approve = self.find("env-key-not-approved").or_else(|| self.find("env-key-rejected"));
        let approve = approve.filter(|_| other.is_variable(names::KEY));
        let pad = leads.iter().map(|lead| lead.chars().count()).max().unwrap_or(0);
        let [first, second] = leads.map(|lead| format!("  {lead:pad$}   "));
        self.fix(&first, &one_line(&shadowed.fix));
        if let Some(problem) = approve {
            let (line, then) = (second + &problem.fix, format!("(then: {verify})"));
            let fits = columns(&line) + 3 + columns(&then) <= self.width;
            self.line(&(line + if fits { "   " } else { "\n    " } + &then));
        } else {
            self.fix(&second, &verify);
        }
        [shadowed].into_iter().chain(approve).collect()
    }

    fn problems(&mut self, told: &[&Problem]) {
        for problem in self.answer.problems.iter().filter(|problem| !told.contains(problem)) {
            let same_fix =
                |other: &Problem| other.severity == Severity::Error && other.fix == problem.fix;
            if problem.code == "onboarding-incomplete" && self.answer.problems.iter().any(same_fix)
            {
                continue;
            }
            let (style, word) = match problem.severity {
                Severity::Error => (BAD, "error:"),
                Severity::Warning => (WARN, "warning:"),
            };
            if self.answer.verdict || !self.is_told(problem) {
                self.sentence(&format!("{style}{word}{style:#} "), &self.message(problem));
            }
            self.fix(&format!("    {DIM}fix:{DIM:#} "), &one_line(&problem.fix));
        }
    }

    fn fix(&mut self, label: &str, fix: &str) {
        if is_command(fix) {
            self.line(&format!("{label}{fix}"));
        } else if columns(label) > self.width / 2 {
            // A column beside it would be too narrow to read.
            self.line(label.trim_end());
            self.beside("    ", fix);
        } else {
            self.beside(label, fix);
        }
    }

    fn message(&self, problem: &Problem) -> String {
        self.names.in_text(&one_line(&problem.message))
    }

    fn is_told(&self, problem: &Problem) -> bool {
        matches!(problem.code, "no-credential" | "key-shadowed")
            || (problem.code == "other-host" && self.answer.refused.is_some())
            || self.has(&self.message(problem))
    }

    /// Whether the text says so already, however it is broken into lines.
    fn has(&self, sentence: &str) -> bool {
        strip_str(&self.text).to_string().replace("\n  ", " ").contains(sentence)
    }

    /// Every source that is there, in order of precedence, and with `verbose` the rest in a line.
    fn sources(&mut self, verbose: bool) {
        let modes = self.answer.case.modes;
        let standing = |found: &Candidate| {
            let all = modes.iter().map(|mode| found.note(*mode).standing);
            all.min().unwrap_or(Standing::Unset)
        };
        let is_unset =
            |found: &&Candidate| standing(found) == Standing::Unset && found.because() == "not set";
        let (unset, mut there): (Vec<_>, Vec<_>) =
            self.decision.candidates.iter().partition(is_unset);
        // In HOME, the project's settings are the user's.
        there.dedup_by_key(|found| self.names.name(&found.source));
        if !there.is_empty() {
            self.line(&format!("\n  {HEAD}sources{HEAD:#}, highest precedence first"));
        }
        for found in there {
            let standing = standing(found);
            let style = match standing {
                Standing::Used => GOOD,
                Standing::Shadowed => WARN,
                Standing::Ignored | Standing::Unset => DIM,
            };
            let label = format!("  {style}{:<9}{style:#}", standing.name());
            let name = self.names.name(&found.source);
            self.beside(&label, &(name + &self.hint(&found.source, " ")));
            let because = self.names.in_text(&one_line(&found.because()));
            self.beside(&" ".repeat(11), &because);
        }
        if verbose && !unset.is_empty() {
            let names: Vec<_> = unset.iter().map(|found| self.names.name(&found.source)).collect();
            self.beside(&format!("  {DIM}not set{DIM:#}  "), &names.join(", "));
        }
    }

    fn headers(&mut self, mode: Mode) {
        let outcome = self.decision.outcome(mode);
        self.line(&format!("\n  {HEAD}{}{HEAD:#} sends to {}", who(mode), self.host()));
        for (header, value) in outcome.headers() {
            let source = value.taken_by().map(|source| self.names.name(source));
            let text = source.unwrap_or_else(|| "not sent".to_owned());
            self.beside(&format!("  {header:<14} "), &text);
        }
    }
}

pub(crate) fn who(mode: Mode) -> &'static str {
    match mode {
        Mode::Print => "claude -p",
        Mode::Interactive => "interactive claude",
    }
}

fn mark(good: bool) -> String {
    if good { format!("{GOOD}✓{GOOD:#} ") } else { format!("{BAD}✗{BAD:#} ") }
}

fn columns(text: &str) -> usize {
    strip_str(text).to_string().chars().count()
}

fn is_key(source: &Source) -> bool {
    matches!(source.kind(), Kind::Key | Kind::Primary | Kind::Helper)
}

/// Whether a fix is or ends with a command to paste, which is never wrapped.
fn is_command(fix: &str) -> bool {
    const PROGRAMS: [&str; 20] = [
        "either", "echo", "cck", "diff", "unset", "export", "chmod", "chown", "sudo", "mv", "move",
        "git", "ls", "mkdir", "rm", "icacls", "ren", "set", "claude", "security",
    ];
    let starts = |part: &str| part.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word));
    fix.split(": ").any(starts)
}

fn dialogs(outcome: &Outcome) -> Option<String> {
    let words = outcome.dialogs.iter().map(|dialog| match dialog {
        Dialog::InvalidConfig => "asks what to do with its broken config",
        Dialog::InvalidSettings => "asks what to do with broken settings",
        Dialog::Onboarding => "asks the questions of its first start",
        Dialog::ApproveEnvKey => "asks whether to use $ANTHROPIC_API_KEY (default: No)",
        Dialog::Login => "asks how to log in",
    });
    let words: Vec<&str> = words.collect();
    (!words.is_empty()).then(|| words.join(" and "))
}
