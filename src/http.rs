//! HTTP/1.1 over TCP or TLS, with hyper and rustls: the one way in which cck talks to an API. No redirect is followed, so
//! that a credential goes to the named host and to no other; no error shows a header or the user part of a URL.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::fail;
use crate::output::without_user;

/// How long a request of [`send`] may take in all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The version of the API that is asked.
pub(crate) const API_VERSION: &str = "2023-06-01";

/// The body of a request, whole: it can be sent a second time.
pub(crate) type Body = Full<Bytes>;

/// A connection on which one request at a time can be sent.
pub(crate) type Connection = SendRequest<Body>;

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
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

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

/// Where requests go: the parts of a base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) is_tls: bool,
    host: String,
    port: u16,
    /// What stands before the API's own path, without a slash at its end.
    pub(crate) path: String,
}

impl Endpoint {
    /// The parts of `url`; none if it is not `http(s)://HOST[:PORT][/PATH]`. A user part, query or fragment is left out.
    pub(crate) fn parse(url: &str) -> Option<Endpoint> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let is_tls = scheme.eq_ignore_ascii_case("https");
        if !is_tls && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if bare.is_empty()
            || !bare.chars().all(plain)
            || path.contains(|c| !char::is_ascii_graphic(&c))
            || (is_tls && ServerName::try_from(bare).is_err())
        {
            return None;
        }
        let path = path.split(['?', '#']).next()?.trim_end_matches('/');
        Some(Endpoint { is_tls, host: bare.to_ascii_lowercase(), port, path: path.to_owned() })
    }

    /// The value of the header `host`.
    pub(crate) fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.is_tls { 443 } else { 80 } {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Whether this is Anthropic's own API.
    pub(crate) fn is_first_party(&self) -> bool {
        self.is_tls && self.host == "api.anthropic.com" && self.port == 443 && self.path.is_empty()
    }
}

/// What it takes to reach an endpoint.
pub(crate) struct Connector {
    pub(crate) endpoint: Endpoint,
    proxy: Option<Proxy>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

struct Proxy {
    endpoint: Endpoint,
    /// The line `Proxy-Authorization`, if the proxy's URL has a user.
    authorization: Zeroizing<String>,
}

impl Connector {
    /// A connector for `url`, with the proxy and the certificates that the environment names.
    pub(crate) fn new(url: &str, context: &Context) -> anyhow::Result<Connector> {
        let no_url = || {
            fail(
                format!("{} is not a URL that can be asked", without_user(url)),
                "check the base URL: https://HOST[:PORT][/PATH]",
            )
        };
        let endpoint = Endpoint::parse(url).ok_or_else(no_url)?;
        let proxy = proxy_for(context, url).map(|proxy| Proxy::parse(&proxy)).transpose()?;
        let tls = if endpoint.is_tls {
            let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| no_url())?;
            Some((TlsConnector::from(Arc::new(tls_config(context)?)), name))
        } else {
            None
        };
        Ok(Connector { endpoint, proxy, tls })
    }

    /// A new connection, whose traffic a task of the runtime carries.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open())
            .await
            .map_err(|_| io::Error::other("no connection within 15 seconds"))?
    }

    async fn open(&self) -> io::Result<Connection> {
        let first = self.proxy.as_ref().map_or(&self.endpoint, |proxy| &proxy.endpoint);
        let mut tcp = TcpStream::connect((first.host.as_str(), first.port)).await?;
        tcp.set_nodelay(true)?;
        if let Some(proxy) = &self.proxy {
            proxy.tunnel(&mut tcp, &self.endpoint).await?;
        }
        match &self.tls {
            Some((connector, name)) => carry(connector.connect(name.clone(), tcp).await?).await,
            None => carry(tcp).await,
        }
    }
}

async fn carry<S>(stream: S) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its errors reach the one who waits for the answer.
    tokio::spawn(async { _ = connection.await });
    Ok(sender)
}

impl Proxy {
    fn parse(url: &str) -> anyhow::Result<Proxy> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let endpoint = Endpoint::parse(&full).filter(|endpoint| !endpoint.is_tls);
        let endpoint = endpoint.ok_or_else(|| {
            fail(
                format!("the proxy {} is not an http URL", without_user(url)),
                "correct HTTPS_PROXY, or unset it",
            )
        })?;
        let rest = full.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let authorization = Zeroizing::new(match user {
            "" => String::new(),
            user => {
                let (name, word) = user.split_once(':').unwrap_or((user, ""));
                let plain = [&unescape(name)[..], b":", &unescape(word)].concat();
                format!("Proxy-Authorization: Basic {}\r\n", base64(&Zeroizing::new(plain)))
            }
        });
        Ok(Proxy { endpoint, authorization })
    }

    /// Has the proxy connect to the endpoint.
    async fn tunnel(&self, tcp: &mut TcpStream, endpoint: &Endpoint) -> io::Result<()> {
        let host = if endpoint.host.contains(':') {
            format!("[{}]", endpoint.host)
        } else {
            endpoint.host.clone()
        };
        let to = format!("{host}:{}", endpoint.port);
        let head = Zeroizing::new(format!(
            "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n",
            self.authorization.as_str()
        ));
        tcp.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() > 16 * 1024 {
                return Err(io::Error::other("the proxy's answer does not end"));
            }
            answer.push(tcp.read_u8().await?);
        }
        let status = answer.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        if status.starts_with(b"2") {
            return Ok(());
        }
        let status = String::from_utf8_lossy(status).into_owned();
        Err(io::Error::other(format!("the proxy refuses the connection ({status})")))
    }
}

/// The user part of a URL without its percent signs.
fn unescape(text: &str) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if byte == b'%' => {
                plain.push(code);
                rest = &after[2..];
            }
            _ => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Whom to trust: SSL_CERT_FILE, else the web's certificates, and NODE_EXTRA_CA_CERTS, which the client adds too.
fn tls_config(context: &Context) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match certificates("SSL_CERT_FILE", context)? {
        Some(certificates) => _ = roots.add_parsable_certificates(certificates),
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    _ = roots.add_parsable_certificates(
        certificates("NODE_EXTRA_CA_CERTS", context)?.unwrap_or_default(),
    );
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no version of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The certificates of the file that a variable names, if it is set.
fn certificates(
    variable: &str,
    context: &Context,
) -> anyhow::Result<Option<Vec<CertificateDer<'static>>>> {
    let Some(path) = context.var_os(variable).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = context.cwd().join(path);
    let failed = |problem: String| {
        fail(
            format!("{variable} {}{problem}", path.display()),
            format!("set {variable} to a file of PEM certificates, or unset it"),
        )
    };
    let bytes = read_file(&path).map_err(|error| failed(format!(": {error}")))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().collect();
    if found.is_empty() {
        return Err(failed(": no certificate in it".to_owned()));
    }
    Ok(Some(found))
}

/// The text of a regular file.
pub(crate) fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(read_file(path)?);
    let text = std::str::from_utf8(&bytes).map_err(io::Error::other)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// No file of certificates or text is larger.
const MAX_FILE: u64 = 16 << 20;

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    crate::disk::read_file(path, MAX_FILE)
}

/// Sends a request and waits for its answer, at most [`TIMEOUT`].
pub(crate) fn send(context: &Context, request: &Request<'_>) -> anyhow::Result<Answer> {
    // The client may take what cannot be asked from here.
    let no_url = || Ok(Answer::Unreachable("cck cannot ask an address like this".to_owned()));
    if Endpoint::parse(request.url).is_none() {
        return no_url();
    }
    let connector = Connector::new(request.url, context)?;
    let (_, rest) = request.url.split_once("://").unwrap_or_default();
    let target = rest.find(['/', '?']).map_or("/".to_owned(), |at| match rest.split_at(at).1 {
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    });
    let body = Bytes::from(request.body.unwrap_or_default().to_owned());
    let mut call = hyper::Request::builder()
        .method(request.method)
        .uri(target)
        .header(HOST, connector.endpoint.authority())
        .header(USER_AGENT, concat!("cck/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value).context("a header that cannot be sent")?;
        value.set_sensitive(true);
        call = call.header(*name, value);
    }
    let Ok(call) = call.body(Full::new(body)) else { return no_url() };
    let exchange = async {
        let answer =
            connector.connect().await?.send_request(call).await.map_err(io::Error::other)?;
        let code = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(Answer::Status { code, body: String::from_utf8_lossy(&body).into_owned() })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { tokio::time::timeout(TIMEOUT, exchange).await });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    Ok(match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Unreachable(reason(&error)),
        Err(_) => Answer::Unreachable(format!("no answer within {} seconds", TIMEOUT.as_secs())),
    })
}

/// An error with its causes.
pub(crate) fn reason(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The proxy for a URL: HTTPS_PROXY or HTTP_PROXY by its scheme, else ALL_PROXY, unless NO_PROXY names its host. The
/// lower-case name goes first, as with curl.
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
    // What goes to this machine leaves it for no proxy.
    if excluded || is_loopback(&host) {
        return None;
    }
    variable(&format!("{}_PROXY", scheme.to_ascii_uppercase())).or_else(|| variable("ALL_PROXY"))
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
