//! Every source of a credential, and what becomes of it in one mode. Pure.

use super::{
    Dialog, Item, Json, Kind, Login, Note, Rule, Secret, Source, Standing, State, Stop, headers,
    js_trim,
    login::is_past,
    names, settings,
    variables::{self, UNKNOWN},
};

/// A source, and the credential that may be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credential {
    pub source: Source,
    pub is_set: bool,
    pub secret: Option<Secret>,
    /// Whether the client sends another value, which it has to get first.
    pub is_renewed: bool,
    /// Why the client gets none of it; it then sends nothing.
    pub failure: Option<String>,
    /// What became of it; none while it counts.
    pub note: Option<Note>,
}

impl Credential {
    /// The value that the client sends, where it is known here.
    pub(crate) fn sent(&self) -> Option<&Secret> {
        self.secret.as_ref().filter(|_| !self.is_renewed)
    }

    pub(crate) fn counts(&self) -> bool {
        self.is_set && self.note.is_none()
    }

    /// Notes that it does not count if there is a reason, unless something was noted before.
    fn ignore<'r>(&mut self, because: impl Into<Option<&'r str>>) {
        let note = because.into().map(|because| Note::new(Standing::Ignored, because));
        self.note = self.note.take().or(note);
    }
}

/// The credentials of a state, in one mode.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// In order of precedence: the usual places always, the others where something is.
    pub all: Vec<Credential>,
    pub dialogs: Vec<Dialog>,
    /// Whether the client fails on a list of approvals that is not one.
    pub fails: bool,
    /// What a forced login refuses.
    pub refusal: Option<Stop>,
    /// The API key, and `primaryApiKey` where no helper is set, that a login goes before.
    pub passed_over: [Option<Credential>; 2],
}

impl Credentials {
    /// Those of the state, none of them judged.
    pub(crate) fn of(state: &State) -> Credentials {
        let mut found = Credentials::default();
        found.add_gateway(state);
        for name in [names::HEADERS, names::TOKEN, names::KEY, names::KEY_DESCRIPTOR] {
            found.add_variable(state, name);
        }
        found.add_well_known(state, Source::WellKnownKey, ".api_key");
        found.add_helpers(state);
        for name in [names::OAUTH, names::OAUTH_DESCRIPTOR] {
            found.add_variable(state, name);
        }
        found.add_well_known(state, Source::WellKnownToken, ".oauth_token");
        for name in [names::PROFILE, names::FEDERATION_RULE] {
            found.add_variable(state, name);
        }
        found.add_logins(state);
        found.add_keys(state);
        if let Some(profile) = state.profile()
            && state.variables.effective(names::PROFILE).is_none()
        {
            found.add(Source::Profile(profile.name), profile.token).is_set = true;
        }
        found
    }

    /// The one of that kind that counts.
    pub(crate) fn get(&self, kind: Kind) -> Option<&Credential> {
        self.all.iter().find(|credential| credential.source.kind() == kind && credential.counts())
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.get(kind).is_some()
    }

    /// Whether a key or an OAuth token comes by a descriptor or a well-known file, be it behind another.
    pub(crate) fn has_file_key(&self) -> bool {
        self.all.iter().any(|found| {
            let is_file = matches!(found.source, Source::WellKnownKey | Source::WellKnownToken)
                || found.source.is_descriptor();
            let note = found.note.as_ref();
            is_file && found.is_set && note.is_none_or(|note| note.standing == Standing::Shadowed)
        })
    }

    /// Notes what became of a source, unless it was noted before.
    pub(crate) fn note(&mut self, source: &Source, note: Note) {
        if let Some(found) = self.all.iter_mut().find(|found| found.source == *source) {
            found.note.get_or_insert(note);
        }
    }

    pub(crate) fn ignore(&mut self, source: &Source, because: impl Into<String>) {
        self.note(source, Note::new(Standing::Ignored, because));
    }

    pub(crate) fn ignore_all(&mut self, kinds: &[Kind], because: &str) {
        for found in &mut self.all {
            if found.counts() && kinds.contains(&found.source.kind()) {
                found.ignore(because);
            }
        }
    }

    fn add(&mut self, source: Source, secret: Option<Secret>) -> &mut Credential {
        let is_set = secret.is_some();
        self.all.push(Credential { source, is_set, secret, ..Credential::default() });
        self.all.last_mut().expect("it was just added")
    }

    /// The login of a cloud gateway (2.1.200, 2.1.332, observed 2026-11-25).
    fn add_gateway(&mut self, state: &State) {
        let Some(login) = &state.gateway else { return };
        let found = self.add(Source::Gateway, login.token.clone());
        found.is_set = true;
        found.is_renewed = is_past(login.expires_at, state.facts.now);
        found.ignore(state.ignores_gateway(login));
        if login.token.is_none() && state.client.has(Rule::GatewayTokenMustBeText) {
            let failure =
                "the login of the cloud gateway has no `jwt`, and the client sends nothing";
            found.failure = Some(failure.to_owned());
        }
    }

    fn add_variable(&mut self, state: &State, name: &str) {
        let is_usual = [names::KEY, names::TOKEN, names::OAUTH].contains(&name);
        for place in state.variables.places(name) {
            let value = &place.value;
            let descriptor = state.facts.open_descriptors.get(value.reveal());
            let secret = match name {
                _ if is_usual => Some(value.clone()),
                names::HEADERS => {
                    let custom = headers::parse(state.client, value.reveal());
                    let header = custom.x_api_key.or(custom.authorization);
                    // Without such a line it does not count as a credential.
                    let Some(header) = header else { continue };
                    Some(Secret::new(header.to_owned()))
                }
                names::KEY_DESCRIPTOR | names::OAUTH_DESCRIPTOR => descriptor.cloned().flatten(),
                names::PROFILE if variables::is_set(state.client, name, value) => {
                    state.profile().and_then(|profile| profile.token)
                }
                _ => None,
            };
            let found = self.add(place.source.clone(), secret);
            found.is_set = !value.is_empty();
            let is_known =
                found.source.kind() != Kind::Grant || state.client.has(Rule::ProfilesAreKnown);
            // 2.0.77 knows no profile (observed 2026-11).
            found.ignore((!is_known).then_some(UNKNOWN));
            // It is read from the process's environment only, and an API key that comes so needs no approval (1.0.128,
            // 2.0.77, 2.1.330, observed 2026-11).
            let is_dead = found.is_set && found.source.is_descriptor() && descriptor.is_none();
            let dead = "it names no open file descriptor, or one with nothing in it";
            found.ignore(place.ignored.or(is_dead.then_some(dead)));
        }
        // The usual ones are named even if nothing sets them.
        if is_usual && self.all.iter().all(|found| found.source != Source::env(name)) {
            self.add(Source::env(name), None);
        }
    }

    /// A key or token that a cloud session left in a file (2.1.200, 2.1.332, observed 2026-11-25).
    fn add_well_known(&mut self, state: &State, source: Source, name: &str) {
        if let Some(text) = state.facts.text(&state.paths.well_known.join(name)) {
            let found = self.add(source, Some(Secret::new(text)));
            if !state.client.has(Rule::WellKnownFilesAreRead) {
                found.ignore("this client does not read that file");
            }
        }
    }

    fn add_helpers(&mut self, state: &State) {
        let in_force = settings::helper(state).map(|(layer, _)| layer);
        let printed = state.helper.as_ref().and_then(|run| run.printed.as_ref().ok());
        for settings in &state.layers {
            let Some(helper) = &settings.helper else { continue };
            let secret = printed.filter(|_| in_force == Some(settings.layer)).cloned();
            let found = self.add(Source::Helper(settings.layer), secret);
            found.is_set = !helper.is_empty();
        }
    }

    /// The login in force, which counts if it has the scope, expired or not (0.2.109, 1.0.128, 2.0.77, 2.1.330, observed
    /// 2026-11), and the one that it hides.
    fn add_logins(&mut self, state: &State) {
        let token = |login: &Option<Login>| Some(login.as_ref()?.token.clone());
        let source = &state.login_source;
        let found = self.add(source.clone(), token(&state.login));
        if let Some(login) = &state.login {
            // An expired login is refreshed before the first request: what will be sent is not known (2.0.77, 2.1.332,
            // observed 2026-11-25).
            found.is_renewed = login.is_refreshed(state.facts.now);
            if login.may_ask == Some(false) {
                found.ignore("its scopes lack user:inference");
            } else if state.variables.has_socket() {
                found.ignore("ANTHROPIC_UNIX_SOCKET keeps it out");
            } else if login.may_ask.is_none() {
                let failure = "the client fails on the scopes of the stored login";
                found.failure = Some(failure.to_owned());
            }
        }
        if *source != Source::Login {
            let hidden = self.add(Source::Login, token(&state.hidden_login));
            if hidden.is_set {
                hidden.note = Some(Note::first(source));
            }
        }
    }

    /// `primaryApiKey`, which counts if it is text, and not blank (1.0.128, 2.0.77, 2.1.330, observed 2026-11). The
    /// Keychain's goes before it, and ranks as it does (2.0.77, 2.1.112, observed 2026-11-25).
    fn add_keys(&mut self, state: &State) {
        let config = &state.config;
        if let Item::Text(text) = &state.facts.keychain.key {
            self.add(Source::KeychainKey, Some(Secret::new(text.trim().to_owned())));
        }
        let found = self.add(Source::PrimaryKey, config.primary_key.clone());
        if found.secret.as_ref().is_some_and(|key| js_trim(key.reveal()).is_empty()) {
            found.note = Some(Note::new(Standing::Unset, "not set"));
        }
        if let Some(odd) = config.odd_primary.as_ref().map(|odd| Json(odd.reveal())) {
            found.is_set = true;
            let standing = if odd.is_null() { Standing::Unset } else { Standing::Ignored };
            found.note = Some(Note::new(standing, format!("it is {}, not a string", odd.kind())));
        }
    }
}
