//! Finds the credentials that count in one mode, and notes of the others why they do not. Pure.

use std::collections::BTreeMap;

use super::config::Answers;
use super::decision::{Dialog, Mode, Standing};
use super::federation;
use super::login::{Scopes, is_past};
use super::rules::Rule;
use super::settings::{self, Settings, js_trim, names};
use super::source::{Layer, Source};
use super::state::{HelperRun, Secret, State};
use super::variables::{self, Place, at_start};
use crate::key;

/// What became of a source.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub standing: Standing,
    /// Why, for people.
    pub because: String,
    /// The source that goes before it, if one does.
    pub by: Option<Source>,
}

impl Note {
    pub(crate) fn new(standing: Standing, because: impl Into<String>) -> Note {
        Note { standing, because: because.into(), by: None }
    }

    pub(crate) fn shadowed(by: &Source, because: impl Into<String>) -> Note {
        Note { by: Some(by.clone()), ..Note::new(Standing::Shadowed, because) }
    }
}

/// What became of each source. What is noted first stands.
#[derive(Debug, Default)]
pub(crate) struct Standings(BTreeMap<Source, Note>);

impl Standings {
    /// Notes what became of a source, unless it was noted before.
    pub(crate) fn note(&mut self, source: &Source, note: Note) {
        self.0.entry(source.clone()).or_insert(note);
    }

    /// Notes that a source does not count.
    pub(crate) fn ignore(&mut self, source: &Source, because: impl Into<String>) {
        self.note(source, Note::new(Standing::Ignored, because));
    }

    /// Notes that a source is not set, or set to nothing.
    fn unset(&mut self, source: &Source, because: &str) {
        self.note(source, Note::new(Standing::Unset, because));
    }

    fn shadow(&mut self, source: &Source, by: &Source) {
        self.note(source, Note::shadowed(by, format!("{by} comes first")));
    }

    /// Takes credentials out, and notes that they do not count.
    fn take_out<const N: usize>(&mut self, all: [&mut Option<Credential>; N], because: &str) {
        for credential in all.into_iter().filter_map(Option::take) {
            self.ignore(&credential.source, because);
        }
    }

    /// What was noted of a source.
    pub(crate) fn of(&self, source: &Source) -> Note {
        self.0.get(source).cloned().unwrap_or_else(|| Note::new(Standing::Unset, "not set"))
    }

    /// Notes of every source that was to be sent that it is not.
    pub(crate) fn nothing_sent(&mut self, reason: &str) {
        for note in self.0.values_mut().filter(|note| note.standing == Standing::Used) {
            *note = Note::new(Standing::Ignored, reason);
        }
    }
}

/// A credential, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub source: Source,
    /// Its value, where it is known here.
    pub secret: Option<Secret>,
    /// Why the client gets none of it; it then sends nothing.
    pub failure: Option<String>,
}

impl Credential {
    pub(crate) fn new(source: Source, secret: Option<Secret>) -> Credential {
        Credential { source, secret, failure: None }
    }
}

impl From<&Place> for Credential {
    fn from(place: &Place) -> Credential {
        Credential::new(place.source.clone(), Some(place.value.clone()))
    }
}

/// The credentials that count.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// The login of a cloud gateway: nothing else counts beside it.
    pub gateway_login: Option<Credential>,
    /// ANTHROPIC_AUTH_TOKEN.
    pub token: Option<Credential>,
    /// Whether CLAUDE_CODE_USE_GATEWAY is on, and has a token: then no API key is sent (2.1.330, observed 2026-11).
    pub gateway: bool,
    /// The API key: ANTHROPIC_API_KEY, or the one that comes by a file descriptor or a well-known file.
    pub key: Option<Credential>,
    /// The output of the helper in force.
    pub helper: Option<Credential>,
    /// The OAuth token of a variable, a file descriptor or a well-known file.
    pub oauth: Option<Credential>,
    /// Federation or an explicit Anthropic profile.
    pub grant: Option<Credential>,
    /// The stored login.
    pub login: Option<Credential>,
    /// The default Anthropic profile.
    pub default_profile: Option<Credential>,
    /// `primaryApiKey`.
    pub primary: Option<Credential>,
    /// What the client asks about them.
    pub dialogs: Vec<Dialog>,
    /// Whether the client fails on a list of approvals that is not one.
    pub fails: bool,
    /// Why the client does not start with them.
    pub refusal: Option<(Source, String)>,
}

impl Credentials {
    /// All that count.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Credential> {
        let own = [&self.gateway_login, &self.token, &self.key, &self.helper, &self.oauth];
        let stored = [&self.grant, &self.login, &self.default_profile, &self.primary];
        own.into_iter().chain(stored).flatten()
    }
}

/// Finds the credentials of `state` in `mode`.
pub(crate) fn find(state: &State, mode: Mode, standings: &mut Standings) -> Credentials {
    let mut finder = Finder { state, mode, standings, found: Credentials::default() };
    finder.find();
    finder.found
}

struct Finder<'s, 'n> {
    state: &'s State,
    mode: Mode,
    standings: &'n mut Standings,
    found: Credentials,
}

impl<'s> Finder<'s, '_> {
    fn find(&mut self) {
        // What it does is judged with the headers; here the values that it hides are noted.
        self.variable(names::HEADERS);
        self.found.oauth = self.oauth();
        self.found.login = self.login();
        self.found.gateway = self.state.variables.is_gateway();
        self.found.token = self.token();
        self.found.helper = self.helper();
        self.found.primary = self.primary();
        let login_first = self.login_goes_first();
        self.found.key = self.key(login_first.is_some());
        match &login_first {
            Some((reason, all)) => self.drop_keys(reason, *all),
            None => self.dead_descriptor(),
        }
        self.grants();
        self.refuse_for_host();
        self.refuse();
        self.simple();
        self.gateway_login();
    }

    /// The first of these; the others are shadowed by it.
    fn first_of(&mut self, all: [Option<Credential>; 3]) -> Option<Credential> {
        let mut all = all.into_iter().flatten();
        let first = all.next()?;
        all.for_each(|other| self.standings.shadow(&other.source, &first.source));
        Some(first)
    }

    /// Notes the places of a variable that the client does not read.
    fn unread(&mut self, name: &str) {
        for place in self.state.variables.places(name) {
            if let Some(reason) = place.ignored {
                self.standings.ignore(&place.source, reason);
            }
        }
    }

    /// The effective value of a variable; those it hides are noted.
    fn variable(&mut self, name: &str) -> Option<&'s Place> {
        self.unread(name);
        self.effective(name, self.state.variables.read(name))
    }

    /// The first of these places of a variable, if it counts; the others are noted.
    fn effective(
        &mut self,
        name: &str,
        mut places: impl Iterator<Item = &'s Place>,
    ) -> Option<&'s Place> {
        let first = places.next()?;
        let is_set = variables::is_set(self.state.client, name, &first.value);
        let hidden_by = if is_set {
            format!("{} overrides it", first.source)
        } else {
            let reason =
                "set to nothing, which counts as unset and hides the variable's lower values";
            self.standings.unset(&first.source, reason);
            format!("{} is set to nothing, and hides it", first.source)
        };
        for place in places {
            if place.value.is_empty() {
                self.standings.unset(&place.source, "set to nothing");
            } else {
                self.standings.note(&place.source, Note::shadowed(&first.source, &*hidden_by));
            }
        }
        Some(first).filter(|_| is_set)
    }

    /// ANTHROPIC_AUTH_TOKEN; a gateway takes none from a project (2.1.195, 2.1.330, observed 2026-11-24).
    fn token(&mut self) -> Option<Credential> {
        if !self.found.gateway {
            return self.variable(names::TOKEN).map(Credential::from);
        }
        let places = self.state.variables.read(names::TOKEN);
        let (of_project, others): (Vec<_>, Vec<_>) =
            places.partition(|place| place.source.is_of_project());
        for place in of_project {
            let reason = "a gateway's token is not taken from a project";
            self.standings.ignore(&place.source, reason);
        }
        self.effective(names::TOKEN, others.into_iter()).map(Credential::from)
    }

    /// The API key, if it is approved or need not be: a gateway, or a login that goes first, leaves it out anyway.
    fn key(&mut self, login_first: bool) -> Option<Credential> {
        let key = self.variable(names::KEY);
        let key = key.filter(|key| self.found.gateway || login_first || self.is_approved(key));
        let key = key.map(Credential::from);
        let descriptor = self.by_descriptor(names::KEY_DESCRIPTOR, key.as_ref());
        let well_known = self.well_known(Source::WellKnownKey);
        self.first_of([key, descriptor, well_known])
    }

    /// Whether the client counts the effective ANTHROPIC_API_KEY.
    ///
    /// Print mode always does. Interactive mode does only if its last 20 characters are among the approved ones; where
    /// they are in neither list it asks, and no is the default (1.0.128, 2.0.77, 2.1.330, observed 2026-11). The VS Code
    /// extension demands the approval of print mode too, and nothing asks (1.0.128 to 2.1.332, observed 2026-11-25).
    fn is_approved(&mut self, place: &Place) -> bool {
        let (state, simple) = (self.state, self.state.is_simple());
        let is_editor = state.entrypoint() == "claude-vscode" && !state.client.is_v0();
        if (self.mode == Mode::Print && !is_editor) || (is_editor && simple) {
            return true;
        }
        let key = place.value.reveal();
        // 2.0.77 compares the raw end, blanks included; 2.1.330 trims first (observed 2026-11).
        let key = if state.client.has(Rule::KeyIsTrimmed) { js_trim(key) } else { key };
        let include = |answers: &Answers| answers.include(state.client, key::suffix(key));
        let rejected = match (include(&state.config.approved), include(&state.config.rejected)) {
            (Some(true), _) => return true,
            (Some(false), Some(rejected)) => rejected,
            _ => {
                self.found.fails = true;
                true
            }
        };
        if !rejected && !is_editor {
            self.found.dialogs.push(Dialog::ApproveEnvKey);
        }
        if simple {
            // It asks, and sends the key whatever the answer (2.1.330, observed 2026-11).
            return true;
        }
        let reason = if rejected {
            "not approved: its end is in customApiKeyResponses.rejected"
        } else if is_editor {
            "not approved, which the VS Code extension demands"
        } else {
            "not approved: the client asks, and the default answer is no"
        };
        self.standings.ignore(&place.source, reason);
        false
    }

    /// The helper in force; those it hides are noted.
    fn helper(&mut self) -> Option<Credential> {
        let state = self.state;
        let in_force = settings::helper(state).map(|(layer, _)| layer);
        let mut first = None;
        for settings in &state.layers {
            let Some(helper) = &settings.helper else { continue };
            let source = Source::Helper(settings.layer);
            if state.client.is_v0() {
                // 0.2.109, observed 2026-11.
                let reason = "this client does not know apiKeyHelper in settings";
                self.standings.ignore(&source, reason);
            } else if helper.is_empty() {
                let reason = "set to nothing, which hides a lower one";
                self.standings.unset(&source, reason);
            } else if state.is_of_host() {
                self.standings.ignore(&source, HOST);
            } else if state.is_simple() && settings.layer != Layer::Flag {
                self.standings.ignore(&source, SIMPLE);
            } else if let Some(higher) = first.filter(|_| in_force != Some(settings.layer)) {
                let by = Source::Helper(higher);
                self.standings.note(&source, Note::shadowed(&by, format!("{by} overrides it")));
            }
            first = first.or(Some(settings.layer));
        }
        let secret = match &state.helper {
            HelperRun::Printed(secret, _) => Some(secret.clone()),
            _ => None,
        };
        in_force.map(|layer| Credential::new(Source::Helper(layer), secret))
    }

    /// `primaryApiKey`, if it counts: text, and not blank (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn primary(&mut self) -> Option<Credential> {
        let config = &self.state.config;
        if let Some(odd) = config.odd_primary {
            let reason = format!("it is {}, not a string", odd.kind);
            let standing = if odd.kind == "null" { Standing::Unset } else { Standing::Ignored };
            self.standings.note(&Source::PrimaryKey, Note::new(standing, reason));
        }
        let key = config.primary_key.clone().filter(|key| !js_trim(key.reveal()).is_empty());
        // The Keychain's goes before it, and ranks as it does (2.0.77, 2.1.112, observed 2026-11-25).
        let in_keychain = self.state.keychain_key();
        let all = [(Source::KeychainKey, in_keychain), (Source::PrimaryKey, key)];
        let [first, second] =
            all.map(|(source, key)| key.map(|key| Credential::new(source, Some(key))));
        self.first_of([first, second, None])
    }

    /// The key or token that comes by a file descriptor, if that is open. It is read from the process's environment only,
    /// and an API key that comes so needs no approval (1.0.128, 2.0.77, 2.1.330, observed 2026-11). 0.2.109 does not know
    /// these variables (observed 2026-11-24).
    fn by_descriptor(&mut self, name: &str, higher: Option<&Credential>) -> Option<Credential> {
        self.unread(name);
        let state = self.state;
        let source = Source::env(name);
        let value = at_start(&state.process, name)?;
        let open = state.facts.open_descriptors.get(value.reveal());
        if state.client.is_v0() {
            self.standings.ignore(&source, UNKNOWN);
        } else if open.is_none() {
            let reason = "it names no open file descriptor, or one with nothing in it";
            self.standings.ignore(&source, reason);
        } else if let Some(higher) = higher {
            self.standings.shadow(&source, &higher.source);
        } else {
            return Some(Credential::new(source, open.cloned().flatten()));
        }
        None
    }

    /// The key or token that a cloud session left in a file (2.1.200, 2.1.332, observed 2026-11-25).
    fn well_known(&mut self, source: Source) -> Option<Credential> {
        let text = self.state.well_known(&source)?;
        if !self.state.client.has(Rule::WellKnownFilesAreRead) {
            self.standings.ignore(&source, "this client does not read that file");
            return None;
        }
        Some(Credential::new(source, Some(text)))
    }

    /// A descriptor named for an API key keeps OAuth tokens and the stored login out even where it gives no key, being
    /// closed or no number; federation it does not touch (1.0.128, 2.0.77 and 2.1.330, observed 2026-11-24).
    fn dead_descriptor(&mut self) {
        let found = &mut self.found;
        let is_named = at_start(&self.state.process, names::KEY_DESCRIPTOR).is_some();
        if is_named && !self.state.client.is_v0() && found.key.is_none() {
            let reason = format!("{} is set, which keeps it out", names::KEY_DESCRIPTOR);
            self.standings.take_out([&mut found.oauth, &mut found.login], &reason);
        }
    }

    fn oauth(&mut self) -> Option<Credential> {
        let state = self.state;
        let variable = if self.reads_oauth_late() {
            self.effective(names::OAUTH, state.variables.places(names::OAUTH).iter())
        } else {
            self.variable(names::OAUTH)
        };
        let lacks_scope = || {
            let scopes = state.variables.effective(names::OAUTH_SCOPES);
            state.client.has(Rule::OauthScopesAreKnown)
                && scopes.is_some_and(|scopes| {
                    let mut words = scopes.value.reveal().split([' ', ',']);
                    !words.any(|scope| scope.trim() == "user:inference")
                })
        };
        let reason = if state.client.is_v0() {
            // 0.2.109, observed 2026-11.
            Some(UNKNOWN)
        } else {
            lacks_scope().then_some("CLAUDE_CODE_OAUTH_SCOPES lacks user:inference")
        };
        if let (Some(reason), Some(place)) = (reason, variable) {
            self.standings.ignore(&place.source, reason);
        }
        if state.client.is_v0() {
            return None;
        }
        let variable = variable.filter(|_| reason.is_none()).map(Credential::from);
        let descriptor = self.by_descriptor(names::OAUTH_DESCRIPTOR, variable.as_ref());
        let well_known = self.well_known(Source::WellKnownToken);
        self.first_of([variable, descriptor, well_known])
    }

    /// Whether CLAUDE_CODE_OAUTH_TOKEN is read once the `env` blocks are applied. These versions keep what they find when they
    /// first look for it, and do not look while a key or a token of the environment counts; such a one may be taken away
    /// by a block (2.0.77, 2.1.20, observed 2026-11-24).
    fn reads_oauth_late(&self) -> bool {
        let state = self.state;
        let key_counts = |key: &Secret| {
            let approved = &state.config.approved;
            self.mode == Mode::Print
                || approved.include(state.client, key::suffix(key.reveal())) == Some(true)
        };
        state.client.has(Rule::OauthIsReadLate)
            && (at_start(&state.process, names::TOKEN).is_some()
                || at_start(&state.process, names::KEY).is_some_and(key_counts))
    }

    /// The stored login, if it counts: an expired one does, one without the scope does not (0.2.109, 1.0.128, 2.0.77,
    /// 2.1.330, observed 2026-11).
    fn login(&mut self) -> Option<Credential> {
        let state = self.state;
        let source = &state.login_source;
        if state.hidden_login.is_some() {
            self.standings.shadow(&Source::Login, source);
        }
        let login = state.login.as_ref()?;
        // An expired login is refreshed before the first request: what will be sent is not known (2.0.77, 2.1.332, observed
        // 2026-11-25).
        let secret = (!login.is_refreshed(state.now)).then(|| login.token.clone());
        let odd = login.scopes == Scopes::Odd;
        let failure = odd.then(|| "the client fails on the scopes of the stored login".to_owned());
        let mut found = Some(Credential { failure, ..Credential::new(source.clone(), secret) });
        if login.scopes == Scopes::Lacking {
            self.standings.take_out([&mut found], "its scopes lack user:inference");
        } else if state.has_socket() {
            self.standings.take_out([&mut found], "ANTHROPIC_UNIX_SOCKET keeps it out");
        }
        found
    }

    /// Why a login or an OAuth token goes before keys, if one does, and whether before all of them or `KEY` alone.
    ///
    /// A cloud session, the desktop app and local agents prefer a login (2.0.77 to 2.1.332, observed 2026-11-25). A
    /// socket prefers the OAUTH of the process's environment (2.1.120, 2.1.332, observed 2026-11-25).
    fn login_goes_first(&self) -> Option<(String, bool)> {
        let (state, found) = (self.state, &self.found);
        if state.is_simple() {
            return None;
        }
        let has = |rule| state.client.has(rule);
        let remote = has(Rule::RemoteLoginBeatsKey) && state.variables.is_on(names::REMOTE);
        let desktop = match state.entrypoint() {
            "claude-desktop" => has(Rule::RemoteLoginBeatsAll),
            "local-agent" => has(Rule::AgentLoginBeatsAll),
            _ => false,
        };
        let oauth = found.oauth.as_ref();
        // A host that names the variable of its credential has it count (2.1.332, observed 2026-11-26).
        let named_by_host = at_start(&state.process, names::HOST_AUTH).is_some();
        if (remote || desktop) && !named_by_host && (oauth.is_some() || found.login.is_some()) {
            let who = if remote { names::REMOTE } else { names::ENTRYPOINT };
            let reason = format!("{who} is set, and a login goes before every key");
            Some((reason, has(Rule::RemoteLoginBeatsAll)))
        } else if state.has_socket()
            && oauth.is_some_and(|oauth| oauth.source == Source::env(names::OAUTH))
        {
            let reason = "with ANTHROPIC_UNIX_SOCKET, CLAUDE_CODE_OAUTH_TOKEN goes first";
            Some((reason.to_owned(), true))
        } else {
            None
        }
    }

    /// Takes out everything that a login goes before.
    fn drop_keys(&mut self, reason: &str, all: bool) {
        let found = &mut self.found;
        let mut key = found.key.take_if(|key| all || key.source.is_variable(names::KEY));
        self.standings.take_out([&mut key], reason);
        if all {
            let others = [&mut found.token, &mut found.helper, &mut found.primary];
            self.standings.take_out(others, reason);
        }
    }

    /// Federation and Anthropic profiles: those in use take the stored login out of use.
    fn grants(&mut self) {
        let state = self.state;
        if !state.client.has(Rule::ProfilesAreKnown) {
            // 2.0.77 knows none of it (observed 2026-11).
            for place in [names::PROFILE, names::FEDERATION_RULE]
                .into_iter()
                .flat_map(|name| state.variables.places(name))
            {
                self.standings.ignore(&place.source, UNKNOWN);
            }
            return;
        }
        let [explicit, rule] = [names::PROFILE, names::FEDERATION_RULE]
            .map(|name| self.variable(name).map(|place| place.source.clone()));
        let (grant, default) = federation::judge(state, explicit, rule, self.standings);
        if let Some(grant) = &grant
            && let Some(login) = self.found.login.take()
        {
            let reason = format!("{} takes the stored login out of use", grant.source);
            self.standings.note(&login.source, Note::shadowed(&grant.source, reason));
        }
        if let Some(default) = &default
            && !state.client.has(Rule::LoginBeatsDefaultProfile)
            && let Some(login) = self.found.login.take()
        {
            self.standings.shadow(&login.source, &default.source);
        }
        (self.found.grant, self.found.default_profile) = (grant, default);
    }

    /// In a host's session nothing counts but the environment of the process (2.1.200, 2.1.332, observed 2026-11-25).
    fn refuse_for_host(&mut self) {
        if self.state.is_of_host() {
            let Credentials { primary, login, grant, default_profile, .. } = &mut self.found;
            self.standings.take_out([primary, login, grant, default_profile], HOST);
        }
    }

    /// Managed settings that demand a login refuse keys of variables and helpers; HEADERS and most often `primaryApiKey`
    /// pass. The method `gateway` refuses everything but the login of a gateway. A login is looked up online, so cck cannot
    /// tell whether it belongs to the organization (2.1.76 to 2.1.332, observed 2026-11-25).
    fn refuse(&mut self) {
        let (state, found) = (self.state, &self.found);
        let has = |rule| state.client.has(rule);
        let managed = || state.layers.iter().filter(|layer| layer.layer.is_managed());
        let method = managed().find_map(|layer| layer.login_method.as_deref());
        let gateway = method == Some("gateway");
        // Through a socket, whose other end decides, everything else passes (2.1.332, observed 2026-11-26).
        if state.has_socket() && !(gateway && has(Rule::ForcedGatewayRefusesAll)) {
            return;
        }
        let method = method.filter(|_| !gateway || has(Rule::ForcedGatewayIsKnown));
        let organizations = managed().find_map(|layer| layer.organizations);
        let by = if method.is_some() { "forceLoginMethod" } else { "forceLoginOrgUUID" };
        let has_helper =
            |layer: &&Settings| layer.helper.as_ref().is_some_and(|helper| !helper.is_empty());
        let first = |all: &[&Option<Credential>]| {
            all.iter().find_map(|found| found.as_ref()).map(|found| found.source.clone())
        };
        // SIMPLE keeps helpers out, yet they are refused.
        let simple_helper = || state.layers.iter().find(has_helper).filter(|_| state.is_simple());
        let keys = first(&[&found.key, &found.token, &found.helper])
            .or_else(|| simple_helper().map(|layer| Source::Helper(layer.layer)));
        let (primary, logins) = (first(&[&found.primary]), first(&[&found.oauth, &found.login]));
        let mut checked = false;
        let refused = if gateway && has(Rule::ForcedGatewayRefusesAll) {
            let headers = settings::effective(state, names::HEADERS);
            keys.or(primary).or(logins).or(headers.map(|place| place.source.clone()))
        } else if keys.is_some() {
            let forced = method.is_some() || organizations.is_some();
            keys.filter(|_| forced && has(Rule::ForcedLoginRefusesKeys))
        } else if organizations == Some(0) && has(Rule::EmptyOrganizationsStop) {
            primary.or(logins)
        } else if organizations.is_some() && has(Rule::OrganizationIsChecked) {
            checked = true;
            logins
        } else {
            None
        };
        self.found.refusal = refused.map(|source| {
            let why = if checked {
                format!("{by} in managed settings has {source} checked online, which cck cannot do")
            } else {
                format!("{by} in managed settings refuses {source}")
            };
            (source, why)
        });
    }

    /// With CLAUDE_CODE_SIMPLE on, nothing counts but the two variables, custom headers and the helper of `--settings`
    /// (2.1.330, observed 2026-11; 2.1.332, observed 2026-11-25).
    fn simple(&mut self) {
        if !self.state.is_simple() {
            return;
        }
        let Credentials { key, oauth, login, primary, grant, default_profile, .. } =
            &mut self.found;
        let mut other_key = key.take_if(|key| !key.source.is_variable(names::KEY));
        let all = [&mut other_key, oauth, login, primary, grant, default_profile];
        self.standings.take_out(all, SIMPLE);
    }

    /// The login of a cloud gateway goes before everything (2.1.200, 2.1.332, observed 2026-11-25).
    fn gateway_login(&mut self) {
        let now = self.state.now;
        let Some(login) = &self.state.gateway else { return };
        if !self.state.client.has(Rule::CloudGatewayIsKnown) {
            self.standings.ignore(&Source::Gateway, "this client does not know it");
        } else if !login.counts(now) {
            self.standings.ignore(&Source::Gateway, "it has expired, and cannot be refreshed");
        } else {
            let secret = (!is_past(login.expires_at, now)).then(|| login.token.clone());
            self.found.gateway_login = Some(Credential::new(Source::Gateway, secret));
        }
    }
}

const UNKNOWN: &str = "this client does not know this variable";

/// Why only some sources count with CLAUDE_CODE_SIMPLE.
const SIMPLE: &str = "CLAUDE_CODE_SIMPLE is on: only ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, custom headers and the \
                      helper of --settings count";

/// Why only some sources count in a host's session.
const HOST: &str = "in a host's session only the environment of the process counts";
