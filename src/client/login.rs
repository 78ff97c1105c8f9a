//! The stored logins: the subscription's, and that of a cloud gateway. Pure.

use super::{Item, Json, Reading, Rule, Secret, Source, State, names, parse};

#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    pub token: Secret,
    /// Whether its scopes have `user:inference`; none where the client fails on them when it needs them.
    pub may_ask: Option<bool>,
    /// `expiresAt`, in milliseconds since 1970.
    pub expires_at: Option<f64>,
    pub refreshable: bool,
    pub plan: Option<String>,
}

/// The login of a cloud gateway: `enterpriseGateway`, with a certificate pinned for its host in `gatewayTrust`.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayLogin {
    pub url: String,
    /// Empty text is sent, as an empty Bearer; with anything but text the client sends nothing (2.1.332, observed 2026-11-26).
    pub token: Option<Secret>,
    /// `expiresAt`, in milliseconds since 1970.
    pub expires_at: Option<f64>,
    pub refreshable: bool,
}

impl Login {
    /// Whether the client refreshes it before it sends anything (2.0.77, 2.1.332, observed 2026-11-25).
    pub(crate) fn is_refreshed(&self, now: f64) -> bool {
        self.refreshable && is_past(self.expires_at, now)
    }
}

pub(crate) fn is_past(at: Option<f64>, now: f64) -> bool {
    at.is_some_and(|at| at / 1000.0 < now)
}

impl State {
    /// The Keychain's item precedes the file unless it is locked, absent or malformed (2.0.77, 2.1.112, observed 2026-11-25).
    pub(super) fn find_logins(&mut self) {
        let (client, paths) = (self.client, &self.paths);
        let of_project = client.has(Rule::SecureStorageDirOfProjectsCounts);
        let mut dirs = self.variables.read(names::SECURE_STORAGE);
        let dir = dirs.find(|place| of_project || !place.source.is_of_project());
        let dir = dir.filter(|_| client.has(Rule::SecureStorageDirIsKnown));
        let path = match dir.map(|place| place.value.reveal()) {
            Some(dir) => self.facts.roots.login_file(dir),
            None => paths.credentials.clone(),
        };
        let (mut file, bytes) = self.facts.file(&path);
        let (mut login, mut gateway) =
            parse(&mut file, || read_credentials(&bytes)).unwrap_or_default();
        if let Item::Text(text) = &self.facts.keychain.login
            && let Ok(in_keychain) = read_credentials(text.as_bytes())
        {
            self.login_source = Source::KeychainLogin;
            self.hidden_login = login;
            (login, gateway) = in_keychain;
        }
        (self.login, self.gateway, self.credentials_file) = (login, gateway, file);
    }
}

/// The logins of a credentials file, or of the Keychain's item.
pub fn read_credentials(bytes: &[u8]) -> Result<(Option<Login>, Option<GatewayLogin>), Reading> {
    // Unlike the other files, this one must not begin with a BOM (2.0.77, 2.1.330, observed 2026-11).
    let text = String::from_utf8_lossy(bytes);
    let [login, gateway, pins] =
        Json::pick(&text, ["claudeAiOauth", "enterpriseGateway", "gatewayTrust"])
            .map_err(Reading::Malformed)?;
    Ok((login.and_then(read_login), gateway.and_then(|gateway| read_gateway(gateway, pins?))))
}

fn read_login(login: Json<'_>) -> Option<Login> {
    let token = login.get("accessToken").filter(|token| token.is_truthy())?;
    let scopes = login.get("scopes").filter(|scopes| scopes.is_truthy());
    Some(Login {
        token: Secret::new(token.to_js_string()),
        may_ask: scopes.map_or(Some(false), |scopes| scopes.includes("user:inference")),
        expires_at: login.get("expiresAt").and_then(time),
        refreshable: login.get("refreshToken").is_some_and(Json::is_truthy),
        plan: login.get("subscriptionType").map(Json::to_js_string),
    })
}

/// The login of a gateway; none without TLS and a certificate pinned for its host (2.1.332, observed 2026-11-25).
fn read_gateway(gateway: Json<'_>, pins: Json<'_>) -> Option<GatewayLogin> {
    let url = gateway.get("url").and_then(Json::string)?;
    let parsed = url::Url::parse(&url).ok().filter(|url| url.scheme() == "https")?;
    let host = parsed.host_str()?;
    // It is compared as text with the SHA-256 of the certificate, which cck does not see.
    let is_digest = |pin: &String| {
        pin.len() == 64 && pin.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    pins.get(host).and_then(Json::string).filter(is_digest)?;
    Some(GatewayLogin {
        token: gateway.get("jwt").and_then(Json::string).map(Secret::new),
        expires_at: gateway.get("expiresAt").and_then(time),
        refreshable: gateway.get("idpRefreshToken").is_some_and(Json::is_truthy),
        url,
    })
}

/// A time in milliseconds, a number or its digits (2.1.332, observed 2026-11-25).
fn time(value: Json<'_>) -> Option<f64> {
    value.number().or_else(|| value.string()?.trim().parse().ok())
}
