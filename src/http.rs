//! HTTP/1.1 over TCP or TLS, with hyper and rustls: the one way in which cck talks to an API. No redirect is followed, so
//! that a credential goes to the named host and to no other; no error shows a header or the user part of a URL.

use std::error::Error;
use std::io;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::client::address;
use crate::context::Context;
use crate::disk;
use crate::error::fail;
use crate::output::without_user;

/// How long a request of [`send`] may take in all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// So many connections wait for the next request.
const MAX_IDLE: usize = 64;

/// A connection that waited longer may be closed at its other end.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

pub(crate) const API_VERSION: &str = "2023-06-01";

/// The body of a request, whole: it can be sent a second time.
pub(crate) type Body = Full<Bytes>;

/// A connection on which one request at a time can be sent.
pub(crate) type Connection = SendRequest<Body>;

/// Names of headers, and values that may be credentials.
pub(crate) type Headers = Vec<(&'static str, Zeroizing<String>)>;

pub(crate) fn header(name: &'static str, value: &str) -> (&'static str, Zeroizing<String>) {
    (name, Zeroizing::new(value.to_owned()))
}

#[derive(Debug)]
pub(crate) enum Answer {
    Status { code: u16, body: String },
    Unreachable(String),
}

pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// Whether a URL is safe to send a credential to: over TLS, or to this machine.
pub(crate) fn is_safe(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| address::is_private(&url))
}

/// What it takes to ask a base URL. A user part, query or fragment in it is not used.
pub(crate) struct Connector {
    url: Url,
    pub(crate) host: HeaderValue,
    proxy: Option<Intercept>,
    /// If it is asked over TLS: how, and the name that the certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Connections that wait for a request, and since when.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// The URL, and the name of its server if it is asked over TLS; none if cck cannot ask it.
fn parse(url: &str) -> Option<(Url, Option<ServerName<'static>>)> {
    let url = Url::parse(url.trim()).ok()?;
    let name = match url.scheme() {
        "https" => Some(ServerName::try_from(socket(&url).0).ok()?.to_owned()),
        "http" => None,
        _ => return None,
    };
    Some((url, name))
}

/// The host without the brackets of an IPv6 address, and the port.
fn socket(url: &Url) -> (&str, u16) {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    (host, url.port_or_known_default().unwrap_or(0))
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
        let (url, name) = parse(url).ok_or_else(no_url)?;
        let proxy = proxy_for(context, &url)?;
        let tls = name.map(|name| anyhow::Ok((tls_connector(context)?, name))).transpose()?;
        let host = url[Position::BeforeHost..Position::AfterPort].parse()?;
        Ok(Connector { url, host, proxy, tls, idle: Mutex::default() })
    }

    pub(crate) fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// What stands before the API's own path, without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    pub(crate) fn is_first_party(&self) -> bool {
        let origin = &self.url[..Position::BeforeUsername];
        (origin, self.authority(), self.path()) == ("https://", address::ANTHROPIC, "")
    }

    /// Sends a request over a connection that waits, or a new one.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> io::Result<(Response<Incoming>, Connection)> {
        loop {
            let waiting = self.idle().pop();
            let is_new = waiting.is_none();
            let mut connection = match waiting {
                Some((connection, since)) if since.elapsed() < MAX_IDLE_TIME => connection,
                Some(_) => continue,
                // Seldom, and large: not in the state of each call.
                None => Box::pin(self.connect()).await?,
            };
            if !is_new && connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => match error.take_message() {
                    // Not a byte of it was sent: the connection had been closed while it waited.
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(io::Error::other(error.into_error())),
                },
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection, whose answer has ended, for another request.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !connection.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open())
            .await
            .map_err(|_| io::Error::other("no connection within 15 seconds"))?
    }

    async fn open(&self) -> io::Result<Connection> {
        let first = match &self.proxy {
            Some(proxy) => {
                let host = proxy.uri().host().unwrap_or_default().trim_matches(['[', ']']);
                (host, proxy.uri().port_u16().unwrap_or(80))
            }
            None => socket(&self.url),
        };
        let mut tcp = TcpStream::connect(first).await?;
        tcp.set_nodelay(true)?;
        if let Some(proxy) = &self.proxy {
            tunnel(proxy, &mut tcp, &self.url).await?;
        }
        match &self.tls {
            Some((tls, name)) => carry(tls.connect(name.clone(), tcp).await?).await,
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

async fn tunnel(proxy: &Intercept, tcp: &mut TcpStream, url: &Url) -> io::Result<()> {
    let to = format!("{}:{}", url.host_str().unwrap_or_default(), socket(url).1);
    let mut head = Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes());
    if let Some(basic) = proxy.basic_auth() {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(basic.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    tcp.write_all(&head).await?;
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
    let status = String::from_utf8_lossy(status);
    Err(io::Error::other(format!("the proxy refuses the connection ({status})")))
}

const MAX_FILE: u64 = 16 << 20;

/// Whom to trust: SSL_CERT_FILE, else the web's certificates, and NODE_EXTRA_CA_CERTS, which the client adds too.
fn tls_connector(context: &Context) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match certificates("SSL_CERT_FILE", context)? {
        Some(certificates) => _ = roots.add_parsable_certificates(certificates),
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    _ = roots.add_parsable_certificates(
        certificates("NODE_EXTRA_CA_CERTS", context)?.unwrap_or_default(),
    );
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no version of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
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
    let bytes = disk::read_file(&path, MAX_FILE).map_err(|error| failed(format!(": {error}")))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().collect();
    if found.is_empty() {
        return Err(failed(": no certificate in it".to_owned()));
    }
    Ok(Some(found))
}

/// Sends a request, a `POST` with JSON, and waits for its answer, at most [`TIMEOUT`].
pub(crate) fn send(
    context: &Context,
    method: &str,
    url: &str,
    headers: &Headers,
    body: &'static str,
) -> anyhow::Result<Answer> {
    // The client may take what cannot be asked from here.
    let no_url = || Ok(Answer::Unreachable("cck cannot ask an address like this".to_owned()));
    if parse(url).is_none() {
        return no_url();
    }
    let connector = Connector::new(url, context)?;
    let mut call = Request::builder()
        .method(method)
        .uri(&connector.url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &connector.host)
        .header(USER_AGENT, concat!("cck/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value).context("a header that cannot be sent")?;
        value.set_sensitive(true);
        call = call.header(*name, value);
    }
    let Ok(call) = call.body(Full::new(Bytes::from_static(body.as_bytes()))) else {
        return no_url();
    };
    let exchange = async {
        let (answer, _connection) = connector.send(call).await?;
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

pub(crate) fn reason(error: &io::Error) -> String {
    let first: &(dyn Error + 'static) = error;
    let causes = iter::successors(Some(first), |error| Error::source(*error));
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// The proxy for a URL: HTTPS_PROXY or HTTP_PROXY by its scheme, else ALL_PROXY, unless NO_PROXY names its host. The
/// lower-case name goes first, as with curl.
fn proxy_for(context: &Context, url: &Url) -> anyhow::Result<Option<Intercept>> {
    let variable = |name: &str| {
        let lower = context.var(&name.to_ascii_lowercase());
        lower.or_else(|| context.var(name)).filter(|value| !value.trim().is_empty())
    };
    let named = variable(&format!("{}_PROXY", url.scheme().to_ascii_uppercase()));
    let Some(named) = named.or_else(|| variable("ALL_PROXY")) else { return Ok(None) };
    let host = url.host_str().unwrap_or_default();
    let origin: hyper::Uri = format!("{}://{host}", url.scheme()).parse()?;
    let intercept = |proxy: &str, no: &str| {
        Matcher::builder().all(proxy.to_owned()).no(no.to_owned()).build().intercept(&origin)
    };
    let excluded = variable("NO_PROXY").unwrap_or_default().replace("*.", ".");
    // What goes to this machine leaves it for no proxy.
    if address::is_loopback(url) || intercept("http://any", &excluded).is_none() {
        return Ok(None);
    }
    let proxy = intercept(named.trim(), "");
    match proxy.filter(|proxy| proxy.uri().scheme_str() == Some("http")) {
        Some(proxy) => Ok(Some(proxy)),
        None => Err(fail(
            format!("the proxy {} is not an http URL", without_user(&named)),
            "correct HTTPS_PROXY, or unset it",
        )),
    }
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
        let proxy = |vars: &[(&str, &str)], url: &str| {
            let context = Context::for_test(&[], vars, Path::new("/"), Path::new("/etc"));
            let proxy = proxy_for(&context, &Url::parse(url).unwrap()).unwrap();
            proxy.map(|proxy| proxy.uri().to_string())
        };
        let vars = [("HTTPS_PROXY", "http://p:1"), ("no_proxy", "a.example, .b.example")];
        assert_eq!(proxy(&vars, "https://x.example").as_deref(), Some("http://p:1/"));
        assert_eq!(proxy(&vars, "http://x.example"), None);
        assert_eq!(proxy(&vars, "https://a.example:8/"), None);
        assert_eq!(proxy(&vars, "https://c.b.example"), None);
        assert_eq!(proxy(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "*")], "https://x"), None);
        // What goes to this machine would leave it, with the key.
        let vars = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, "http://p:1"));
        assert_eq!(proxy(&vars, "http://x.example").as_deref(), Some("http://p:1/"));
        for host in ["127.0.0.1", "127.9.9.9:8080", "localhost", "[::1]:80"] {
            for url in [format!("http://{host}/v1"), format!("https://{host}")] {
                assert_eq!(proxy(&vars, &url), None, "{url}");
            }
        }
    }
}
