//! Sets an API key inactive through the Admin API: `GET /v1/organizations/api_keys` lists keys with a `partial_key_hint`
//! (`sk-ant-api03-R2D...igAA`), up to 1,000 a page; `POST …/{id}` with `{"status":"inactive"}` switches one off (API reference,
//! read 2026-11; not tried).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::fail;
use crate::http::{self, Answer, header};
use crate::key::ApiKey;
use crate::output::{one_line, without_user};

pub(crate) const VARIABLE: &str = "ANTHROPIC_ADMIN_KEY";

/// How many characters of a key's beginning and end the Admin API may show, and a [`Trace`] keeps.
const LEAD: usize = 16;
const TAIL: usize = 4;

const BY_HAND: &str = "set the old key inactive in the Console (Settings, API keys)";

const MAX_PAGES: usize = 100;

/// What is kept of a key to find it by when the key itself is gone: its first 16 and last 4 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trace {
    lead: String,
    tail: String,
}

impl Trace {
    pub(crate) fn of(key: &ApiKey) -> Trace {
        let key = key.reveal();
        // A short key would be kept whole.
        if key.len() < 2 * (LEAD + TAIL) {
            return Trace { lead: String::new(), tail: String::new() };
        }
        Trace { lead: key[..LEAD].to_owned(), tail: key[key.len() - TAIL..].to_owned() }
    }

    /// Whether a `partial_key_hint` may be of this key. A hint that shows next to nothing matches nothing.
    fn matches(&self, hint: &str) -> bool {
        let Some((lead, tail)) = hint.split_once("...").or_else(|| hint.split_once('…')) else {
            return false;
        };
        let is_lead = lead.starts_with(&*self.lead) || self.lead.starts_with(lead);
        !self.lead.is_empty() && tail.len() >= TAIL && is_lead && tail.ends_with(&*self.tail)
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Listed {
    pub id: String,
    #[serde(default)]
    pub name: String,
    /// `active`, `inactive`, …
    pub status: String,
    #[serde(default, skip_serializing)]
    partial_key_hint: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Listed>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
}

pub(crate) struct Admin<'a> {
    context: &'a Context,
    url: &'a str,
    key: Zeroizing<String>,
}

impl<'a> Admin<'a> {
    pub(crate) fn new(url: &'a str, context: &'a Context) -> anyhow::Result<Admin<'a>> {
        if !http::is_safe(url) {
            let problem =
                format!("the Admin API key is not sent to {}", one_line(&without_user(url)));
            return Err(fail(problem, "name an https URL in --admin-url, or leave it out"));
        }
        let key = Zeroizing::new(context.var(VARIABLE).unwrap_or_default().trim().to_owned());
        if key.is_empty() || key.contains(|c: char| !c.is_ascii_graphic()) {
            let problem = format!("--retire-old needs an Admin API key in {VARIABLE}");
            return Err(fail(problem, "export it, or retire the old key in the Console"));
        }
        Ok(Admin { context, url: url.trim_end_matches('/'), key })
    }

    /// Sets the key of this trace inactive and returns it; one that is inactive already stays so.
    pub(crate) fn retire(&self, trace: &Trace) -> anyhow::Result<Listed> {
        let mut keys = self.list()?;
        keys.retain(|key| key.partial_key_hint.as_deref().is_some_and(|hint| trace.matches(hint)));
        match keys.as_slice() {
            [] => Err(fail("the organisation has no key that looks like the old one", BY_HAND)),
            [key] if key.status != "active" => Ok(key.clone()),
            [key] => self.deactivate(key),
            keys => {
                let problem = "keys look like the old one, and cck does not guess";
                Err(fail(format!("{} {problem}", keys.len()), BY_HAND))
            }
        }
    }

    fn list(&self) -> anyhow::Result<Vec<Listed>> {
        let mut keys = Vec::new();
        let mut after = String::new();
        for _ in 0..MAX_PAGES {
            let page: Page = self.call("GET", &format!("?limit=1000{after}"), "")?;
            keys.extend(page.data);
            if !page.has_more {
                return Ok(keys);
            }
            let Some(id) = page.last_id.filter(|id| is_id(id)) else { break };
            after = format!("&after_id={id}");
        }
        // A part of the list could hide that a match is not the only one.
        Err(fail("the Admin API's list of keys does not end", BY_HAND))
    }

    fn deactivate(&self, key: &Listed) -> anyhow::Result<Listed> {
        if !is_id(&key.id) {
            return Err(fail("the Admin API gave a key an id that is not one", BY_HAND));
        }
        let body = r#"{"status":"inactive"}"#;
        let after: Listed = self.call("POST", &format!("/{}", key.id), body)?;
        if after.status == "active" {
            return Err(fail("the Admin API says that the old key is still active", BY_HAND));
        }
        Ok(after)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        rest: &str,
        body: &'static str,
    ) -> anyhow::Result<T> {
        let url = format!("{}/v1/organizations/api_keys{rest}", self.url);
        let headers = vec![
            header("x-api-key", &self.key),
            header("anthropic-version", http::API_VERSION),
            header("content-type", "application/json"),
        ];
        let again = "run the same command again to complete it";
        let (code, body) = match http::send(self.context, method, &url, &headers, body)? {
            Answer::Status { code, body } => (code, body),
            Answer::Unreachable(why) => {
                let problem = format!("the Admin API cannot be reached: {}", one_line(&why));
                return Err(fail(problem, again));
            }
        };
        let (what, advice) = match code {
            200..=299 => match serde_json::from_str(&body) {
                Ok(answer) => return Ok(answer),
                Err(_) => ("gave an answer that is not understood", again),
            },
            401 | 403 => {
                ("rejects the key in ANTHROPIC_ADMIN_KEY", "export a valid one, and try again")
            }
            404 => ("does not know this address", "check --admin-url, then run this again"),
            429 => ("limits the rate", "wait a minute, then run the same command again"),
            500.. => ("has a fault of its own", again),
            _ => ("refuses the request", again),
        };
        Err(fail(format!("the Admin API {what} (HTTP {code})"), advice))
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_matches_by_both_ends() {
        let key =
            ApiKey::parse("sk-ant-api03-R2D00000000000000000000000000000000000000igAA").unwrap();
        let trace = Trace::of(&key);
        // The first is the example of Anthropic's API reference.
        for hint in [
            "sk-ant-api03-R2D...igAA",
            "sk-ant-api03-R2D…igAA",
            "sk-ant-...igAA",
            "sk-ant-api03-R2D0...igAA",
        ] {
            assert!(trace.matches(hint), "{hint}");
        }
        for hint in [
            "",
            "...",
            "sk-ant-api03-R2D...",
            "sk-ant-api03-R2D...AA",
            "sk-ant-api03-R2E...igAA",
            "sk-ant-api03-R2D...igAB",
        ] {
            assert!(!trace.matches(hint), "{hint}");
        }
        let short = Trace::of(&ApiKey::parse("sk-ant-short").unwrap());
        assert!(!short.matches("sk-ant-short...hort"), "of a short key nothing is kept");
    }
}
