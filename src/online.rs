//! Asks an Anthropic API over HTTPS. No redirect is followed, so that a credential goes to the named host and no other; no
//! error shows a header or the user part of a URL.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::context::Context;

/// How long a request may take in all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the API that is asked.
pub(crate) const API_VERSION: &str = "2023-06-01";

/// A request.
pub(crate) struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Where.
    pub url: &'a str,
    /// Header names and values; the values may be credentials.
    pub headers: Vec<(&'a str, Zeroizing<String>)>,
    /// JSON for a `POST`.
    pub body: Option<&'a str>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The server answered.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body, up to [`MAX_BODY_BYTES`]; empty where it could not be read.
        body: String,
    },
    /// No answer came, and why.
    Unreachable(String),
}

/// More of an answer is not read.
pub(crate) const MAX_BODY_BYTES: u64 = 1 << 20;

/// Whether a URL is safe to send a credential to: over TLS, or to this machine.
pub(crate) fn is_safe(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    scheme.eq_ignore_ascii_case("https")
        || (scheme.eq_ignore_ascii_case("http") && is_loopback(host(rest)))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host in what follows the scheme of a URL.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

/// A URL without the user and password in it.
pub(crate) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// The proxy for a URL: HTTPS_PROXY or HTTP_PROXY by its scheme, else ALL_PROXY, unless NO_PROXY names its host. The
/// lower-case name goes first, as with curl.
#[cfg(any(test, feature = "online"))]
fn proxy_for(context: &Context, url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = host(rest).to_ascii_lowercase();
    let variable = |name: &str| {
        let lower = context.var(&name.to_ascii_lowercase());
        lower.or_else(|| context.var(name)).filter(|value| !value.trim().is_empty())
    };
    let excluded = variable("NO_PROXY").is_some_and(|list| {
        list.split(',').map(str::trim).any(|entry| {
            let entry = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
            entry == "*"
                || host == entry
                || (!entry.is_empty() && host.ends_with(&format!(".{entry}")))
        })
    });
    if excluded {
        return None;
    }
    variable(&format!("{}_PROXY", scheme.to_ascii_uppercase())).or_else(|| variable("ALL_PROXY"))
}

/// Sends a request and waits for its answer, at most [`TIMEOUT`].
#[cfg(not(feature = "online"))]
pub(crate) fn send(_context: &Context, _request: &Request<'_>) -> anyhow::Result<Answer> {
    Err(crate::error::fail(
        "this cck was built without the feature `online`",
        "leave --online out, or build cck with its default features",
    ))
}

/// Sends a request and waits for its answer, at most [`TIMEOUT`].
#[cfg(feature = "online")]
pub(crate) fn send(context: &Context, request: &Request<'_>) -> anyhow::Result<Answer> {
    use crate::error::fail;
    use ureq::{Agent, Proxy};

    let proxy = match proxy_for(context, request.url) {
        Some(proxy) => Some(Proxy::new(&proxy).map_err(|_| {
            fail(
                format!("the proxy {} is no URL", without_user(&proxy)),
                "mend HTTPS_PROXY, or unset it",
            )
        })?),
        None => None,
    };
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots(context)?).build())
        .user_agent(concat!("cck/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut call = ureq::http::Request::builder().method(request.method).uri(request.url);
    for (name, value) in &request.headers {
        call = call.header(*name, value.as_str());
    }
    let call = call.body(request.body.unwrap_or_default()).map_err(|_| {
        fail(
            format!("{} is no URL that can be asked", without_user(request.url)),
            "check ANTHROPIC_BASE_URL",
        )
    })?;
    Ok(match agent.run(call) {
        Ok(mut response) => Answer::Status {
            code: response.status().as_u16(),
            body: response
                .body_mut()
                .with_config()
                .limit(MAX_BODY_BYTES)
                .read_to_string()
                .unwrap_or_default(),
        },
        Err(error) => Answer::Unreachable(match error {
            ureq::Error::Timeout(_) => format!("no answer within {} seconds", TIMEOUT.as_secs()),
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::BadUri(_) => "no URL that can be asked".to_owned(),
            other => other.to_string(),
        }),
    })
}

/// The certificates to trust: those of SSL_CERT_FILE, else the web's.
#[cfg(feature = "online")]
fn roots(context: &Context) -> anyhow::Result<ureq::tls::RootCerts> {
    use crate::error::fail;
    use ureq::tls::{PemItem, RootCerts, parse_pem};

    let Some(path) = context.var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let path = context.cwd().join(path);
    let advice = "set SSL_CERT_FILE to a file of PEM certificates, or unset it";
    let bytes = std::fs::read(&path)
        .map_err(|error| fail(format!("SSL_CERT_FILE {}: {error}", path.display()), advice))?;
    let certificates: Vec<_> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(fail(format!("SSL_CERT_FILE {} has no certificate", path.display()), advice));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_credential_goes_over_tls_or_to_this_machine() {
        for url in [
            "https://api.anthropic.com",
            "HTTPS://x",
            "http://127.0.0.1:80/x",
            "http://[::1]:8/",
            "http://u:p@localhost",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://x",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example/",
            "ftp://localhost",
            "x",
            "http://evil\\@localhost",
        ] {
            assert!(!is_safe(url), "{url}");
        }
        assert_eq!(without_user("https://u:p@h:1/a@b"), "https://h:1/a@b");
    }

    #[test]
    fn the_proxy_is_the_environments() {
        let proxy = |vars: &[(&str, &str)], url| {
            proxy_for(&Context::for_test(&[], vars, Path::new("/"), Path::new("/etc")), url)
        };
        let vars = [("HTTPS_PROXY", "http://p:1"), ("no_proxy", "a.example, .b.example")];
        assert_eq!(proxy(&vars, "https://x.example").as_deref(), Some("http://p:1"));
        assert_eq!(proxy(&vars, "http://x.example"), None);
        assert_eq!(proxy(&vars, "https://a.example:8/"), None);
        assert_eq!(proxy(&vars, "https://c.b.example"), None);
        assert_eq!(proxy(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "*")], "https://x"), None);
    }
}
