//! Judges the state: which credential the client sends, on which header, in which mode, and why the others are not
//! sent. Pure. Each rule cites the versions it was observed on; `docs/claude-code.md` and `tests/data/truth` hold the
//! observations.

use super::Client;
use super::decision::{Decision, Dialog, Header, Mode, Outcome, Provider, Standing};
use super::federation::Grant;
use super::headers::{self, Custom};
use super::offers::{self, Asks, Ledger, Offers};
use super::reason;
use super::settings::{self, names};
use super::source::{Layer, Origin, Source};
use super::state::{HelperRun, Reading, Scopes, Secret, State};
use super::version::since;
use crate::command::Ended;

/// Judges the state in both modes.
pub fn resolve(state: &State) -> Decision {
    let (print, print_ledger) = judge(state, Mode::Print);
    let (interactive, interactive_ledger) = judge(state, Mode::Interactive);
    Decision {
        candidates: reason::candidates(state, &print_ledger, &interactive_ledger),
        print,
        interactive,
    }
}

/// The client's answer in one mode, and what became of every source.
fn judge(state: &State, mode: Mode) -> (Outcome, Ledger) {
    let mut ledger = Ledger::default();
    let mut outcome = Outcome {
        provider: provider(state),
        x_api_key: Header::Absent,
        authorization: Header::Absent,
        sends: false,
        dialogs: Vec::new(),
    };
    if let Some(stop) = stop(state, mode, &outcome) {
        outcome.dialogs = stop.dialogs;
        ledger.ignore_all(state, &stop.reason);
        return (outcome, ledger);
    }
    if mode == Mode::Interactive && has_settings_error(state) {
        outcome.dialogs.push(Dialog::InvalidSettings);
    }
    let mut asks = Asks::default();
    let offers = offers::sort_out(state, mode, &mut ledger, &mut asks);
    outcome.dialogs.append(&mut asks.dialogs);
    let custom = settings::effective(state, names::HEADERS);
    let headers = custom
        .as_ref()
        .map(|setting| headers::parse(state.client, setting.value.reveal()))
        .unwrap_or_default();
    let custom = custom.map(|setting| setting.source);
    let failure = if asks.stumbles {
        Some("the client stumbles over customApiKeyResponses".to_owned())
    } else if state.client < since::V1 {
        headers_v0_2(&offers, &headers, custom.as_ref(), &mut outcome);
        None
    } else {
        headers_of(state, &offers, &headers, custom.as_ref(), &mut outcome)
    };
    outcome.sends = failure.is_none() && sends(state.client, &offers, &outcome);
    let failure = failure.or_else(|| unsendable(state, mode, &offers, &headers, &outcome));
    reason::mark(state, &offers, custom.as_ref(), &headers, &outcome, &mut ledger);
    if let Some(failure) = failure {
        outcome.sends = false;
        ledger.nothing_sent(&failure);
    } else if !outcome.sends {
        ledger.nothing_sent("this client sends nothing with it alone");
        if mode == Mode::Interactive {
            outcome.dialogs.push(Dialog::Login);
        }
    }
    if !outcome.sends {
        outcome.x_api_key = Header::Absent;
        outcome.authorization = Header::Absent;
    }
    (outcome, ledger)
}

/// What keeps the client from sending, and what it asks.
struct Stop {
    dialogs: Vec<Dialog>,
    reason: String,
}

/// What keeps the client from sending anything, whatever credentials there are.
fn stop(state: &State, mode: Mode, outcome: &Outcome) -> Option<Stop> {
    let stop = |dialog: Option<Dialog>, reason: &str| {
        Some(Stop {
            dialogs: dialog.into_iter().filter(|_| mode == Mode::Interactive).collect(),
            reason: reason.to_owned(),
        })
    };
    // 2.1.330; 2.0.77 ignores the file (observed 2026-11).
    let managed_is_refused = state.settings_files.iter().any(|(layer, file)| {
        *layer == Layer::Managed && matches!(file.reading, Reading::Malformed(_) | Reading::Invalid(_))
    });
    if managed_is_refused && state.client >= since::STRICT_MANAGED {
        return stop(
            None,
            "the client refuses to start with malformed managed settings",
        );
    }
    let client = state.client;
    let config_is_refused = match state.config_file.reading {
        Reading::Malformed(_) | Reading::TooLarge(_) => true,
        // 2.1.330 takes a directory for an empty config, 2.0.77 stops (observed 2026-11). A FIFO would be waited for.
        Reading::NotAFile(kind) => client < since::CONFIG_DIRECTORY || kind != "a directory",
        // 2.0.77 sends nothing with a config of 0 bytes or blanks, 2.1.330 starts with defaults (observed 2026-11).
        Reading::Empty => client < since::EMPTY_CONFIG,
        Reading::Invalid(_) | Reading::Unreadable(_) | Reading::Missing | Reading::Read => false,
    };
    if config_is_refused {
        return stop(
            Some(Dialog::InvalidConfig),
            "the client cannot use its config, and stops",
        );
    }
    // 2.1.330, observed 2026-11. It needs the network to go on.
    if mode == Mode::Interactive && !state.config.onboarded {
        let reason = "onboarding is not complete, so the client stops at its first questions";
        return stop(Some(Dialog::Onboarding), reason);
    }
    // 2.0.77's default answer is to exit; it asks about a key before (observed 2026-11-24).
    if mode == Mode::Interactive && client < since::SETTINGS_ERROR_GOES_ON && has_settings_error(state) {
        let mut dialogs = asks(state, mode);
        dialogs.push(Dialog::InvalidSettings);
        return Some(Stop {
            dialogs,
            reason: "the client asks what to do about a settings file, and its default answer is to exit"
                .into(),
        });
    }
    if outcome.provider != Provider::Anthropic {
        let switch = Provider::SWITCHES
            .iter()
            .find(|(other, _)| *other == outcome.provider);
        let name = switch.map_or("another provider", |(_, name)| name);
        // 2.0.77 asks about an unapproved key all the same, 2.1.330 does not (observed 2026-11).
        let dialog = asks(state, mode)
            .first()
            .copied()
            .filter(|_| client < since::PROVIDER_ASKS_NOTHING);
        return stop(
            dialog,
            &format!("{name} is on, and the client sends nothing to Anthropic"),
        );
    }
    None
}

/// What the client asks about the sources.
fn asks(state: &State, mode: Mode) -> Vec<Dialog> {
    let mut asks = Asks::default();
    offers::sort_out(state, mode, &mut Ledger::default(), &mut asks);
    asks.dialogs
}

/// Whether the interactive client shows its "Settings Error": a file of user, project or local settings is there and not
/// taken; 0 bytes are no error (2.0.77, 2.1.330, observed 2026-11).
fn has_settings_error(state: &State) -> bool {
    state.settings_files.iter().any(|(layer, file)| {
        *layer != Layer::Managed
            && match file.reading {
                Reading::Malformed(_) | Reading::Invalid(_) => true,
                Reading::NotAFile(_) => state.client >= since::SETTINGS_DIRECTORY_IS_ERROR,
                _ => false,
            }
    })
}

/// The header that a helper gives.
fn helper_header(state: &State, layer: Layer) -> Header {
    let source = Source::Helper(layer);
    match helper_failure(state) {
        Some(_) => Header::Invalid(source),
        None => Header::From(source),
    }
}

/// The two headers, decided separately (1.0.128, 2.0.77, 2.1.330, observed 2026-11). Returns what keeps the client from
/// sending at all.
fn headers_of(
    state: &State,
    offers: &Offers<'_>,
    custom: &Custom<'_>,
    custom_source: Option<&Source>,
    outcome: &mut Outcome,
) -> Option<String> {
    let custom_header = |value| custom_header(value, custom_source);
    let helper = offers.helper.map(|layer| helper_header(state, layer));
    let token = offers.token.as_ref().map(variable_header);
    let decided = token.is_some() || helper.is_some();

    // `primaryApiKey` goes before federation and profiles, also where those have taken a login out of use.
    let grant = |grant: &Option<Grant>| grant.clone().filter(|_| !offers.primary);
    let (oauth, failure) = if decided || offers.key.is_some() {
        (None, None)
    } else if let Some(source) = &offers.oauth {
        (Some((source.clone(), false)), None)
    } else if let Some(grant) = grant(&offers.grant) {
        (Some((grant.source, true)), grant.failure)
    } else if offers.login {
        let odd = state
            .login
            .as_ref()
            .is_some_and(|login| login.scopes == Scopes::Odd);
        let failure = odd.then(|| "the client stumbles over the scopes of the stored login".to_owned());
        (Some((Source::Login, false)), failure)
    } else if let Some(grant) = grant(&offers.default_profile) {
        (Some((grant.source, true)), grant.failure)
    } else {
        (None, None)
    };
    if failure.is_some() {
        return failure;
    }
    let oauth_in_use = oauth.is_some();
    let is_granted = oauth.as_ref().is_some_and(|(_, granted)| *granted);
    let blank_login = |source: &Source| {
        *source == Source::Login
            && state
                .login
                .as_ref()
                .is_some_and(|login| settings::js_trim(login.token.reveal()).is_empty())
    };
    let blank_variable = |source: &Source| {
        reason::secret(state, source).is_some_and(|secret| settings::js_trim(secret.reveal()).is_empty())
    };
    let oauth = oauth.map(|(source, _)| {
        // A blank login is sent as nothing by all, a blank variable before 2.1.212 (2.0.77, 2.1.211, observed 2026-11-24).
        if blank_login(&source) || blank_variable(&source) {
            Header::Invalid(source)
        } else {
            Header::From(source)
        }
    });
    // What federation or a profile gives is not replaced (2.1.118, 2.1.331, observed 2026-11-24).
    let replacement = custom_header(custom.authorization).filter(|_| !is_granted);
    outcome.authorization = token
        .or_else(|| helper.clone())
        .or(replacement)
        .or(oauth)
        .unwrap_or_default();
    let own_key = offers
        .key
        .clone()
        .map(Header::From)
        .or(helper)
        .or_else(|| (offers.primary && !oauth_in_use).then_some(Header::From(Source::PrimaryKey)));
    outcome.x_api_key = custom_header(custom.x_api_key)
        .or(own_key.filter(|_| !offers.gateway))
        .unwrap_or_default();

    // A token that is set to nothing is sent as an empty Bearer where no other is (1.0.128, 2.0.77; not 2.1.330; observed
    // 2026-11).
    if state.client < since::EMPTY_TOKEN_IS_UNSET
        && outcome.authorization == Header::Absent
        && let Some(setting) = settings::settings_of(state, names::TOKEN).into_iter().next()
    {
        outcome.authorization = Header::Invalid(setting.source);
    }
    None
}

/// The header that a line of ANTHROPIC_CUSTOM_HEADERS gives.
fn custom_header(value: Option<&str>, source: Option<&Source>) -> Option<Header> {
    let source = source?.clone();
    value.map(|value| {
        if value.is_empty() {
            Header::Invalid(source)
        } else {
            Header::From(source)
        }
    })
}

/// The header that a variable gives. Blanks count as set before 2.1.330, and are sent as nothing (0.2.109, 1.0.128, 2.0.77,
/// observed 2026-11-24).
fn variable_header(setting: &settings::Setting<'_>) -> Header {
    let source = setting.source.clone();
    if settings::js_trim(setting.value.reveal()).is_empty() {
        Header::Invalid(source)
    } else {
        Header::From(source)
    }
}

/// 0.2.109, observed 2026-11: a stored login beats everything, even ANTHROPIC_API_KEY, but no custom header.
fn headers_v0_2(
    offers: &Offers<'_>,
    custom: &Custom<'_>,
    custom_source: Option<&Source>,
    outcome: &mut Outcome,
) {
    let own_key = offers
        .key
        .clone()
        .or(offers.primary.then_some(Source::PrimaryKey));
    let token = offers.token.as_ref().map(variable_header);
    let authorization = custom_header(custom.authorization, custom_source);
    let x_api_key = custom_header(custom.x_api_key, custom_source);
    outcome.authorization = if offers.login {
        authorization.unwrap_or(Header::From(Source::Login))
    } else {
        token.or(authorization).unwrap_or_default()
    };
    outcome.x_api_key = x_api_key
        .or(own_key.filter(|_| !offers.login).map(Header::From))
        .unwrap_or_default();
}

/// Whether a request is sent with these headers.
fn sends(client: Client, offers: &Offers<'_>, outcome: &Outcome) -> bool {
    // Before 2.0.77 custom headers suffice to none (0.2.109, 1.0.128, observed 2026-11-24).
    let has_own = offers.token.is_some()
        || offers.key.is_some()
        || offers.helper.is_some()
        || offers.oauth.is_some()
        || offers.login
        || offers.primary;
    if client < since::HEADERS_SUFFICE && !has_own {
        return false;
    }
    let headers = [&outcome.x_api_key, &outcome.authorization];
    let a_credential = headers.iter().any(|header| header.source().is_some());
    // A helper that fails, a login of blanks or a token set to nothing is sent as an empty Bearer (2.0.77, 2.1.330); 1.0.128
    // has then nothing to send with. An empty custom header suffices to none (2.0.77, 2.1.330; observed 2026-11).
    let invalid = headers.iter().any(|header| match header {
        Header::Invalid(Source::Variable(_, name)) => name != names::HEADERS,
        Header::Invalid(Source::Helper(_)) => client >= since::FAILED_HELPER_IS_SENT,
        Header::Invalid(_) => true,
        _ => false,
    });
    a_credential
        || (invalid && client >= since::FAILED_HELPER_IS_SENT)
        || (invalid && outcome.authorization == Header::Invalid(Source::Login))
}

/// Why a request with these headers cannot be sent.
fn unsendable(
    state: &State,
    mode: Mode,
    offers: &Offers<'_>,
    custom: &Custom<'_>,
    outcome: &Outcome,
) -> Option<String> {
    if !outcome.sends {
        return None;
    }
    // 2.1.330, interactive, observed 2026-11: it comes to its prompt and sends nothing.
    let odd = state.config.odd_primary.filter(|odd| odd.truthy);
    if let Some(odd) = odd
        && mode == Mode::Interactive
        && state.client >= since::ODD_PRIMARY_STOPS
        && offers.key.is_none()
        && offers.helper.is_none()
    {
        return Some(format!(
            "the client stumbles over primaryApiKey, which is {}",
            odd.kind
        ));
    }
    // Such a value stayed what it was in the environment, and the client took it for text (2.1.113, 2.1.205, observed
    // 2026-11-24).
    let stumbles = |name: &&str| {
        state.config.odd_env.iter().any(|odd| odd == name)
            && settings::effective(state, name).is_some_and(|setting| {
                setting.source == Source::Variable(Origin::Config, (**name).to_owned())
            })
    };
    if (since::CONFIG_ENV_NULL_UNSETS..since::CONFIG_ENV_ODD_IS_TEXT).contains(&state.client)
        && let Some(name) = [names::KEY, names::TOKEN].iter().find(|name| stumbles(name))
    {
        return Some(format!(
            "the client stumbles over {name} in the config, which is no text"
        ));
    }
    // 2.1.330 stops at every bad name, 2.0.77 skips an empty one (observed 2026-11).
    if custom.has_bad_name || (custom.has_empty_name && state.client >= since::EMPTY_NAME_STOPS) {
        return Some("ANTHROPIC_CUSTOM_HEADERS has a name that no header can have".into());
    }
    if custom
        .others
        .iter()
        .any(|value| !value.is_empty() && !fits_header(state.client, value))
    {
        return Some("ANTHROPIC_CUSTOM_HEADERS has a value that no header can have".into());
    }
    for header in [&outcome.x_api_key, &outcome.authorization] {
        // Before 2.1.330, output that could not be read as a key was no empty one (1.0.128, 2.0.77, observed 2026-11).
        if let Header::Invalid(Source::Helper(_)) = header
            && state.client < since::HELPER_MUST_BE_KEY
            && let HelperRun::Failed(ended) = &state.helper
            && !matches!(ended, Ended::Code(_) | Ended::Signal(_))
        {
            return Some(format!("the helper {ended}"));
        }
        if let Some(source) = header.source()
            && let Some(secret) = reason::secret(state, source)
            && !fits_header(state.client, trimmed(state.client, source, secret.reveal()))
        {
            return Some(format!(
                "the value of {source} has a character that no header can hold"
            ));
        }
    }
    None
}

/// The value as it is put into a header: newer clients trim the variables as JavaScript does, older ones and all other
/// sources leave it to HTTP, for which blanks are ASCII (2.0.77, 2.1.211, 2.1.212, 2.1.220, 2.1.331, observed 2026-11-24).
fn trimmed<'a>(client: Client, source: &Source, value: &'a str) -> &'a str {
    let is_trimmed = match source {
        Source::Variable(_, name) if name == names::KEY || name == names::OAUTH => {
            client >= since::KEY_IS_TRIMMED
        }
        Source::Variable(_, name) if name == names::TOKEN => client >= since::BLANK_IS_UNSET,
        _ => false,
    };
    if is_trimmed {
        settings::js_trim(value)
    } else {
        value.trim_matches([' ', '\t', '\r', '\n'])
    }
}

/// Whether a header can hold the value, trimmed: no line break and nothing beyond Latin-1; before 2.1.330, whose runtime
/// is another, no control character either, nor nothing at all (2.0.77, 2.1.330, observed 2026-11).
fn fits_header(client: Client, value: &str) -> bool {
    let old = client < since::OTHER_RUNTIME;
    let fits = |c: char| {
        !matches!(c, '\r' | '\n' | '\0') && c <= '\u{ff}' && (!old || !c.is_ascii_control() || c == '\t')
    };
    value.chars().all(fits) && (!old || !value.is_empty())
}

/// How the helper failed, if it was run and did. 2.1.330 takes nothing but visible ASCII on one line; 2.0.77 takes what it
/// can send (observed 2026-11).
pub fn helper_failure(state: &State) -> Option<String> {
    let printed: &Secret = match &state.helper {
        HelperRun::NotRun => return None,
        HelperRun::Failed(ended) => return Some(ended.to_string()),
        HelperRun::Printed(printed) => printed,
    };
    let text = printed.reveal();
    if text.is_empty() {
        Some("printed nothing".into())
    } else if state.client >= since::HELPER_MUST_BE_KEY && !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("printed something other than a key alone on one line".into())
    } else {
        None
    }
}

/// The provider that the switches choose. A gateway goes before all of them (2.1.195, 2.1.331, observed 2026-11-24).
pub fn provider(state: &State) -> Provider {
    if settings::is_gateway(state) {
        return Provider::Anthropic;
    }
    Provider::SWITCHES
        .into_iter()
        .filter(|(provider, _)| provider.is_known(state.client))
        .find(|(_, switch)| settings::is_on(state, switch))
        .map_or(Provider::Anthropic, |(provider, _)| provider)
}

impl Ledger {
    /// Notes of every source that is there that it is ignored.
    fn ignore_all(&mut self, state: &State, reason: &str) {
        for (source, there) in reason::sources(state) {
            if there {
                self.mark(&source, Standing::Ignored, reason);
            }
        }
    }
}
