//! Judges which credentials count in one mode, and notes of the others why they do not. Pure.

use super::{
    Credential, Credentials, Dialog, Kind, Layer, Mode, Note, Place, Rule, Secret, Settings,
    Source, Standing, State, Stop, config::Answers, federation, js_trim, names, server, variables,
};
use crate::key;

/// The credentials of `state`; of each kind, at most one counts in `mode`. Or those with which the client can ask Anthropic's
/// server for settings: what a project sets is not there yet, and neither a dead descriptor nor missing scopes keep a login or
/// `OAUTH` from it (2.1.112 to 2.1.332, observed 2026-11-26).
pub(crate) fn rank(state: &State, mode: Mode, for_server: bool) -> Credentials {
    Ranking { state, mode, for_server, found: Credentials::of(state) }.rank()
}

struct Ranking<'s> {
    state: &'s State,
    mode: Mode,
    for_server: bool,
    found: Credentials,
}

impl<'s> Ranking<'s> {
    fn rank(mut self) -> Credentials {
        self.variable(names::HEADERS);
        self.oauth();
        self.token();
        self.helpers();
        self.first_counts(Kind::Primary);
        let login_first = self.login_goes_first();
        self.key();
        if let Some((reason, is_before_all)) = &login_first {
            let primary = self.found.get(Kind::Primary).filter(|_| !self.found.has(Kind::Helper));
            self.found.passed_over = [self.found.get(Kind::Key).cloned(), primary.cloned()];
            let kinds: &[Kind] = match is_before_all {
                true => &[Kind::Key, Kind::Token, Kind::Helper, Kind::Primary],
                false if self.key_is_variable() => &[Kind::Key],
                false => &[],
            };
            self.found.ignore_all(kinds, reason);
        } else {
            self.dead_descriptor();
        }
        self.grants();
        self.host(login_first.is_some());
        self.refuse();
        self.simple();
        self.found
    }

    /// The first that counts shadows the others of its kind.
    fn first_counts(&mut self, kind: Kind) {
        let all = self.found.all.iter_mut();
        let mut counting = all.filter(|found| found.source.kind() == kind && found.counts());
        let Some(first) = counting.next() else { return };
        counting.for_each(|other| other.note = Some(Note::first(&first.source)));
    }

    fn unset(&mut self, source: &Source, because: &str) {
        self.found.note(source, Note::new(Standing::Unset, because));
    }

    /// The effective value of a variable; those it hides are noted.
    fn variable(&mut self, name: &str) -> Option<&'s Place> {
        self.variable_without(name, "it comes too late", |_| false)
    }

    /// The same, without the places that are ignored.
    fn variable_without(
        &mut self,
        name: &str,
        why: &str,
        is_ignored: impl Fn(&Source) -> bool,
    ) -> Option<&'s Place> {
        let for_server = self.for_server;
        let (ignored, others): (Vec<_>, Vec<_>) =
            self.state.variables.read(name).partition(|place| {
                is_ignored(&place.source) || for_server && place.source.is_of_project()
            });
        ignored.iter().for_each(|place| self.found.ignore(&place.source, why));
        self.effective(name, others.into_iter())
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
            self.unset(&first.source, reason);
            format!("{} is set to nothing, and hides it", first.source)
        };
        for place in places {
            if place.value.is_empty() {
                self.unset(&place.source, "set to nothing");
            } else {
                self.found.note(&place.source, Note::shadowed(&first.source, &*hidden_by));
            }
        }
        Some(first).filter(|_| is_set)
    }

    /// ANTHROPIC_AUTH_TOKEN; a gateway takes none from a project (2.1.195, 2.1.330, observed 2026-11-24).
    fn token(&mut self) {
        let is_gateway = self.state.variables.is_gateway();
        let is_ignored = |source: &Source| is_gateway && source.is_of_project();
        let why = "a gateway's token is not taken from a project";
        self.variable_without(names::TOKEN, why, is_ignored);
    }

    /// The API key. A gateway leaves it out anyway, and nothing is asked; where a login goes first, it is asked about (2.1.332,
    /// observed 2026-11-26).
    fn key(&mut self) {
        let place = self.variable(names::KEY);
        if let Some(place) = place.filter(|_| !self.state.variables.is_gateway()) {
            self.approve(place);
        }
        self.first_counts(Kind::Key);
    }

    /// Notes why the client does not count the effective ANTHROPIC_API_KEY, if it does not.
    ///
    /// Print mode always does. Interactive mode does only if its last 20 characters are among the approved ones; where
    /// they are in neither list it asks, and no is the default (1.0.128, 2.0.77, 2.1.330, observed 2026-11). The VS Code
    /// extension demands the approval of print mode too, where nothing asks (1.0.128 to 2.1.332, observed 2026-11-25).
    fn approve(&mut self, place: &Place) {
        let (state, simple) = (self.state, self.state.is_simple());
        let is_editor = state.variables.entrypoint() == "claude-vscode" && !state.client.is_v0();
        if self.mode == Mode::Print && (!is_editor || simple) {
            return;
        }
        let key = place.value.reveal();
        // 2.0.77 compares the raw end, blanks included; 2.1.330 trims first (observed 2026-11).
        let key = if state.client.has(Rule::KeyIsTrimmed) { js_trim(key) } else { key };
        let include = |answers: &Answers| answers.include(state.client, key::suffix(key));
        let rejected = match (include(&state.config.approved), include(&state.config.rejected)) {
            (Some(true), _) => return,
            (Some(false), Some(rejected)) => rejected,
            _ => {
                self.found.fails = true;
                true
            }
        };
        // Where the login is a gateway's, or has to be, nothing is asked (2.1.195 to 2.1.332, observed 2026-11-26).
        let gateway_alone = self.found.has(Kind::Gateway)
            || state.forced_method() == Some("gateway")
                && state.client.has(Rule::ForcedGatewayRefusesAll);
        if !rejected && !gateway_alone && self.mode == Mode::Interactive {
            self.found.dialogs.push(Dialog::ApproveEnvKey);
        }
        if simple {
            // It asks, and sends the key whatever the answer (2.1.330, observed 2026-11).
            return;
        }
        let reason = if rejected {
            "not approved: its end is in customApiKeyResponses.rejected"
        } else if self.mode == Mode::Print {
            "not approved, which the VS Code extension demands"
        } else {
            "not approved: the client asks, and the default answer is no"
        };
        self.found.ignore(&place.source, reason);
    }

    /// The helper in force; those it hides are noted.
    fn helpers(&mut self) {
        let state = self.state;
        let mut first = None;
        for settings in &state.layers {
            let Some(helper) = &settings.helper else { continue };
            let source = Source::Helper(settings.layer);
            if state.client.is_v0() {
                // 0.2.109, observed 2026-11.
                self.found.ignore(&source, "this client does not know apiKeyHelper in settings");
            } else if helper.is_empty() {
                self.unset(&source, "set to nothing, which hides a lower one");
            } else if state.is_simple() {
                // That of --settings counts, in a host's session too (2.1.332, observed 2026-11-26).
                if settings.layer != Layer::Flag {
                    self.found.ignore(&source, SIMPLE);
                }
            } else if state.is_of_host() {
                self.found.ignore(&source, HOST);
            } else if let Some(higher) = first {
                let by = Source::Helper(higher);
                self.found.note(&source, Note::shadowed(&by, format!("{by} overrides it")));
            }
            first = first.or(Some(settings.layer));
        }
    }

    /// A descriptor named for an API key keeps OAuth tokens and the stored login out even where it gives no key, being
    /// closed or no number; federation it does not touch (1.0.128, 2.0.77 and 2.1.330, observed 2026-11-24).
    fn dead_descriptor(&mut self) {
        let is_named = self.state.variables.at_start(names::KEY_DESCRIPTOR).is_some();
        if is_named && !self.for_server && !self.state.client.is_v0() && !self.found.has(Kind::Key)
        {
            let reason = format!("{} is set, which keeps it out", names::KEY_DESCRIPTOR);
            self.found.ignore_all(&[Kind::Oauth, Kind::Login], &reason);
        }
    }

    fn oauth(&mut self) {
        let state = self.state;
        if self.reads_oauth_late() {
            let of_variable = |found: &&mut Credential| found.source.is_variable(names::OAUTH);
            self.found.all.iter_mut().filter(of_variable).for_each(|found| found.note = None);
            self.effective(names::OAUTH, state.variables.places(names::OAUTH).iter());
        } else {
            // These clients have looked before a project's variables are applied, if there is a login to be looked at
            // (2.1.112, observed 2026-11-26). What the server or a policyHelper gives is always too late for that, and a
            // file of logins without any is enough (2.1.332, the same day). Without the file they look again, so that a login
            // of the Keychain alone comes after (2.1.112, the same day).
            let projects = state.client.has(Rule::OauthOfProjectsCounts);
            let has_file = state.credentials_file.reading.exists();
            let is_late = |source: &Source| match source.layer() {
                Some(Layer::Remote | Layer::Policy) => has_file,
                Some(layer) => {
                    has_file && state.login.is_some() && projects && layer.is_of_project()
                }
                None => false,
            };
            let why = "the file of stored logins keeps it out";
            self.variable_without(names::OAUTH, why, is_late);
        }
        let lacks_scope = || {
            let scopes = state.variables.effective(names::OAUTH_SCOPES);
            state.client.has(Rule::OauthScopesAreKnown)
                && scopes.is_some_and(|scopes| {
                    let mut words = scopes.value.reveal().split_whitespace();
                    !words.any(|scope| scope == "user:inference")
                })
        };
        if self.found.has(Kind::Oauth) && !self.for_server && lacks_scope() {
            // It keeps the stored login out anyway (2.1.332, observed 2026-11-26).
            let reason = "CLAUDE_CODE_OAUTH_SCOPES lacks user:inference";
            self.found.ignore_all(&[Kind::Oauth, Kind::Login], reason);
        }
        self.first_counts(Kind::Oauth);
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
            && (state.variables.at_start(names::TOKEN).is_some()
                || state.variables.at_start(names::KEY).is_some_and(key_counts))
    }

    /// What says that the client runs in a cloud session, or that an app started it: neither federation nor a profile counts
    /// there (2.1.118 to 2.1.332, observed 2026-11-26).
    fn session(&self) -> Option<&'static str> {
        let variables = &self.state.variables;
        let has = |rule| self.state.client.has(rule);
        let is_app = match variables.entrypoint() {
            "claude-desktop" => has(Rule::RemoteLoginBeatsAll),
            "claude-desktop-3p" | "local-agent" => has(Rule::AgentIsKnown),
            _ => false,
        };
        let is_remote = match has(Rule::RemoteIsOfProcess) {
            true => variables.starts_on(names::REMOTE),
            false => variables.is_on(names::REMOTE),
        };
        let is_remote = is_remote && has(Rule::RemoteLoginBeatsKey);
        is_remote.then_some(names::REMOTE).or(is_app.then_some(names::ENTRYPOINT))
    }

    /// The session, if it prefers a login: not that of the desktop app for other providers, none with SIMPLE, and none where a
    /// host names the variable of its credential (2.1.332, observed 2026-11-26).
    fn prefers_login(&self) -> Option<&'static str> {
        let variables = &self.state.variables;
        let is_other = variables.entrypoint() == "claude-desktop-3p";
        let counts = !self.state.is_simple() && variables.at_start(names::HOST_AUTH).is_none();
        self.session().filter(|who| counts && !(is_other && *who == names::ENTRYPOINT))
    }

    /// Why a login or an OAuth token goes before keys, if one does, and whether before all of them or `KEY` alone.
    ///
    /// A cloud session, the desktop app and local agents prefer a login (2.0.45 to 2.1.332, observed 2026-11-25). A
    /// socket prefers the OAUTH of the process's environment (2.1.120, 2.1.332, observed 2026-11-25).
    fn login_goes_first(&self) -> Option<(String, bool)> {
        let (state, found) = (self.state, &self.found);
        // A gateway's token goes before a login (2.1.195 to 2.1.332, observed 2026-11-26).
        if state.is_simple() || state.variables.is_gateway() {
            return None;
        }
        let oauth = found.get(Kind::Oauth);
        // A host's session uses no login (2.1.332, observed 2026-11-26).
        let has_login = found.has(Kind::Login) && !state.is_of_host();
        let beats_all = state.client.has(Rule::RemoteLoginBeatsAll);
        // Before, what goes before the login let `KEY` go along (2.0.45 to 2.1.76, observed 2026-11-26).
        let is_beaten = !beats_all && (found.has(Kind::Token) || found.has(Kind::Helper));
        if let Some(who) = self.prefers_login().filter(|_| !is_beaten)
            && (oauth.is_some() || has_login)
        {
            let reason = format!("{who} is set, and a login goes before every key");
            Some((reason, beats_all))
        } else if state.variables.has_socket()
            && oauth.is_some_and(|oauth| oauth.source == Source::env(names::OAUTH))
        {
            let reason = "with ANTHROPIC_UNIX_SOCKET, CLAUDE_CODE_OAUTH_TOKEN goes first";
            Some((reason.to_owned(), true))
        } else {
            None
        }
    }

    fn key_is_variable(&self) -> bool {
        self.found.get(Kind::Key).is_some_and(|key| key.source.is_variable(names::KEY))
    }

    /// Federation and Anthropic profiles: those in use go before the stored login, which is then not used.
    fn grants(&mut self) {
        let state = self.state;
        let known = match self.for_server {
            true => Rule::ServerIsAskedWithProfile,
            false => Rule::ProfilesAreKnown,
        };
        // A token keeps it from asking.
        let has_token = self.for_server && self.found.has(Kind::Token);
        if has_token || !state.client.has(known) {
            return;
        }
        if self.session().is_some() {
            self.found.ignore_all(&[Kind::Grant, Kind::Profile], SESSION);
            return;
        }
        let [mut explicit, rule] = [names::PROFILE, names::FEDERATION_RULE]
            .map(|name| self.variable(name).map(|place| &place.source));
        if state.client.has(Rule::GrantIsDecidedEarly) && server::is_default_host(state) {
            match federation::early(state, self.found.has(Kind::Login)) {
                None => self.found.ignore_all(&[Kind::Grant], TOO_LATE),
                // Federation neither asks nor keeps a login from asking (2.1.257 to 2.1.332, observed 2026-11-26).
                Some(names::FEDERATION_RULE) if self.for_server => {
                    self.found.ignore_all(&[Kind::Grant, Kind::Profile], TOO_LATE);
                    return;
                }
                // Where managed settings take the profile away, a login asks (2.1.257 to 2.1.332, observed 2026-11-26).
                Some(_) if self.for_server && explicit.is_none() => {}
                Some(name) => {
                    if name == names::FEDERATION_RULE
                        && let Some(source) = explicit.take()
                    {
                        self.found.ignore(source, "federation was decided on before it was read");
                    }
                    let reason = format!("{name} was to be used instead of the stored login");
                    self.found.ignore_all(&[Kind::Login], &reason);
                }
            }
        }
        federation::judge(state, explicit, rule, &mut self.found);
        let source = |found: &Credentials, kind| Some(found.get(kind)?.source.clone());
        let Some(login) = source(&self.found, Kind::Login) else { return };
        if let Some(grant) = source(&self.found, Kind::Grant) {
            let reason = format!("{grant} is used instead of the stored login");
            self.found.note(&login, Note::shadowed(&grant, reason));
        }
        if let Some(default) = source(&self.found, Kind::Profile)
            && !state.client.has(Rule::LoginBeatsDefaultProfile)
        {
            self.found.note(&login, Note::first(&default));
        }
    }

    /// In a host's session nothing counts but the environment of the process (2.1.200, 2.1.332, observed 2026-11-25). A helper
    /// that is not run there keeps `OAUTH` out anyway, unless a login goes first (2.1.332, observed 2026-11-26).
    fn host(&mut self, login_goes_first: bool) {
        if !self.state.is_of_host() {
            return;
        }
        let kinds = [Kind::Primary, Kind::Login, Kind::Grant, Kind::Profile];
        self.found.ignore_all(&kinds, HOST);
        let mut helpers = self.state.layers.iter().filter_map(|layer| layer.helper.as_ref());
        if helpers.next().is_some_and(|helper| !helper.is_empty()) && !login_goes_first {
            let reason = "in a host's session an apiKeyHelper is not run, and keeps it out";
            self.found.ignore_all(&[Kind::Oauth], reason);
        }
    }

    /// Managed settings that demand a login refuse keys of variables and helpers; HEADERS and most often `primaryApiKey`
    /// pass. The method `gateway` refuses everything but the login of a gateway. A login is looked up online, so cck cannot
    /// tell whether it belongs to the organization (2.1.76 to 2.1.332, observed 2026-11-25).
    fn refuse(&mut self) {
        let (state, found) = (self.state, &self.found);
        let has = |rule| state.client.has(rule);
        let mut managed = state.layers.iter().filter(|layer| layer.layer.is_managed());
        let method = state.forced_method();
        let gateway = method == Some("gateway");
        // Through a socket, whose other end decides, everything else passes (2.1.146 to 2.1.332, observed 2026-11-26).
        let is_of_host =
            state.variables.starts_on(names::MANAGED_BY_HOST) && has(Rule::HostIsRefusedNothing);
        // With the login of a gateway everything does (2.1.200, 2.1.332, observed 2026-11-26).
        let refuses_all =
            gateway && has(Rule::ForcedGatewayRefusesAll) && !found.has(Kind::Gateway);
        if is_of_host || state.variables.has_socket() && !refuses_all {
            return;
        }
        // There keys pass (2.1.146 to 2.1.332, observed 2026-11-26).
        let in_session = self.prefers_login().is_some();
        let method = method.filter(|_| !gateway || has(Rule::ForcedGatewayIsKnown));
        let organizations = managed.find_map(|layer| layer.organizations);
        let by = if method.is_some() { "forceLoginMethod" } else { "forceLoginOrgUUID" };
        let has_helper =
            |layer: &&Settings| layer.helper.as_ref().is_some_and(|helper| !helper.is_empty());
        let first = |kinds: &[Kind]| {
            kinds.iter().find_map(|kind| found.get(*kind)).map(|found| found.source.clone())
        };
        // SIMPLE keeps helpers out, yet they are refused.
        let simple_helper = || state.layers.iter().find(has_helper).filter(|_| state.is_simple());
        let keys = first(&[Kind::Key, Kind::Token, Kind::Helper])
            .or_else(|| simple_helper().map(|layer| Source::Helper(layer.layer)));
        let (primary, logins) = (first(&[Kind::Primary]), first(&[Kind::Oauth, Kind::Login]));
        let forced = method.is_some() || organizations.is_some();
        let mut checked = false;
        // Beside the login of a gateway, keys alone are refused (2.1.332, observed 2026-11-26).
        let has_login = found.has(Kind::Gateway);
        let refused = if gateway && has(Rule::ForcedGatewayRefusesAll) {
            let headers = state.variables.effective(names::HEADERS);
            let others = logins.or(headers.map(|place| place.source.clone()));
            keys.or(primary).or(others.filter(|_| !has_login))
        } else if keys.is_some() && !in_session {
            keys.filter(|_| forced && has(Rule::ForcedLoginRefusesKeys))
        } else if found.has(Kind::Gateway) {
            // Beside it logins pass, and `primaryApiKey` does not (2.1.195 to 2.1.294, observed 2026-11-26).
            let passed_over = || found.passed_over[1].as_ref().map(|found| found.source.clone());
            primary.or_else(passed_over).filter(|_| forced && !state.is_simple())
        } else if organizations == Some(0) && has(Rule::EmptyOrganizationsStop) {
            keys.or(primary).or(logins)
        } else if organizations.is_some() && has(Rule::OrganizationIsChecked) {
            checked = true;
            logins
        } else {
            None
        };
        self.found.refusal = refused.map(|source| {
            let reason = if checked {
                format!("{by} in managed settings has {source} checked online, which cck cannot do")
            } else {
                format!("{by} in managed settings refuses {source}")
            };
            Stop { code: "forced-login", reason, source: Some(source) }
        });
    }

    /// With CLAUDE_CODE_SIMPLE on, nothing counts but the two variables, custom headers and the helper of `--settings`
    /// (2.1.330, observed 2026-11; 2.1.332, observed 2026-11-25).
    fn simple(&mut self) {
        if !self.state.is_simple() {
            return;
        }
        if !self.key_is_variable() {
            self.found.ignore_all(&[Kind::Key], SIMPLE);
        }
        let kinds = [Kind::Oauth, Kind::Login, Kind::Primary, Kind::Grant, Kind::Profile];
        self.found.ignore_all(&kinds, SIMPLE);
    }
}

/// Why only some sources count with CLAUDE_CODE_SIMPLE.
const SIMPLE: &str = "CLAUDE_CODE_SIMPLE is on: only ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, custom headers and the \
                      helper of --settings count";

/// Why no profile and no federation counts in some sessions.
const SESSION: &str = "in a cloud session, the desktop app and a local agent it does not count";

/// Why a profile or federation of managed settings does not count.
const TOO_LATE: &str = "on the default host, managed settings come too late to have it used";

/// Why only some sources count in a host's session.
const HOST: &str = "in a host's session only the environment of the process counts";
