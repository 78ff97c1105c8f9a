//! A base URL as the client's `new URL()` takes it.

use std::fmt;

use url::{Host, ParseError, Url};

use super::{Client, Rule};

/// The host that takes an API key and an OAuth token each in a header of its own.
pub(crate) const ANTHROPIC: &str = "api.anthropic.com";

/// Where requests go. Without user, query and fragment, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    url: Url,
    /// It has a query or a fragment, in which `/v1/messages` is lost: requests go to the path alone.
    pub(crate) loses_path: bool,
    /// Whether a user or password is in it. The client makes a Basic credential of them (2.1.332, 2026-11-25).
    pub(crate) has_user: bool,
}

impl Address {
    /// Reads a base URL as `client` does (2.1.332 and 2.0.77, observed 2026-11-25, every case of the tests below).
    /// The error is why it cannot be used.
    pub(crate) fn parse(base: &str, client: Client) -> Result<Address, &'static str> {
        let base = base.trim_matches(|c: char| c <= ' ');
        // The client adds the path before it looks at the URL.
        let whole = format!("{}/v1/messages", base.strip_suffix('/').unwrap_or(base));
        let mut url = parse(&whole)?;
        let is_host_and_port = url.path().starts_with(|c: char| c.is_ascii_digit());
        if client.has(Rule::RuntimeIsAnother) && url.cannot_be_a_base() && is_host_and_port {
            // The other runtime takes `host:port` for http.
            url = parse(&format!("http://{whole}"))?;
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the client sends to https and http only");
        }
        let loses_path = url.query().or(url.fragment()).is_some();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let path = url.path().trim_end_matches('/');
        let path =
            path.strip_suffix("/v1/messages").filter(|_| !loses_path).unwrap_or(path).to_owned();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        // They fail for a URL without a host only.
        _ = url.set_username("");
        _ = url.set_password(None);
        Ok(Address { url, loses_path, has_user })
    }

    /// In lower case; an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether a credential crosses no network unencrypted on its way there.
    pub(crate) fn is_private(&self) -> bool {
        is_private(&self.url)
    }

    /// Whether it is the host that was named, with or without its port.
    pub(crate) fn is_host(&self, named: &str) -> bool {
        let named = named.trim_end_matches('/').to_ascii_lowercase();
        let named = named.split_once("://").map_or(named.as_str(), |(_, host)| host);
        let port = self.url.port_or_known_default();
        named == self.host() || port.is_some_and(|port| named == format!("{}:{port}", self.host()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

fn parse(url: &str) -> Result<Url, &'static str> {
    Url::parse(url).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => "it does not begin with https://",
        ParseError::InvalidPort => "its port is not a number up to 65535",
        _ => "its host is not valid",
    })
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Client = Client::at(2, 1, 332);

    /// Every line was given to 2.1.332 as ANTHROPIC_BASE_URL (2026-11-25): where its request arrived.
    #[test]
    fn a_base_url_leads_where_the_client_goes() {
        for url in [
            "http://127.0.0.1:18080",
            "http:127.0.0.1:18080",
            "http:/127.0.0.1:18080",
            "http:\\\\127.0.0.1:18080",
            "HTTP://127.0.0.1:18080",
            " http://127.0.0.1:18080 ",
            "http://127.0.0.1:18080/",
            "http:///127.0.0.1:18080",
            "http://u:p@127.0.0.1:18080",
            "http://0x7f.1:18080",
            "http://127.1:18080",
            "http://2130706433:18080",
            "ht\ntp://127.0.0.1:18080",
            "http://127.0.0.1:018080",
        ] {
            let address = Address::parse(url, NEW).unwrap_or_else(|why| panic!("{url}: {why:?}"));
            assert_eq!(address.to_string(), "http://127.0.0.1:18080", "{url}");
            assert!(address.is_loopback() && !address.loses_path, "{url}");
        }
        for (url, shown) in [
            ("localhost:18080", "http://localhost:18080"),
            ("localhost:18080/x", "http://localhost:18080/x"),
            ("Foo.Example:18080/x", "http://foo.example:18080/x"),
            ("http://%6cocalhost:18080", "http://localhost:18080"),
            ("http://[::ffff:127.0.0.1]:18080", "http://[::ffff:7f00:1]:18080"),
            ("http://127.0.0.1:18080\\x", "http://127.0.0.1:18080/x"),
            ("http://127.0.0.1:18080/v1", "http://127.0.0.1:18080/v1"),
            ("http://a_b:80", "http://a_b"),
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            // The path that the client adds becomes the host.
            ("http://", "http://v1/messages"),
        ] {
            assert_eq!(Address::parse(url, NEW).map(|a| a.to_string()), Ok(shown.into()), "{url}");
        }
        for url in ["http://127.0.0.1:1?x=1", "http://127.0.0.1:1#f", "http://127.0.0.1:1/?x#y"] {
            assert!(Address::parse(url, NEW).is_ok_and(|address| address.loses_path), "{url}");
        }
    }

    #[test]
    fn a_base_url_that_the_client_cannot_use_leads_nowhere() {
        for url in [
            "127.0.0.1:18080",
            "\"http://127.0.0.1:18080\"",
            "'http://127.0.0.1:18080'",
            "<http://127.0.0.1:18080>",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:abc",
            "http://127.0.0.1:+18080",
            "http://127.0.0.1.1:18080",
            "http://256.0.0.1:18080",
            "http://local host:18080",
            "http://127.0.0.1 :18080",
            "${URL}",
            "//127.0.0.1:18080",
            "localhost",
            "127.1:18080",
            "a_b:18080",
            "ftp://127.0.0.1:18080",
            "ws://127.0.0.1:18080",
            "unix:/tmp/x",
            "file:///x",
            "data:x",
        ] {
            assert!(Address::parse(url, NEW).is_err(), "{url}");
        }
    }

    #[test]
    fn a_host_is_recognised_with_and_without_its_port() {
        let address = Address::parse("https://Gateway.example/v1", NEW).unwrap();
        for named in ["gateway.example", "GATEWAY.example:443", "https://gateway.example/"] {
            assert!(address.is_host(named), "{named}");
        }
        for other in ["example", "gateway.example:80", "gateway.example.evil"] {
            assert!(!address.is_host(other), "{other}");
        }
        assert!(address.is_private());
        assert!(!Address::parse("http://gateway.example", NEW).unwrap().is_private());
    }
}
