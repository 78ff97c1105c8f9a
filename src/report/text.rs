//! `cck verify` for people: the verdict with file, host and version; the sources only if the answer is no, or on demand.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::json::Summary;
use super::names::Names;
use crate::client::advice::{Problem, Severity};
use crate::client::decision::{
    Candidate, Decision, Dialog, Header, Mode, Outcome, Provider, Standing,
};
use crate::client::settings;
use crate::client::source::Source;
use crate::client::state::State;
use crate::key;
use crate::output::one_line;
use crate::output::without_user;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The report.
pub fn render(state: &State, decision: &Decision, summary: &Summary<'_>) -> String {
    let mut out = Text::new(state, decision, summary);
    out.session();
    out.verdict();
    out.online();
    let told = out.either_or();
    out.problems(&told);
    if !summary.verdict && summary.installed.note.is_some() {
        out.sentence("", &summary.installed.text());
    }
    if summary.verbose || !summary.verdict {
        out.sources();
    }
    if summary.verbose {
        for mode in summary.modes {
            out.headers(*mode);
        }
        for other in &summary.installed.others {
            let version = other.version.as_deref().unwrap_or("of unknown version");
            let path = one_line(&other.path.display().to_string());
            let also = format!("also here: Claude Code {version} ({}), {path}", other.installed_by);
            out.sentence("", &also);
        }
    }
    // An address may have a key in it.
    key::mask(&out.text)
}

/// What is in force and the next step: `cck` without a command.
pub(crate) fn status(state: &State, decision: &Decision, summary: &Summary<'_>) -> String {
    let mut out = Text::new(state, decision, summary);
    out.verdict();
    let count = |severity| summary.problems.iter().filter(|p| p.severity == severity).count();
    let next = match summary.problems.first() {
        None if summary.verdict => "cck --help shows what else cck does".to_owned(),
        None => "cck verify".to_owned(),
        Some(first) if first.severity == Severity::Error => {
            if let Some(said) = out.said_above(first).filter(|_| summary.refused.is_none()) {
                out.sentence("", &said);
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

/// Text of a width, and what it is about.
struct Text<'a> {
    text: String,
    state: &'a State,
    decision: &'a Decision,
    summary: &'a Summary<'a>,
    names: Names<'a>,
}

impl<'a> Text<'a> {
    fn new(state: &'a State, decision: &'a Decision, summary: &'a Summary<'a>) -> Self {
        let names = Names { state, home: summary.home };
        Text { text: String::new(), state, decision, summary, names }
    }

    /// Adds a line as it is: what is to be copied is never wrapped.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Adds a sentence after a label, broken between words.
    fn sentence(&mut self, label: &str, text: &str) {
        let indent = 2;
        let label = format!("{:indent$}{label}", "");
        let start = anstream::adapter::strip_str(&label).to_string().chars().count();
        self.wrap(&label, start, indent, text);
    }

    /// Adds text after a label of `column` columns; lines after the first start at `indent`.
    fn wrap(&mut self, label: &str, mut column: usize, indent: usize, text: &str) {
        self.text.push_str(label);
        for (at, word) in text.split(' ').enumerate() {
            let width = word.chars().count();
            if at > 0 && column + 1 + width > self.summary.width {
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

    /// Inside of `cck run`, whose key it is that the API gets.
    fn session(&mut self) {
        if let Some(source) = self.summary.session {
            let text = format!(
                "cck adds the key from {source} to each call; Claude Code has only a token for this run"
            );
            self.sentence(&format!("{HEAD}inside cck run:{HEAD:#} "), &text);
        }
    }

    /// The first lines: yes or no, and about what.
    fn verdict(&mut self) {
        let modes = self.summary.modes;
        let outcomes: Vec<&Outcome> =
            modes.iter().map(|mode| self.decision.outcome(*mode)).collect();
        let meets: Vec<bool> =
            modes.iter().map(|mode| self.decision.meets(*mode, self.summary.expected)).collect();
        let same = outcomes.windows(2).all(|pair| {
            pair[0].x_api_key == pair[1].x_api_key
                && pair[0].authorization == pair[1].authorization
                && pair[0].sends == pair[1].sends
        });
        let good = meets.iter().all(|meets| *meets);
        if good && !self.summary.verdict {
            // Nothing is wrong with what is sent; the server, or the host, is.
            let errors = self.summary.problems.iter().filter(|p| p.severity == Severity::Error);
            let why = self.summary.refused.clone();
            let why = why.or_else(|| errors.map(|error| error.message.clone()).next());
            let why = self.names.in_text(&one_line(&why.unwrap_or_default()));
            self.wrap(&format!("{BAD}✗{BAD:#} "), 2, 2, &why);
            if let Some(source) = outcomes[0].sources().first() {
                let hint = self.hint(source).map(|hint| format!(" {hint}")).unwrap_or_default();
                let name = self.names.name(&source.to_string());
                self.sentence("", &format!("it is {}{hint}, from {name}", self.noun(source)));
            }
            return;
        }
        if same {
            let who = match modes {
                [Mode::Print] => "claude -p",
                [Mode::Interactive] => "interactive claude",
                _ => "Claude Code",
            };
            self.judge(Some(good), who, outcomes[0], good);
            if let Some(asks) =
                outcomes.iter().find_map(|outcome| dialogs(outcome)).filter(|_| good)
            {
                self.sentence("", &format!("interactive claude first {asks}"));
            }
            return;
        }
        // What is wrong comes first.
        let mut order: Vec<usize> = (0..modes.len()).collect();
        order.sort_by_key(|at| meets[*at]);
        for (row, at) in order.into_iter().enumerate() {
            let who = if modes[at] == Mode::Print { "claude -p" } else { "interactive claude" };
            let mark = if !meets[at] { Some(false) } else { (row == 0).then_some(true) };
            self.judge(mark, who, outcomes[at], meets[at]);
        }
    }

    /// What one mode, or both, sends: with a mark, or as a line below one.
    fn judge(&mut self, mark: Option<bool>, who: &str, outcome: &Outcome, meets: bool) {
        let label = match mark {
            Some(true) => format!("{GOOD}✓{GOOD:#} "),
            Some(false) => format!("{BAD}✗{BAD:#} "),
            None => "  ".to_owned(),
        };
        if !meets {
            let text = format!("{who} {}", self.shortfall(outcome));
            return self.wrap(&label, 2, 2, &text);
        }
        let sources = outcome.sources();
        let Some(source) = sources.first() else { return };
        if mark.is_none() && !self.summary.verdict && self.same_key(source) {
            let but =
                dialogs(outcome).map(|asks| format!(", but first {asks}")).unwrap_or_default();
            return self.wrap(&label, 2, 2, &format!("{who} sends yours{but}"));
        }
        let hint = self.hint(source).map(|hint| format!(" {hint}")).unwrap_or_default();
        let sent = format!("{who} will send {}{hint} to {}", self.noun(source), self.host());
        self.wrap(&label, 2, 2, &sent);
        let same = self.same_key(source) && **source != Source::PrimaryKey;
        let also = if same { ", the same key as in the config" } else { "" };
        let from = format!(
            "from {}{also} · {}",
            self.names.name(&source.to_string()),
            one_line(&self.summary.installed.text())
        );
        self.sentence("", &from);
    }

    /// How what is sent differs from what was expected.
    fn shortfall(&self, outcome: &Outcome) -> String {
        if outcome.provider != Provider::Anthropic {
            return format!("uses {}: no Anthropic credential is sent", provider(outcome.provider));
        }
        if !outcome.sends {
            let asks = if self.decision.interactive.dialogs.contains(&Dialog::Login) {
                " and asks you to log in"
            } else {
                ""
            };
            return format!("sends no credential{asks}");
        }
        let named = |source: &Source| {
            let hint = self.hint(source).map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}{hint}", self.names.name(&source.to_string()))
        };
        let sources = outcome.sources();
        let others: Vec<String> = sources
            .iter()
            .filter(|source| Some(**source) != self.summary.expected)
            .map(|source| named(source))
            .collect();
        let others = others.join(" and ");
        let invalid =
            [&outcome.x_api_key, &outcome.authorization].into_iter().find_map(
                |header| match header {
                    Header::Invalid(source) => Some(self.names.name(&source.to_string())),
                    _ => None,
                },
            );
        if let Some(source) = invalid {
            return format!("sends a request without a credential: {source} returned none");
        }
        match self.summary.expected {
            None if sources.len() > 1 => format!("sends two credentials: {others}"),
            None => "sends no credential".to_owned(),
            Some(expected) if sources.contains(&expected) => {
                format!("sends {}, but also {others}", self.noun(expected))
            }
            Some(expected) => {
                let kind = match (self.is_key(expected), sources.first()) {
                    (true, Some(source)) if self.is_key(source) => "another key",
                    _ => "another credential",
                };
                if others.is_empty() {
                    format!("does not send {}", named(expected))
                } else {
                    format!("sends {kind}: {others}")
                }
            }
        }
    }

    /// What a source gives, in a sentence.
    fn noun(&self, source: &Source) -> &'static str {
        if self.same_key(source) {
            return "your key";
        }
        let id = source.to_string();
        if id.ends_with("apiKeyHelper") {
            "what the apiKeyHelper prints:"
        } else if id.contains("claudeAiOauth") || id.contains("Gateway") {
            "the stored login"
        } else if self.is_key(source) {
            "the key"
        } else {
            "the token"
        }
    }

    fn is_key(&self, source: &Source) -> bool {
        let id = source.to_string();
        ["rimaryApiKey", "API_KEY", "api_key", ".apiKey"].iter().any(|word| id.contains(word))
    }

    fn secret(&self, source: &Source) -> Option<&str> {
        let candidate = self.decision.candidates.iter().find(|found| found.source == *source)?;
        Some(candidate.secret.as_ref()?.reveal().trim())
    }

    /// Whether a source gives the key of the config.
    fn same_key(&self, source: &Source) -> bool {
        let key = self.secret(&Source::PrimaryKey).filter(|key| !key.is_empty());
        *source == Source::PrimaryKey || (key.is_some() && self.secret(source) == key)
    }

    fn hint(&self, source: &Source) -> Option<String> {
        self.secret(source).map(|secret| one_line(&key::hint(secret)))
    }

    /// Where requests go: the host alone for the usual kind of address.
    fn host(&self) -> String {
        let url = one_line(&without_user(settings::base_url(self.state).1));
        match url.strip_prefix("https://") {
            Some(host) if !host.contains('/') => host.to_owned(),
            _ => url,
        }
    }

    fn has(&self, code: &str) -> bool {
        self.summary.problems.iter().any(|problem| problem.code == code)
    }

    fn online(&mut self) {
        let Some(online) = self.summary.online else { return };
        let status = online.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let text = match online.result {
            "valid" => format!("{} accepts it{status}", online.url),
            result => format!("{}: {}{status}", online.url, result.replace('-', " ")),
        };
        self.sentence(&format!("{HEAD}online:{HEAD:#} "), &text);
    }

    /// The two ways out of a key that is hidden by another: use the one or the other. Returns the problems that this
    /// settles.
    fn either_or(&mut self) -> Vec<&'a Problem> {
        let find = |code| self.summary.problems.iter().find(|problem| problem.code == code);
        let (Some(shadowed), Some(expected)) = (find("key-shadowed"), self.summary.expected) else {
            return Vec::new();
        };
        let mut told = vec![shadowed];
        let taken = self.summary.modes.iter().find_map(|mode| {
            let sources = self.decision.outcome(*mode).sources();
            sources.into_iter().find(|source| *source != expected).cloned()
        });
        let Some(other) = taken else { return Vec::new() };
        let (mine, theirs) = match expected {
            Source::PrimaryKey => {
                ("the key in the config".to_owned(), self.names.name(&other.to_string()))
            }
            expected => {
                (self.names.name(&expected.to_string()), self.names.name(&other.to_string()))
            }
        };
        let verify = format!("cck verify --expect {other}");
        let approve = find("env-key-not-approved").or_else(|| find("env-key-rejected"));
        let use_other = match approve {
            Some(problem) if other.to_string().ends_with("ANTHROPIC_API_KEY") => {
                told.push(problem);
                (problem.fix.clone(), Some(format!("then: {verify}")))
            }
            _ => (verify, None),
        };
        let leads = [format!("To use {mine}:"), format!("or to use {theirs}:")];
        let pad = leads.iter().map(|lead| lead.chars().count()).max().unwrap_or(0);
        for (lead, (fix, then)) in leads.iter().zip([(one_line(&shadowed.fix), None), use_other]) {
            let line = format!("  {lead:pad$}   {fix}");
            let whole = then.as_ref().map(|then| format!("{line}   ({then})"));
            match (whole, then) {
                (Some(whole), _) if whole.chars().count() <= self.summary.width => {
                    self.line(&whole);
                }
                (_, Some(then)) => {
                    self.line(&line);
                    self.line(&format!("    ({then})"));
                }
                _ if is_command(&fix) || line.chars().count() <= self.summary.width => {
                    self.line(&line);
                }
                _ => {
                    self.sentence("", lead);
                    self.wrap("    ", 4, 4, &fix);
                }
            }
        }
        told
    }

    /// The problems, except those that were told already.
    fn problems(&mut self, told: &[&Problem]) {
        let online_above = !self.summary.verdict;
        for problem in self.summary.problems.iter().filter(|problem| !told.contains(problem)) {
            if problem.code == "onboarding-incomplete" && self.has("no-credential") {
                // The same command is its fix.
                continue;
            }
            let (style, word) = match problem.severity {
                Severity::Error => (BAD, "error:"),
                Severity::Warning => (WARN, "warning:"),
            };
            if online_above && self.said_above(problem).is_none() {
                // The verdict has said it: only the fix is left to say.
            } else {
                let message = self.names.in_text(&one_line(&problem.message));
                self.sentence(&format!("{style}{word}{style:#} "), &message);
            }
            let fix = one_line(&problem.fix);
            if is_command(&fix) || fix.contains(": cck ") {
                self.line(&format!("    {DIM}fix:{DIM:#} {fix}"));
            } else {
                self.wrap(&format!("    {DIM}fix:{DIM:#} "), 9, 9, &fix);
            }
        }
    }

    /// What a problem says that the verdict has not said yet.
    fn said_above(&self, problem: &Problem) -> Option<String> {
        let message = self.names.in_text(&one_line(&problem.message));
        let said = matches!(problem.code, "no-credential" | "key-shadowed")
            || (problem.code == "other-host" && self.summary.refused.is_some())
            || anstream::adapter::strip_str(&self.text)
                .to_string()
                .replace("\n  ", " ")
                .contains(&message);
        (!said).then_some(message)
    }

    /// Every source that is there, in order of precedence, and with `--verbose` the rest in a line.
    fn sources(&mut self) {
        let modes = self.summary.modes;
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
            self.decision.candidates.iter().partition(|candidate| {
                standing(candidate) == Standing::Unset && candidate.because == "not set"
            });
        if !there.is_empty() {
            self.line(&format!("\n  {HEAD}sources{HEAD:#}, highest precedence first"));
        }
        for candidate in there {
            let standing = standing(candidate);
            let style = match standing {
                Standing::Used => GOOD,
                Standing::Shadowed => WARN,
                Standing::Ignored | Standing::Unset => DIM,
            };
            let label = format!("  {style}{:<9}{style:#}", standing.name());
            let hint = self.hint(&candidate.source).map(|hint| format!(" {hint}"));
            let name = self.names.name(&candidate.source.to_string());
            self.wrap(&label, 11, 11, &format!("{name}{}", hint.unwrap_or_default()));
            let because = self.names.in_text(&one_line(&candidate.because));
            self.wrap(&" ".repeat(11), 11, 11, &because);
        }
        if self.summary.verbose && !unset.is_empty() {
            let names: Vec<String> = unset
                .iter()
                .map(|candidate| self.names.name(&candidate.source.to_string()))
                .collect();
            self.wrap(&format!("  {DIM}not set{DIM:#}  "), 11, 11, &names.join(", "));
        }
    }

    /// The headers that one mode sends.
    fn headers(&mut self, mode: Mode) {
        let outcome = self.decision.outcome(mode);
        let name = if mode == Mode::Print { "claude -p" } else { "interactive claude" };
        self.line(&format!("\n  {HEAD}{name}{HEAD:#} sends to {}", self.host()));
        for (header, value) in
            [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)]
        {
            let text = match value.taken_by() {
                None => "not sent".to_owned(),
                Some(source) => self.names.name(&source.to_string()),
            };
            self.wrap(&format!("  {header:<14} "), 17, 17, &text);
        }
    }
}

/// Whether a fix is a command to paste, which is never wrapped.
fn is_command(fix: &str) -> bool {
    const PROGRAMS: [&str; 19] = [
        "either", "echo", "cck", "unset", "export", "chmod", "chown", "sudo", "mv", "move", "git",
        "ls", "mkdir", "rm", "icacls", "ren", "set", "claude", "security",
    ];
    fix.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word))
}

/// What interactive claude asks first, in words.
fn dialogs(outcome: &Outcome) -> Option<String> {
    let words: Vec<&str> = outcome
        .dialogs
        .iter()
        .map(|dialog| match dialog {
            Dialog::InvalidConfig => "asks what to do with its broken config",
            Dialog::InvalidSettings => "asks what to do with broken settings",
            Dialog::Onboarding => "asks the questions of its first start",
            Dialog::ApproveEnvKey => "asks whether to use $ANTHROPIC_API_KEY (default: No)",
            Dialog::Login => "asks how to log in",
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" and "))
}

fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Anthropic => "the Anthropic API",
        Provider::Bedrock => "Amazon Bedrock",
        Provider::Vertex => "Google Vertex AI",
        Provider::Foundry => "Microsoft Foundry",
        Provider::Mantle => "Mantle on Bedrock",
        Provider::AnthropicAws => "Claude on AWS",
        Provider::AnthropicGoogleCloud => "Claude on Google Cloud",
    }
}
