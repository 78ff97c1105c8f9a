//! The two headers, from the credentials that count and from `ANTHROPIC_CUSTOM_HEADERS`, with the exact values that will be
//! sent. Pure.

use std::time::Duration;

use super::{
    Client, Credential, Credentials, Header, HelperRun, Json, Kind, Mode, Origin, Outcome, Race,
    Rule, Secret, Source, State, destination, js_trim, names, settings, variables::is_trimmed,
};
use crate::key::command::Ended;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Custom<'a> {
    /// The value of the last such line.
    pub x_api_key: Option<&'a str>,
    pub authorization: Option<&'a str>,
    /// Why the client sends nothing with them.
    pub fault: Option<&'static str>,
}

/// Reads the text of the variable as `client` does: lines are trimmed, names compared without case, a line without a colon
/// is skipped, the last of duplicates counts (2.0.77, 2.1.330, observed 2026-11).
pub fn parse(client: Client, text: &str) -> Custom<'_> {
    let skips_breaks = !client.has(Rule::BreaksInHeadersStop);
    let has_break = |text: &str| text.contains(['\r', '\u{2028}', '\u{2029}']);
    let mut custom = Custom::default();
    for line in text.split('\n') {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        // 2.1.330 stops at every bad name, 2.0.77 skips an empty one (observed 2026-11).
        if skips_breaks && (has_break(name) || has_break(value))
            || name.is_empty() && !client.has(Rule::EmptyHeaderNameStops)
        {
            continue;
        }
        if name.is_empty() || !name.bytes().all(is_of_name) {
            custom.fault = Some("ANTHROPIC_CUSTOM_HEADERS has a name that no header can have");
        } else if name.eq_ignore_ascii_case("x-api-key") {
            custom.x_api_key = Some(value);
        } else if name.eq_ignore_ascii_case("authorization") {
            custom.authorization = Some(value);
        } else if !value.is_empty() && !fits_header(client, value) {
            let fault = "ANTHROPIC_CUSTOM_HEADERS has a value that no header can have";
            custom.fault.get_or_insert(fault);
        }
    }
    custom
}

/// What RFC 9110 allows in a header's name.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Decides the two headers, separately, and whether a request is sent with them (1.0.128, 2.0.77, 2.1.330, observed
/// 2026-11). Returns what keeps the client from sending.
pub(crate) fn decide(
    state: &State,
    mode: Mode,
    found: &Credentials,
    outcome: &mut Outcome,
) -> Option<String> {
    let place = state.variables.effective(names::HEADERS);
    let custom = place.map_or_else(Custom::default, |it| parse(state.client, it.value.reveal()));
    // What a line gives, with its value as it stands.
    let header = |value: Option<&str>| {
        let (source, value) = (place?.source.clone(), value?);
        let secret = (!value.is_empty()).then(|| Secret::new(value.to_owned()));
        Some(secret.map_or(Header::Invalid(source.clone()), |it| Header::From(source, Some(it))))
    };
    let (x_api_key, authorization) = (header(custom.x_api_key), header(custom.authorization));
    Request { state, mode, found, x_api_key, authorization, fault: custom.fault }.decide(outcome)
}

struct Request<'a> {
    state: &'a State,
    mode: Mode,
    found: &'a Credentials,
    /// Those of ANTHROPIC_CUSTOM_HEADERS, and why nothing is sent with them.
    x_api_key: Option<Header>,
    authorization: Option<Header>,
    fault: Option<&'static str>,
}

impl Request<'_> {
    fn decide(&self, outcome: &mut Outcome) -> Option<String> {
        let Request { state, found, .. } = *self;
        outcome.race = self.race();
        if found.fails {
            return Some("the client fails on customApiKeyResponses".to_owned());
        }
        if let Some(login) = found.get(Kind::Gateway) {
            if let Some(failure) = &login.failure {
                return Some(failure.clone());
            }
            // Of custom headers only x-api-key goes along (2.1.332, observed 2026-11-25).
            outcome.authorization = header(state, login, bearer);
            outcome.x_api_key = self.x_api_key.clone().unwrap_or_default();
            outcome.sends = true;
            return None;
        }
        let failure = if state.client.is_v0() {
            self.of_v0(outcome);
            None
        } else {
            self.of_v1(outcome)
        };
        outcome.sends = failure.is_none() && self.is_enough(outcome);
        let failure = failure.or_else(|| self.unsendable(outcome));
        if outcome.sends
            && outcome.authorization == Header::Absent
            && state.client.has(Rule::UserinfoIsSent)
            && destination::has_user(state)
            && let Some(place) = state.variables.effective(names::BASE_URL)
        {
            outcome.authorization = Header::Invalid(place.source.clone());
        }
        failure
    }

    fn of_v1(&self, outcome: &mut Outcome) -> Option<String> {
        let Request { state, found, .. } = *self;
        let oauth = self.oauth();
        if let Some(failure) = oauth.and_then(|oauth| oauth.failure.clone()) {
            return Some(failure);
        }
        let as_bearer = |credential: &Credential| header(state, credential, bearer);
        let [token, helper, oauth_header] =
            [found.get(Kind::Token), found.get(Kind::Helper), oauth].map(|own| own.map(as_bearer));
        // What federation or a profile gives is not replaced (2.1.118, 2.1.331, observed 2026-11-24).
        let is_granted =
            oauth.is_some_and(|oauth| matches!(oauth.source.kind(), Kind::Grant | Kind::Profile));
        let replacement = self.authorization.clone().filter(|_| !is_granted);
        if oauth.is_some()
            && replacement.is_none()
            && let Some(failure) = destination::login_fails_beside_helper(state)
        {
            return Some(failure);
        }
        let hidden_oauth = oauth_header.clone().filter(|_| replacement.is_some());
        outcome.authorization =
            token.or(helper).or(replacement).or(oauth_header).unwrap_or_default();

        let as_key = |credential: &Credential| header(state, credential, str::to_owned);
        // A helper that is too late leaves the header out, and nothing takes its place.
        let is_late = outcome.race.as_ref().is_some_and(|race| race.is_late);
        let of_helper = |helper| if is_late { Header::Absent } else { as_key(helper) };
        let primary = found.get(Kind::Primary).filter(|_| oauth.is_none());
        let own_key = found.get(Kind::Key).map(as_key);
        let own_key = own_key.or_else(|| found.get(Kind::Helper).map(of_helper));
        let own_key =
            own_key.or_else(|| primary.map(as_key)).filter(|_| !state.variables.is_gateway());
        // What a custom header replaces is made into a header anyway, or cannot be (2.0.77, 2.1.331, observed 2026-11-24).
        let hidden_key = own_key.as_ref().filter(|_| self.x_api_key.is_some());
        let mut hidden = hidden_key.into_iter().chain(&hidden_oauth);
        if let Some(failure) = hidden.find_map(|header| unfit(state, header)) {
            return Some(failure);
        }
        outcome.x_api_key = self.x_api_key.clone().or(own_key).unwrap_or_default();

        // A token that is set to nothing is sent as an empty Bearer where no other is (1.0.128, 2.0.77; not 2.1.330; observed
        // 2026-11).
        if !state.client.has(Rule::EmptyTokenIsUnset)
            && outcome.authorization == Header::Absent
            && let Some(place) = state.variables.read(names::TOKEN).next()
        {
            outcome.authorization = Header::Invalid(place.source.clone());
        }
        None
    }

    /// The helper that races a TOKEN: the first message does not wait for it then, and its output makes `x-api-key` only if it
    /// ended before (2.1.77 to 2.1.332, observed 2026-11-25 and 26). In the terminal that of a project is started with that
    /// message, if the client had to ask whether to trust the folder (2.1.332, observed 2026-11-26).
    fn race(&self) -> Option<Race> {
        let Request { state, mode, found, .. } = *self;
        if !state.client.has(Rule::HelperRacesToken) || found.has(Kind::Key) {
            return None;
        }
        let source = |kind| Some(found.get(kind)?.source.clone());
        let (helper, token) = source(Kind::Helper).zip(source(Kind::Token))?;
        let is_after_dialog = mode == Mode::Interactive
            && settings::helper(state).is_some_and(|(layer, _)| layer.is_of_project())
            && !state.config.trusted;
        let is_slow = state.helper.as_ref().is_some_and(|run| run.took > in_time(mode));
        Some(Race { helper, token, is_after_dialog, is_late: is_after_dialog || is_slow })
    }

    /// The OAuth token in use. `primaryApiKey` goes before federation and profiles, also where those have taken a login out
    /// of use.
    fn oauth(&self) -> Option<&Credential> {
        let found = self.found;
        if [Kind::Token, Kind::Helper, Kind::Key].into_iter().any(|kind| found.has(kind)) {
            return None;
        }
        let kinds = [Kind::Oauth, Kind::Grant, Kind::Login, Kind::Profile];
        let counts =
            |kind: &Kind| !matches!(kind, Kind::Grant | Kind::Profile) || !found.has(Kind::Primary);
        kinds.into_iter().filter(counts).find_map(|kind| found.get(kind))
    }

    /// 0.2.109, observed 2026-11: a stored login beats everything, even ANTHROPIC_API_KEY, but no custom header.
    fn of_v0(&self, outcome: &mut Outcome) {
        let Request { state, found, .. } = *self;
        let login = found.get(Kind::Login);
        let key = found.get(Kind::Key).or(found.get(Kind::Primary)).filter(|_| login.is_none());
        let token = found.get(Kind::Token).map(|token| header(state, token, bearer));
        let authorization = self.authorization.clone();
        outcome.authorization = match login {
            Some(login) => authorization.unwrap_or_else(|| from(state, login, bearer)),
            None => token.or(authorization).unwrap_or_default(),
        };
        let key = key.map(|key| from(state, key, str::to_owned));
        outcome.x_api_key = self.x_api_key.clone().or(key).unwrap_or_default();
    }

    fn is_enough(&self, outcome: &Outcome) -> bool {
        let Request { state: State { client, .. }, found, .. } = *self;
        let newer = client.has(Rule::HeadersSuffice);
        // Before 2.0.45 custom headers suffice to none (0.2.109, 1.0.128, observed 2026-11-24).
        let has_own =
            found.all.iter().any(|own| own.counts() && own.source.kind() != Kind::Headers);
        // With a blank key they sent nothing but a token; later ones send a helper's output too (1.0.128, 2.0.22, 2.0.60).
        let has_blank_key =
            matches!(&outcome.x_api_key, Header::Invalid(source) if source.is_variable(names::KEY));
        if !newer && (!has_own || has_blank_key && !found.has(Kind::Token)) {
            return false;
        }
        // A helper that fails, a login of blanks or a token set to nothing is sent as an empty Bearer (2.0.77, 2.1.330); 1.0.128
        // has then nothing to send with. An empty custom header suffices to none (2.0.77, 2.1.330; observed 2026-11).
        let suffices = |header: &Header| match header {
            Header::Absent => false,
            Header::From(..) => true,
            Header::Invalid(Source::Variable(_, name)) => {
                newer && name != names::HEADERS && name != names::KEY
            }
            Header::Invalid(_) => newer,
        };
        let is_blank_login =
            matches!(outcome.authorization, Header::Invalid(Source::Login | Source::KeychainLogin));
        [&outcome.x_api_key, &outcome.authorization].into_iter().any(suffices) || is_blank_login
    }

    fn unsendable(&self, outcome: &Outcome) -> Option<String> {
        let Request { state, mode, found, .. } = *self;
        if !outcome.sends {
            return None;
        }
        let client = state.client;
        // 2.1.330, interactive, observed 2026-11: it comes to its prompt and sends nothing.
        if let Some(odd) = state.config.odd_primary.as_ref().map(|odd| Json(odd.reveal()))
            && odd.is_truthy()
            && mode == Mode::Interactive
            && client.has(Rule::OddPrimaryKeyStops)
            && !found.has(Kind::Key)
            && !found.has(Kind::Helper)
        {
            return Some(format!("the client fails on primaryApiKey, which is {}", odd.kind()));
        }
        // Such a value stayed what it was in the environment, and the client took it for text (2.1.113, 2.1.205, observed
        // 2026-11-24).
        let is_odd = |name: &&str| {
            let of_config = Source::Variable(Origin::Config, (*name).to_owned());
            state.config.odd_env.iter().any(|odd| odd == name)
                && state.variables.effective(name).is_some_and(|place| place.source == of_config)
        };
        if client.has(Rule::OddConfigVariableStops)
            && let Some(name) = [names::KEY, names::TOKEN].into_iter().find(is_odd)
        {
            return Some(format!("the client fails on {name} in the config, which is not text"));
        }
        if let Some(fault) = self.fault {
            return Some(fault.to_owned());
        }
        [&outcome.x_api_key, &outcome.authorization].into_iter().find_map(|header| {
            // Before 2.1.227, output that could not be read as a key did not count as empty (1.0.128, 2.0.77, observed 2026-11).
            if let Header::Invalid(Source::Helper(_)) = header
                && !client.has(Rule::HelperMustPrintOneKey)
                && let Some(HelperRun { printed: Err(ended), .. }) = &state.helper
                && !matches!(ended, Ended::Code(_) | Ended::Signal(_))
            {
                return Some(format!("the helper {ended}"));
            }
            unfit(state, header)
        })
    }
}

/// The header of a credential: without a value, where it holds nothing that can be one.
fn header(state: &State, credential: &Credential, make: fn(&str) -> String) -> Header {
    let is_nothing = match (&credential.source, credential.sent()) {
        (Source::Helper(_), _) => helper_failure(state).is_some(),
        // A blank login is sent as nothing by all, a blank variable before 2.1.212, where it is a key or token anyway
        // (1.0.128, 2.0.77, 2.1.200, 2.1.211, observed 2026-11-24).
        (_, Some(secret)) => js_trim(secret.reveal()).is_empty(),
        (_, None) => false,
    };
    if is_nothing {
        Header::Invalid(credential.source.clone())
    } else {
        from(state, credential, make)
    }
}

/// The header of a credential, blank or not.
fn from(state: &State, credential: &Credential, make: fn(&str) -> String) -> Header {
    let source = credential.source.clone();
    let value =
        credential.sent().map(|secret| make(trimmed(state.client, &source, secret.reveal())));
    Header::From(source, value.map(Secret::new))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A helper that takes longer than this beside a TOKEN is too late: for print 0.1 s usually is in time, 0.2 s is not; in the
/// terminal, which starts it before anyone can type, most of a second or two (2.1.332, observed 2026-11-25 and 26).
pub(crate) fn in_time(mode: Mode) -> Duration {
    Duration::from_millis(if mode == Mode::Print { 150 } else { 1500 })
}

/// Why no header can hold the value, if none can.
pub(super) fn unfit(state: &State, header: &Header) -> Option<String> {
    let Header::From(source, Some(value)) = header else { return None };
    let value = value.reveal();
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    let is_line = source.is_variable(names::HEADERS);
    let fits = value.is_ascii() || is_line || !state.client.has(Rule::CredentialsMustBeAscii);
    (!fits || !fits_header(state.client, value))
        .then(|| format!("the value of {source} has a character that no header can hold"))
}

/// The value as it is put into a header: newer clients trim the variables as JavaScript does, older ones and all other
/// sources leave it to HTTP, for which blanks are ASCII (2.0.77, 2.1.211, 2.1.212, 2.1.220, 2.1.331, observed 2026-11-24).
fn trimmed<'a>(client: Client, source: &Source, value: &'a str) -> &'a str {
    let is_trimmed = match source {
        Source::Variable(_, name) => {
            [names::KEY, names::TOKEN, names::OAUTH].contains(&&**name) && is_trimmed(client, name)
        }
        source => *source == Source::KeychainKey,
    };
    if is_trimmed { js_trim(value) } else { value.trim_matches([' ', '\t', '\r', '\n']) }
}

/// Whether a header can hold the value, trimmed: no line break and nothing beyond Latin-1; with the older runtime no
/// control character either, nor nothing at all (2.0.77, 2.1.330, observed 2026-11).
fn fits_header(client: Client, value: &str) -> bool {
    let old = !client.has(Rule::RuntimeIsAnother);
    let fits = |c: char| {
        !matches!(c, '\r' | '\n' | '\0')
            && c <= '\u{ff}'
            && (!old || !c.is_ascii_control() || c == '\t')
    };
    value.chars().all(fits) && (!old || !value.is_empty())
}

/// The most that newer clients take of a helper's output, in bytes (16,384 were taken, 20,000 not; 2.1.332, observed
/// 2026-11-25).
const MAX_HELPER_OUTPUT: usize = 16_384;

/// How the helper failed, if it was run and did. 2.1.330 takes nothing but visible ASCII on one line; 2.0.77 takes what it
/// can send (observed 2026-11).
pub(crate) fn helper_failure(state: &State) -> Option<String> {
    let printed = match &state.helper.as_ref()?.printed {
        Ok(printed) => printed.reveal(),
        Err(ended) => return Some(ended.to_string()),
    };
    if printed.is_empty() {
        Some("printed nothing".into())
    } else if !state.client.has(Rule::HelperMustPrintOneKey) {
        None
    } else if !printed.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("printed something other than a key alone on one line".into())
    } else if printed.len() > MAX_HELPER_OUTPUT {
        Some(format!("printed {} bytes, more than the client takes", printed.len()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Custom<'_> {
        super::parse(Client::V2, text)
    }

    #[test]
    fn credentials_are_found_among_other_headers() {
        let found = parse(
            "X-Team: a\nX-Api-Key: sk-1\r\nx-api-key: sk-2\nauthorization:Bearer t\nnonsense",
        );
        let expected = Custom {
            x_api_key: Some("sk-2"),
            authorization: Some("Bearer t"),
            ..Custom::default()
        };
        assert_eq!(found, expected);
        assert_eq!(parse(""), Custom::default());
        assert_eq!(parse("x-api-key:").x_api_key, Some(""));
        for (version, key) in [("2.1.87", None), ("2.1.88", Some("k\rX: b"))] {
            let custom = super::parse(version.parse().unwrap(), "x-api-key: k\rX: b");
            assert_eq!(custom.x_api_key, key, "{version}");
        }
        let fault = |version: &str, text| super::parse(version.parse().unwrap(), text).fault;
        for (text, old, new) in [
            (": x", None, Some("name")),
            ("x y: z\nX: 键", Some("name"), Some("name")),
            ("X: 键", Some("value"), Some("value")),
            ("X:\nx-api-key: 键", None, None),
        ] {
            let part =
                |part| format!("ANTHROPIC_CUSTOM_HEADERS has a {part} that no header can have");
            assert_eq!(fault("2.0.77", text), old.map(part).as_deref(), "{text}");
            assert_eq!(fault("2.1.330", text), new.map(part).as_deref(), "{text}");
        }
    }

    #[test]
    fn what_a_header_can_hold_depends_on_the_runtime() {
        let fits = |value| {
            [Client::at(2, 0, 77), Client::at(2, 1, 330)].map(|client| fits_header(client, value))
        };
        assert_eq!(fits("sk-ant é"), [true, true]);
        for value in ["键", "a\nb", "a\rb", "a\0b"] {
            assert_eq!(fits(value), [false, false], "{value:?}");
        }
        assert_eq!(fits("a\tb"), [true, true]);
        for value in ["", "a\u{7}b"] {
            assert_eq!(fits(value), [false, true], "{value:?}");
        }
    }
}
