//! Judges the state: which credential the client sends, on which header, in which mode, and why the others are not
//! sent. Pure. Each rule cites the versions it was observed on; `tests/data/truth` holds the observations.

use std::collections::{BTreeMap, BTreeSet};

use super::Client;
use super::headers;
use super::settings::{self, Setting};
use super::source::{Layer, Origin, Source};
use super::state::{HelperRun, Reading, Secret, State};
use crate::key;

/// How the client is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// `claude -p`.
    Print,
    /// The terminal UI.
    Interactive,
}

/// Who the client sends its requests to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The Anthropic API, or a gateway that stands for it.
    Anthropic,
    /// Amazon Bedrock.
    Bedrock,
    /// Google Vertex AI.
    Vertex,
    /// Microsoft Foundry.
    Foundry,
}

impl Provider {
    /// The providers other than Anthropic and the variables that switch to them, in the order the client asks.
    pub const SWITCHES: [(Provider, &str); 3] = [
        (Provider::Bedrock, "CLAUDE_CODE_USE_BEDROCK"),
        (Provider::Vertex, "CLAUDE_CODE_USE_VERTEX"),
        (Provider::Foundry, "CLAUDE_CODE_USE_FOUNDRY"),
    ];

    /// The provider's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Anthropic => "anthropic",
            Provider::Bedrock => "bedrock",
            Provider::Vertex => "vertex",
            Provider::Foundry => "foundry",
        }
    }
}

/// What the interactive client asks before it takes a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// It cannot use the config, and asks to fix it.
    InvalidConfig,
    /// Its first questions; they need the network.
    Onboarding,
    /// Whether it may use the key in ANTHROPIC_API_KEY; the default answer is no.
    ApproveEnvKey,
    /// How to log in, for it has no credential.
    Login,
}

impl Dialog {
    /// The dialog's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Dialog::InvalidConfig => "invalid_config",
            Dialog::Onboarding => "onboarding",
            Dialog::ApproveEnvKey => "approve_env_key",
            Dialog::Login => "login",
        }
    }
}

/// What became of a candidate in one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is sent.
    Used,
    /// It would be sent, were there not another.
    Shadowed,
    /// The client does not take it into account.
    Ignored,
    /// It is not there, or empty.
    Unset,
}

impl Standing {
    /// The standing's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Used => "used",
            Standing::Shadowed => "shadowed",
            Standing::Ignored => "ignored",
            Standing::Unset => "unset",
        }
    }
}

/// What one header carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It is not sent.
    #[default]
    Absent,
    /// The credential of this source.
    From(Source),
    /// It is sent without a credential in it, because this source gave none.
    Invalid(Source),
}

impl Header {
    /// The source whose credential is sent.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Header::From(source) => Some(source),
            Header::Absent | Header::Invalid(_) => None,
        }
    }

    /// The source that takes the header, with or without a credential.
    fn taken_by(&self) -> Option<&Source> {
        match self {
            Header::From(source) | Header::Invalid(source) => Some(source),
            Header::Absent => None,
        }
    }
}

/// What the client does in one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who it sends to.
    pub provider: Provider,
    /// The header `x-api-key`.
    pub x_api_key: Header,
    /// The header `authorization`.
    pub authorization: Header,
    /// Whether it sends a request at all.
    pub sends: bool,
    /// What it asks first. The headers are those after its default answers.
    pub dialogs: Vec<Dialog>,
}

impl Outcome {
    /// The sources whose credentials are sent.
    pub fn sources(&self) -> BTreeSet<&Source> {
        [&self.x_api_key, &self.authorization]
            .into_iter()
            .filter_map(Header::source)
            .collect()
    }

    /// Whether `expected` (or, without it, whichever one) is sent, and nothing besides it.
    pub fn meets(&self, expected: Option<&Source>) -> bool {
        let invalid = [&self.x_api_key, &self.authorization]
            .into_iter()
            .any(|header| matches!(header, Header::Invalid(_)));
        let sources = self.sources();
        self.sends
            && !invalid
            && sources.len() == 1
            && expected.is_none_or(|expected| sources.contains(expected))
    }
}

/// A source that could give a credential, and what became of it.
#[derive(Debug)]
pub struct Candidate {
    /// The source.
    pub source: Source,
    /// Its credential, where it is known.
    pub secret: Option<Secret>,
    /// What became of it in print mode.
    pub print: Standing,
    /// What became of it in interactive mode.
    pub interactive: Standing,
    /// Why.
    pub because: String,
}

/// The judgement.
#[derive(Debug)]
pub struct Decision {
    /// What the client does in print mode.
    pub print: Outcome,
    /// What it does in interactive mode.
    pub interactive: Outcome,
    /// All sources, in order of precedence.
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// What the client does in that mode.
    pub fn outcome(&self, mode: Mode) -> &Outcome {
        match mode {
            Mode::Print => &self.print,
            Mode::Interactive => &self.interactive,
        }
    }
}

/// Judges the state in both modes.
pub fn resolve(state: &State) -> Decision {
    let mut print = Judge::new(state, Mode::Print);
    let mut interactive = Judge::new(state, Mode::Interactive);
    let (print_outcome, interactive_outcome) = (print.outcome(), interactive.outcome());
    let candidates = candidates(state)
        .into_iter()
        .map(|(source, secret)| {
            let (print, print_reason) = print.standing(&source);
            let (interactive, interactive_reason) = interactive.standing(&source);
            Candidate {
                source,
                secret,
                print,
                interactive,
                because: if print_reason == interactive_reason {
                    print_reason
                } else {
                    format!("print: {print_reason}; interactive: {interactive_reason}")
                },
            }
        })
        .collect();
    Decision {
        print: print_outcome,
        interactive: interactive_outcome,
        candidates,
    }
}

const KEY: &str = "ANTHROPIC_API_KEY";
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
const OAUTH: &str = "CLAUDE_CODE_OAUTH_TOKEN";
const CUSTOM_HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";

/// Every source that may be named in the report, in order of precedence: the usual places always, the others where
/// something is there.
fn candidates(state: &State) -> Vec<(Source, Option<Secret>)> {
    let mut all = Vec::new();
    for setting in settings::settings_of(state, CUSTOM_HEADERS) {
        let values = headers::credentials(setting.value.reveal());
        if let Some(value) = values.x_api_key.or(values.authorization) {
            all.push((setting.source, Some(Secret::new(value.to_owned()))));
        }
    }
    let variable = |name: &str, all: &mut Vec<(Source, Option<Secret>)>| {
        let settings = settings::settings_of(state, name);
        let in_process = settings.iter().any(|setting| setting.source == Source::env(name));
        all.extend(settings.into_iter().map(|setting| {
            let secret = (!setting.value.is_empty()).then(|| setting.value.clone());
            (setting.source, secret)
        }));
        if !in_process {
            all.push((Source::env(name), None));
        }
    };
    variable(TOKEN, &mut all);
    variable(KEY, &mut all);
    let helper = settings::helper(state).map(|(layer, _)| layer);
    for settings in state.layers.iter().filter(|settings| settings.helper.is_some()) {
        let secret = match &state.helper {
            HelperRun::Printed(secret) if helper == Some(settings.layer) => Some(secret.clone()),
            _ => None,
        };
        all.push((Source::Helper(settings.layer), secret));
    }
    variable(OAUTH, &mut all);
    let login = state.login.as_ref().map(|login| login.token.clone());
    all.push((Source::Login, login.filter(|token| !token.is_empty())));
    let primary = state.config.primary_key.clone();
    all.push((Source::PrimaryKey, primary.filter(|key| !key.is_empty())));
    all
}

/// The judge of one mode, and the standings it has given.
struct Judge<'a> {
    state: &'a State,
    mode: Mode,
    standings: BTreeMap<Source, (Standing, String)>,
}

/// What the state offers in one mode, once each source that does not count is out.
struct Offers<'a> {
    token: Option<Setting<'a>>,
    key: Option<Setting<'a>>,
    helper: Option<Layer>,
    oauth: Option<Setting<'a>>,
    login: bool,
    primary: bool,
}

impl<'a> Judge<'a> {
    fn new(state: &'a State, mode: Mode) -> Self {
        Judge {
            state,
            mode,
            standings: BTreeMap::new(),
        }
    }

    fn standing(&self, source: &Source) -> (Standing, String) {
        self.standings
            .get(source)
            .cloned()
            .unwrap_or((Standing::Unset, "not set".into()))
    }

    fn mark(&mut self, source: &Source, standing: Standing, reason: impl Into<String>) {
        self.standings
            .entry(source.clone())
            .or_insert((standing, reason.into()));
    }

    /// Whether the interactive client stumbles over a `primaryApiKey` that is no text (2.1.330, observed 2026-11): it
    /// comes to its prompt and sends nothing, unless an API key counts.
    fn stumbles(&self, offers: &Offers<'_>) -> bool {
        let odd = self.state.config.primary_key_kind;
        self.mode == Mode::Interactive && odd.is_some_and(|kind| kind != "null") && offers.key.is_none()
    }

    /// The client's answer to everything.
    fn outcome(&mut self) -> Outcome {
        let provider = provider(self.state);
        let mut outcome = Outcome {
            provider,
            x_api_key: Header::Absent,
            authorization: Header::Absent,
            sends: false,
            dialogs: Vec::new(),
        };
        if let Some(stop) = self.stop(provider) {
            outcome.dialogs = stop.dialog.into_iter().collect();
            self.ignore_all(stop.reason);
            return outcome;
        }
        let offers = self.offers(&mut outcome.dialogs);
        if self.state.client == Client::V0_2 {
            self.headers_v0_2(&offers, &mut outcome);
        } else {
            self.headers(&offers, &mut outcome);
        }
        self.sends(&mut outcome);
        if self.stumbles(&offers) {
            outcome.sends = false;
            outcome.x_api_key = Header::Absent;
            outcome.authorization = Header::Absent;
        }
        self.custom_headers(&mut outcome);
        self.mark_offers(&offers, &outcome);
        outcome
    }

    /// What keeps the client from sending anything, whatever credentials there are.
    fn stop(&self, provider: Provider) -> Option<Stop> {
        let interactive = |dialog| (self.mode == Mode::Interactive).then_some(dialog);
        match self.state.config_file.reading {
            // Refused in both modes (2.1.330, observed 2026-11); an empty config counts as none.
            Reading::Malformed(_) | Reading::Unreadable(_) | Reading::NotAFile(_) | Reading::TooLarge(_) => {
                return Some(Stop {
                    dialog: interactive(Dialog::InvalidConfig),
                    reason: "the client cannot use its config, and stops".into(),
                });
            }
            Reading::Missing | Reading::Empty | Reading::Read => {}
        }
        if provider != Provider::Anthropic {
            let switch = Provider::SWITCHES.iter().find(|(other, _)| *other == provider);
            return Some(Stop {
                dialog: None,
                reason: switch.map_or_else(String::new, |(_, name)| format!("{name} is on")),
            });
        }
        // 2.1.330, observed 2026-11.
        if self.mode == Mode::Interactive && !self.state.config.onboarded {
            return Some(Stop {
                dialog: Some(Dialog::Onboarding),
                reason: "the client starts with its first questions, for onboarding is not complete".into(),
            });
        }
        None
    }

    fn ignore_all(&mut self, reason: String) {
        for (source, secret) in candidates(self.state) {
            let there = secret.is_some() || matches!(source, Source::Helper(_));
            if there {
                self.mark(&source, Standing::Ignored, reason.clone());
            }
        }
    }

    /// Sorts out the sources that do not count.
    fn offers(&mut self, dialogs: &mut Vec<Dialog>) -> Offers<'a> {
        let state = self.state;
        let simple = state.client == Client::V2 && settings::is_on(state, "CLAUDE_CODE_SIMPLE");
        let token = self.variable(TOKEN);
        let mut key = self.variable(KEY);
        if self.mode == Mode::Interactive
            && let Some(setting) = &key
            && !self.is_approved(setting, simple, dialogs)
        {
            key = None;
        }
        let mut helper = self.helper();
        let mut oauth = self.variable(OAUTH);
        let mut login = self.login();
        let mut primary = self.primary();
        if simple {
            // 2.1.330, observed 2026-11: nothing but ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN counts.
            let reason =
                "CLAUDE_CODE_SIMPLE is on, and then only ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN count";
            let helper = helper.take().map(Source::Helper);
            let oauth = oauth.take().map(|setting| setting.source);
            let login = std::mem::take(&mut login).then_some(Source::Login);
            let primary = std::mem::take(&mut primary).then_some(Source::PrimaryKey);
            for source in [helper, oauth, login, primary].into_iter().flatten() {
                self.mark(&source, Standing::Ignored, reason);
            }
        }
        if state.client == Client::V0_2
            && let Some(setting) = oauth.take()
        {
            // 0.2.109, observed 2026-11.
            self.mark(
                &setting.source,
                Standing::Ignored,
                "this client does not know this variable",
            );
        }
        Offers {
            token,
            key,
            helper,
            oauth,
            login,
            primary,
        }
    }

    /// The effective value of a variable; those it hides are marked.
    fn variable(&mut self, name: &str) -> Option<Setting<'a>> {
        let mut settings = settings::settings_of(self.state, name).into_iter();
        let first = settings.next()?;
        let hidden_by = if first.value.is_empty() {
            self.mark(
                &first.source,
                Standing::Unset,
                "set to the empty text, which counts as unset and hides the variable's other values",
            );
            format!("{} is set to the empty text", first.source)
        } else {
            format!("{} overrides it", first.source)
        };
        for setting in settings {
            if setting.value.is_empty() {
                self.mark(&setting.source, Standing::Unset, "set to the empty text");
            } else {
                self.mark(&setting.source, Standing::Shadowed, hidden_by.clone());
            }
        }
        Some(first).filter(|setting| !setting.value.is_empty())
    }

    /// Whether the interactive client counts the effective ANTHROPIC_API_KEY: only if its last 20 characters are among
    /// the approved ones; where they are in neither list it asks, and no is the default (1.0.128, 2.0.77, 2.1.330,
    /// observed 2026-11).
    fn is_approved(&mut self, setting: &Setting<'_>, simple: bool, dialogs: &mut Vec<Dialog>) -> bool {
        let config = &self.state.config;
        let suffix = key::suffix(setting.value.reveal());
        if config.approved.include(suffix) {
            return true;
        }
        let rejected = config.rejected.include(suffix);
        if !rejected {
            dialogs.push(Dialog::ApproveEnvKey);
        }
        if simple {
            // It asks, and counts the key whatever the answer (2.1.330, observed 2026-11).
            return true;
        }
        let reason = if rejected {
            "its use was rejected (customApiKeyResponses.rejected)"
        } else {
            "its use is not approved: the client asks, and the default answer is no"
        };
        self.mark(&setting.source, Standing::Ignored, reason);
        false
    }

    /// The helper in force; those it hides are marked.
    fn helper(&mut self) -> Option<Layer> {
        let state = self.state;
        if state.client == Client::V0_2 {
            for settings in state.layers.iter().filter(|settings| settings.helper.is_some()) {
                let reason = "this client does not know apiKeyHelper in settings";
                self.mark(&Source::Helper(settings.layer), Standing::Ignored, reason);
            }
            return None;
        }
        let mut first = None;
        for settings in &state.layers {
            let Some(helper) = &settings.helper else {
                continue;
            };
            let source = Source::Helper(settings.layer);
            match first {
                _ if helper.is_empty() => self.mark(&source, Standing::Unset, "set to the empty text"),
                None => {}
                Some(higher) => {
                    let reason = format!("{} overrides it", Source::Helper(higher));
                    self.mark(&source, Standing::Shadowed, reason);
                }
            }
            first = first.or(Some(settings.layer));
        }
        settings::helper(state).map(|(layer, _)| layer)
    }

    /// Whether the stored login counts: expired ones do, those without the scope do not (0.2.109, 1.0.128, 2.0.77,
    /// 2.1.330, observed 2026-11).
    fn login(&mut self) -> bool {
        let Some(login) = self.state.login.as_ref().filter(|login| !login.token.is_empty()) else {
            return false;
        };
        if !login.may_infer {
            self.mark(
                &Source::Login,
                Standing::Ignored,
                "the login's scopes lack user:inference",
            );
        }
        login.may_infer
    }

    /// Whether `primaryApiKey` counts: text, and not empty (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn primary(&mut self) -> bool {
        if let Some(kind) = self.state.config.primary_key_kind {
            let standing = if kind == "null" {
                Standing::Unset
            } else {
                Standing::Ignored
            };
            self.mark(
                &Source::PrimaryKey,
                standing,
                format!("it is {kind}, not a string"),
            );
        }
        let primary = &self.state.config.primary_key;
        primary.as_ref().is_some_and(|key| !key.is_empty())
    }

    fn helper_header(&self, layer: Layer) -> Header {
        let source = Source::Helper(layer);
        match &self.state.helper {
            HelperRun::Failed(_) => Header::Invalid(source),
            HelperRun::Printed(secret) if secret.is_empty() => Header::Invalid(source),
            HelperRun::Printed(_) | HelperRun::NotRun => Header::From(source),
        }
    }

    /// The two headers, decided separately (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn headers(&self, offers: &Offers<'_>, outcome: &mut Outcome) {
        let from = |setting: &Option<Setting<'_>>| {
            setting
                .as_ref()
                .map(|setting| Header::From(setting.source.clone()))
        };
        let helper = offers.helper.map(|layer| self.helper_header(layer));
        let oauth = from(&offers.oauth)
            .or_else(|| offers.login.then_some(Header::From(Source::Login)))
            .filter(|_| offers.key.is_none());
        outcome.authorization = from(&offers.token)
            .or_else(|| helper.clone())
            .or_else(|| oauth.clone())
            .unwrap_or_default();
        let oauth_in_use = oauth.is_some_and(|oauth| oauth == outcome.authorization);
        outcome.x_api_key = from(&offers.key)
            .or(helper)
            .or_else(|| (offers.primary && !oauth_in_use).then_some(Header::From(Source::PrimaryKey)))
            .unwrap_or_default();
    }

    /// 0.2.109, observed 2026-11: a stored login beats everything, even ANTHROPIC_API_KEY.
    fn headers_v0_2(&self, offers: &Offers<'_>, outcome: &mut Outcome) {
        if offers.login {
            outcome.authorization = Header::From(Source::Login);
            return;
        }
        if let Some(token) = &offers.token {
            outcome.authorization = Header::From(token.source.clone());
        }
        if let Some(key) = &offers.key {
            outcome.x_api_key = Header::From(key.source.clone());
        } else if offers.primary {
            outcome.x_api_key = Header::From(Source::PrimaryKey);
        }
    }

    /// Whether a request is sent with these headers.
    fn sends(&self, outcome: &mut Outcome) {
        let headers = [&outcome.x_api_key, &outcome.authorization];
        outcome.sends = match self.state.client {
            // A helper that fails leaves nothing to send with (1.0.128, observed 2026-11).
            Client::V0_2 | Client::V1 => headers.iter().any(|header| header.source().is_some()),
            // It sends an empty Bearer (2.0.77, 2.1.330, observed 2026-11).
            Client::V2 => headers.iter().any(|header| **header != Header::Absent),
        };
        if !outcome.sends {
            outcome.x_api_key = Header::Absent;
            outcome.authorization = Header::Absent;
        }
        if !outcome.sends && self.mode == Mode::Interactive {
            outcome.dialogs.push(Dialog::Login);
        }
    }

    /// `ANTHROPIC_CUSTOM_HEADERS` replaces headers of the same name (2.1.330, observed 2026-11).
    fn custom_headers(&mut self, outcome: &mut Outcome) {
        let Some(setting) = self.variable(CUSTOM_HEADERS) else {
            return;
        };
        let values = headers::credentials(setting.value.reveal());
        if !outcome.sends {
            self.mark(
                &setting.source,
                Standing::Ignored,
                "without a credential the client sends nothing, with or without custom headers",
            );
            return;
        }
        for (value, header) in [
            (values.x_api_key, &mut outcome.x_api_key),
            (values.authorization, &mut outcome.authorization),
        ] {
            if value.is_some() {
                *header = Header::From(setting.source.clone());
            }
        }
    }

    /// Gives every source that counts its standing.
    fn mark_offers(&mut self, offers: &Offers<'_>, outcome: &Outcome) {
        let sources = [
            settings::effective(self.state, CUSTOM_HEADERS).map(|setting| setting.source),
            offers.token.as_ref().map(|setting| setting.source.clone()),
            offers.key.as_ref().map(|setting| setting.source.clone()),
            offers.helper.map(Source::Helper),
            offers.oauth.as_ref().map(|setting| setting.source.clone()),
            offers.login.then_some(Source::Login),
            offers.primary.then_some(Source::PrimaryKey),
        ];
        for source in sources.into_iter().flatten() {
            let (standing, reason) = self.reason(&source, outcome);
            self.mark(&source, standing, reason);
        }
    }

    fn reason(&self, source: &Source, outcome: &Outcome) -> (Standing, String) {
        let headers = [
            ("x-api-key", &outcome.x_api_key),
            ("authorization", &outcome.authorization),
        ];
        let of = |wanted: &dyn Fn(&Header) -> bool| -> Vec<&str> {
            let headers = headers.iter().filter(|(_, header)| wanted(header));
            headers.map(|(name, _)| *name).collect()
        };
        let sent_as = of(&|header| header.source() == Some(source));
        if !sent_as.is_empty() {
            return (Standing::Used, format!("sent as {}", sent_as.join(" and ")));
        }
        if let Source::Helper(_) = source
            && let Some(failure) = helper_failure(&self.state.helper)
        {
            let invalid = of(&|header| matches!(header, Header::Invalid(_)));
            let then = if invalid.is_empty() {
                String::new()
            } else {
                format!("; {} is sent without a credential", invalid.join(" and "))
            };
            return (Standing::Ignored, format!("it {failure}{then}"));
        }
        let other = match source {
            // An API key and an OAuth credential are never sent together.
            Source::PrimaryKey => outcome.x_api_key.taken_by().or(outcome.authorization.taken_by()),
            Source::Login => outcome.authorization.taken_by().or(outcome.x_api_key.taken_by()),
            Source::Variable(_, name) if name == OAUTH => {
                outcome.authorization.taken_by().or(outcome.x_api_key.taken_by())
            }
            Source::Variable(_, name) if name == KEY => {
                outcome.x_api_key.taken_by().or(outcome.authorization.taken_by())
            }
            _ => None,
        };
        let reason = match (
            other,
            outcome.x_api_key.taken_by(),
            outcome.authorization.taken_by(),
        ) {
            (Some(other), ..) => format!("{other} comes first"),
            (None, Some(key), Some(token)) if key == token => format!("{key} comes first"),
            (None, Some(key), Some(token)) => {
                format!("{key} comes first as x-api-key, {token} as authorization")
            }
            (None, Some(other), None) | (None, None, Some(other)) => format!("{other} comes first"),
            (None, None, None) => "the client sends nothing".into(),
        };
        (Standing::Shadowed, reason)
    }
}

/// What keeps the client from sending, and what it asks.
struct Stop {
    dialog: Option<Dialog>,
    reason: String,
}

/// How the helper failed, if it was run and did.
pub fn helper_failure(run: &HelperRun) -> Option<String> {
    match run {
        HelperRun::Failed(ended) => Some(ended.to_string()),
        HelperRun::Printed(secret) if secret.is_empty() => Some("printed nothing".into()),
        HelperRun::Printed(_) | HelperRun::NotRun => None,
    }
}

/// The provider that the switches choose.
pub fn provider(state: &State) -> Provider {
    Provider::SWITCHES
        .into_iter()
        .find(|(_, switch)| settings::is_on(state, switch))
        .map_or(Provider::Anthropic, |(provider, _)| provider)
}

/// The origin of a variable's source.
pub fn origin(source: &Source) -> Option<Origin> {
    match source {
        Source::Variable(origin, _) => Some(*origin),
        _ => None,
    }
}
