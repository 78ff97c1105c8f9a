//! Whether a request with the headers decided upon can be sent. Pure.

use super::super::Client;
use super::super::decision::{Header, Mode, Outcome};
use super::super::headers::Custom;
use super::super::offers::Offers;
use super::super::reason;
use super::super::settings::{self, names};
use super::super::source::{Origin, Source};
use super::super::state::{HelperRun, Secret, State};
use super::super::version::since;
use crate::key::command::Ended;

/// Whether a request is sent with these headers.
pub(super) fn sends(client: Client, offers: &Offers<'_>, outcome: &Outcome) -> bool {
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
    // With a blank key they sent nothing but a token; later ones send a helper's output too (1.0.128, 2.0.22, 2.0.60).
    let has_blank_key = matches!(&outcome.x_api_key, Header::Invalid(Source::Variable(_, name)) if name == names::KEY);
    if has_blank_key && client < since::FAILED_HELPER_IS_SENT && offers.token.is_none() {
        return false;
    }
    let headers = [&outcome.x_api_key, &outcome.authorization];
    let a_credential = headers.iter().any(|header| header.source().is_some());
    // A helper that fails, a login of blanks or a token set to nothing is sent as an empty Bearer (2.0.77, 2.1.330); 1.0.128
    // has then nothing to send with. An empty custom header suffices to none (2.0.77, 2.1.330; observed 2026-11).
    let invalid = headers.iter().any(|header| match header {
        Header::Invalid(Source::Variable(_, name)) => name != names::HEADERS && name != names::KEY,
        Header::Invalid(Source::Helper(_)) => client >= since::FAILED_HELPER_IS_SENT,
        Header::Invalid(_) => true,
        _ => false,
    });
    a_credential
        || (invalid && client >= since::FAILED_HELPER_IS_SENT)
        || (invalid && outcome.authorization == Header::Invalid(Source::Login))
}

/// Why a request with these headers cannot be sent.
pub(super) fn unsendable(
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
        return Some(format!("the client stumbles over primaryApiKey, which is {}", odd.kind));
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
        return Some(format!("the client stumbles over {name} in the config, which is no text"));
    }
    // 2.1.330 stops at every bad name, 2.0.77 skips an empty one (observed 2026-11).
    if custom.has_bad_name || (custom.has_empty_name && state.client >= since::EMPTY_NAME_STOPS) {
        return Some("ANTHROPIC_CUSTOM_HEADERS has a name that no header can have".into());
    }
    if custom.others.iter().any(|value| !value.is_empty() && !fits_header(state.client, value)) {
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
        if let Some(failure) = header.source().and_then(|source| unfit(state, source)) {
            return Some(failure);
        }
    }
    None
}

/// Why the value of a source cannot be put into a header, if it cannot.
pub(super) fn unfit(state: &State, source: &Source) -> Option<String> {
    let secret = reason::secret(state, source)?;
    let fits = fits_header(state.client, trimmed(state.client, source, secret.reveal()));
    (!fits).then(|| format!("the value of {source} has a character that no header can hold"))
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
    if is_trimmed { settings::js_trim(value) } else { value.trim_matches([' ', '\t', '\r', '\n']) }
}

/// Whether a header can hold the value, trimmed: no line break and nothing beyond Latin-1; before 2.1.330, whose runtime
/// is another, no control character either, nor nothing at all (2.0.77, 2.1.330, observed 2026-11).
fn fits_header(client: Client, value: &str) -> bool {
    let old = client < since::OTHER_RUNTIME;
    let fits = |c: char| {
        !matches!(c, '\r' | '\n' | '\0')
            && c <= '\u{ff}'
            && (!old || !c.is_ascii_control() || c == '\t')
    };
    value.chars().all(fits) && (!old || !value.is_empty())
}

/// How the helper failed, if it was run and did. 2.1.330 takes nothing but visible ASCII on one line; 2.0.77 takes what it
/// can send (observed 2026-11).
pub(crate) fn helper_failure(state: &State) -> Option<String> {
    let printed: &Secret = match &state.helper {
        HelperRun::NotRun => return None,
        HelperRun::Failed(ended) => return Some(ended.to_string()),
        HelperRun::Printed(printed) => printed,
    };
    let text = printed.reveal();
    if text.is_empty() {
        Some("printed nothing".into())
    } else if state.client >= since::HELPER_MUST_BE_KEY
        && !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Some("printed something other than a key alone on one line".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
