//! The judgement over a state: what is sent, on which header, and what became of every source.

use serde::Serialize;

use super::{Client, Rule, Secret, Source};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// `claude -p`.
    Print,
    /// The terminal UI.
    Interactive,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    rule: Option<Rule>,
}

/// All of them, in the order in which they are asked for (0.2.109 and later know the first two, 2.0.77 the first three,
/// 2.1.330 all; observed 2026-11).
pub(crate) static PROVIDERS: [Provider; 6] = [
    provider("bedrock", "Amazon Bedrock", None),
    provider("vertex", "Google Vertex AI", None),
    provider("foundry", "Microsoft Foundry", Some(Rule::FoundryIsKnown)),
    provider("mantle", "Mantle on Bedrock", Some(Rule::MantleIsKnown)),
    provider("anthropic_aws", "Claude on AWS", Some(Rule::AnthropicAwsIsKnown)),
    provider(
        "anthropic_google_cloud",
        "Claude on Google Cloud",
        Some(Rule::AnthropicGoogleCloudIsKnown),
    ),
];

const fn provider(id: &'static str, name: &'static str, rule: Option<Rule>) -> Provider {
    Provider { id, name, rule }
}

impl Provider {
    pub(crate) fn is_known(&self, client: Client) -> bool {
        self.rule.is_none_or(|rule| client.has(rule))
    }

    /// The variable that switches to it: CLAUDE_CODE_USE_BEDROCK.
    pub(crate) fn switch(&self) -> String {
        format!("CLAUDE_CODE_USE_{}", self.id.to_ascii_uppercase())
    }
}

impl Mode {
    pub(crate) const ALL: [Mode; 2] = [Mode::Print, Mode::Interactive];

    pub(crate) fn name(self) -> &'static str {
        if self == Mode::Print { "print" } else { "interactive" }
    }
}

/// What the interactive client asks before it takes a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialog {
    InvalidConfig,
    /// It cannot use a settings file; the default answer of 2.1.330 goes on without it, that of 2.0.77 ends the client.
    InvalidSettings,
    Onboarding,
    /// Whether it may use the key in ANTHROPIC_API_KEY; the default answer is no.
    ApproveEnvKey,
    Login,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Used,
    Shadowed,
    Ignored,
    Unset,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Standing::Used => "used",
            Standing::Shadowed => "shadowed",
            Standing::Ignored => "ignored",
            Standing::Unset => "unset",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Header {
    #[default]
    Absent,
    /// The value as it will be sent; none where it is not known here.
    From(Source, Option<Secret>),
    /// It is sent without a credential in it, because this source gave none.
    Invalid(Source),
}

impl Header {
    pub(crate) fn source(&self) -> Option<&Source> {
        match self {
            Header::From(source, _) => Some(source),
            Header::Absent | Header::Invalid(_) => None,
        }
    }

    /// The source that takes the header, with or without a credential.
    pub(crate) fn taken_by(&self) -> Option<&Source> {
        match self {
            Header::Invalid(source) => Some(source),
            _ => self.source(),
        }
    }
}

/// What keeps the client from sending anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub code: &'static str,
    pub reason: String,
    pub source: Option<Source>,
}

/// A helper, and the TOKEN with which it is not waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Race {
    pub helper: Source,
    pub token: Source,
    /// Whether it is started with the first message only, since the folder is not trusted yet.
    pub is_after_dialog: bool,
    pub is_late: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// None for the Anthropic API, or a gateway that stands for it.
    pub provider: Option<&'static Provider>,
    pub x_api_key: Header,
    pub authorization: Header,
    pub sends: bool,
    pub(crate) race: Option<Race>,
    /// What it asks first. The headers are those after its default answers.
    pub dialogs: Vec<Dialog>,
    pub stop: Option<Stop>,
}

impl Outcome {
    pub(crate) fn headers(&self) -> [(&'static str, &Header); 2] {
        [("x-api-key", &self.x_api_key), ("authorization", &self.authorization)]
    }

    pub(crate) fn invalid(&self) -> Option<&Source> {
        self.headers().into_iter().find_map(|(_, header)| match header {
            Header::Invalid(source) => Some(source),
            _ => None,
        })
    }

    /// The sources whose credentials are sent, each once, in the order of sources.
    pub fn sources(&self) -> Vec<&Source> {
        let headers = self.headers().into_iter();
        let mut sources: Vec<_> = headers.filter_map(|(_, header)| header.source()).collect();
        if sources.first() > sources.last() {
            sources.reverse();
        }
        sources.dedup();
        sources
    }
}

#[derive(Clone, Debug)]
pub struct Note {
    pub standing: Standing,
    pub because: String,
    pub by: Option<Source>,
}

impl Note {
    pub(crate) fn new(standing: Standing, because: impl Into<String>) -> Note {
        Note { standing, because: because.into(), by: None }
    }

    pub(crate) fn shadowed(by: &Source, because: impl Into<String>) -> Note {
        Note { by: Some(by.clone()), ..Note::new(Standing::Shadowed, because) }
    }

    /// What is noted of a source if `by` is the first of its kind.
    pub(crate) fn first(by: &Source) -> Note {
        Note::shadowed(by, format!("{by} comes first"))
    }
}

/// A source that could give a credential, and what became of it.
#[derive(Debug)]
pub struct Candidate {
    pub source: Source,
    pub secret: Option<Secret>,
    pub print: Note,
    pub interactive: Note,
}

impl Candidate {
    pub fn note(&self, mode: Mode) -> &Note {
        if mode == Mode::Print { &self.print } else { &self.interactive }
    }

    pub(crate) fn because(&self) -> String {
        let [print, interactive] = [&self.print.because, &self.interactive.because];
        let both = || format!("print: {print}; interactive: {interactive}");
        if print == interactive { print.clone() } else { both() }
    }
}

#[derive(Debug)]
pub struct Decision {
    pub print: Outcome,
    pub interactive: Outcome,
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// Whether that mode sends `expected` (or, without it, whichever one), or the same value from another source, and nothing
    /// else.
    pub fn meets(&self, mode: Mode, expected: Option<&Source>) -> bool {
        let outcome = self.outcome(mode);
        let [sent] = outcome.sources()[..] else { return false };
        let is_same = |expected: &Source| {
            expected == sent
                || self.secret(expected).is_some_and(|it| self.secret(sent) == Some(it))
        };
        outcome.sends && outcome.invalid().is_none() && expected.is_none_or(is_same)
    }

    pub(crate) fn candidate(&self, source: &Source) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.source == *source)
    }

    /// The credential of a source, where it is known, without blanks around it.
    pub(crate) fn secret(&self, source: &Source) -> Option<&str> {
        Some(self.candidate(source)?.secret.as_ref()?.reveal().trim())
    }

    pub fn outcome(&self, mode: Mode) -> &Outcome {
        if mode == Mode::Print { &self.print } else { &self.interactive }
    }
}
