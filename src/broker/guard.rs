//! What of the child's request goes upstream: the token is checked, the API's paths pass, and every header that names a
//! credential, an origin or a connection stays here.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use memchr::memmem;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_rustls::rustls::crypto::ring;
use zeroize::Zeroizing;

/// No head of a request is larger, nor what a connection reads at a time.
pub(crate) const MAX_HEAD: usize = 32 * 1024;

/// The API's own bound for a body.
pub(crate) const MAX_BODY: usize = 32 << 20;

/// What the child proves itself with: 256 random bits. Worth nothing outside of this run.
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// The beginning of every token, by which `verify` knows one.
    pub(crate) const PREFIX: &'static str = "cck-session-";

    pub(crate) fn new() -> Token {
        let digits = Zeroizing::new(crate::private::hex(&*Zeroizing::new(rand::<32>())));
        Token(Zeroizing::new(format!("{}{}", Token::PREFIX, *digits)))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a header of the request holds the token, as SDKs send it: as a key or as a bearer.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let keys = headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes);
        let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        keys.chain(bearers).any(|token| bool::from(token.trim_ascii().ct_eq(self.0.as_bytes())))
    }
}

pub(crate) fn rand<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::default_provider().secure_random.fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A message: it costs, and is checked against budgets and models.
    Messages,
    /// A count of tokens, or the models there are: free.
    Free,
    /// What a client asks a host for that it takes to be the API. Answered here.
    Hello,
}

/// The route of a request; none if it is not one of the API's that a client needs. The path is compared as it stands: what
/// is written in another way, with `..` or `%2e`, is another path.
pub(crate) fn route(method: &Method, uri: &Uri) -> Option<Route> {
    match (method, uri.path()) {
        (&Method::POST, "/v1/messages") => Some(Route::Messages),
        (&Method::POST, "/v1/messages/count_tokens") | (&Method::GET, "/v1/models") => {
            Some(Route::Free)
        }
        (&Method::GET, path) => {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_:@".contains(&c);
            // No slash, and dots between other characters only.
            let parts = path.strip_prefix("/v1/models/")?.split('.');
            let is_id = parts.into_iter().all(|part| !part.is_empty() && part.bytes().all(plain));
            is_id.then_some(Route::Free)
        }
        (&Method::HEAD, "/" | "/api/hello") | (&Method::POST, "/api/event_logging/batch") => {
            Some(Route::Hello)
        }
        _ => None,
    }
}

/// Headers of one connection, which never pass a proxy (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a header of a request may not go upstream.
pub(crate) fn is_dropped(name: &HeaderName) -> bool {
    let name = name.as_str();
    DROPPED.contains(&name) || name.starts_with("proxy-") || name.starts_with("x-forwarded-")
}

/// Takes away the headers of the connection, those that `Connection` names, and what else is dropped.
pub(crate) fn remove(headers: &mut HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let is_named = |name: &HeaderName| named.iter().any(|named| name == named);
    let goes = |name: &&HeaderName| HOP_BY_HOP.contains(name) || is_named(name) || is_dropped(name);
    let going: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    for name in going {
        headers.remove(name);
    }
}

/// What the child says of itself or of its way here, and what is set anew.
const DROPPED: [&str; 10] = [
    "authorization",
    "x-api-key",
    "cookie",
    "host",
    "content-length",
    "accept-encoding",
    "expect",
    "via",
    "forwarded",
    "x-real-ip",
];

/// Lets bytes of a connection pass to hyper, each head only when it is whole and can be read in one way.
///
/// hyper takes a bare line feed for an end of line, two equal lengths for one, and a length beside chunks for nothing;
/// another server may not. What is let through here, hyper still parses by itself.
pub struct Strict<S> {
    stream: S,
    /// Read, and not yet passed on.
    held: BytesMut,
    /// So many bytes may pass: a head that was checked, and the body that it announces.
    allowed: u64,
    /// Nothing passes after a refusal.
    is_refused: bool,
}

impl<S> Strict<S> {
    pub fn new(stream: S) -> Strict<S> {
        Strict { stream, held: BytesMut::new(), allowed: 0, is_refused: false }
    }
}

/// What hyper refuses as the beginning of a request, with 400.
const REFUSED: &[u8] = b"\0\r\n\r\n";

/// Checks a head, its empty line included, and returns how many bytes of body follow. Chunks end where they end: all that
/// follows them is let through, and the connection is closed after them.
pub fn check_head(head: &[u8]) -> Result<u64, &'static str> {
    let body = head.strip_suffix(b"\r\n\r\n").ok_or("no end")?;
    let mut lines =
        body.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let bare = |window: &[u8]| (window[0] == b'\r') != (window[1] == b'\n');
    if head.windows(2).any(bare) || head.contains(&0) {
        return Err("a line end that is not CR LF");
    }
    let request = lines.next().unwrap_or_default();
    if !request.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err("no method");
    }
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let colon = memchr::memchr(b':', line).ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err("a folded line, or a blank in a name");
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = value.iter().all(u8::is_ascii_digit).then_some(value);
            let value = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if length.replace(value.ok_or("a length that is not a number")?).is_some() {
                return Err("two lengths");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") || !request.ends_with(b"HTTP/1.1")
            {
                return Err("an encoding other than chunked");
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err("a length beside chunks"),
        (None, true) => Ok(u64::MAX),
        (length, false) => Ok(length.unwrap_or(0)),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.held.is_empty() {
                if this.is_refused {
                    return Poll::Ready(Ok(()));
                }
                // Straight to where it is wanted: most heads come whole.
                let before = buf.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
                let came = &buf.filled()[before..];
                if came.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                if this.allowed == 0 {
                    this.allowed = first_request(came).and_then(Result::ok).unwrap_or(0);
                }
                let count = this.pass(came.len());
                this.held.extend_from_slice(&came[count..]);
                buf.set_filled(before + count);
                if count > 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            if this.allowed > 0 {
                let count = this.pass(this.held.len().min(buf.remaining()));
                buf.put_slice(&this.held[..count]);
                this.held.advance(count);
                if this.held.is_empty() {
                    // A connection that waits holds no memory.
                    this.held = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(request) = first_request(&this.held) {
                match request {
                    Ok(length) => this.allowed = length,
                    Err(_) => this.refuse(),
                }
                continue;
            }
            let is_bare = |at: usize| at == 0 || this.held[at - 1] != b'\r';
            if memchr::memchr_iter(b'\n', &this.held).any(is_bare) || this.held.len() > MAX_HEAD {
                this.refuse();
                continue;
            }
            // On the stack: a connection that waits holds no memory.
            let mut space = [MaybeUninit::uninit(); 8 * 1024];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                // The end of the stream: half a head is passed on, for hyper to say that it is half.
                this.allowed = this.held.len() as u64;
            }
            this.held.extend_from_slice(space.filled());
        }
    }
}

/// How long the request is that `bytes` begin with, once its head is whole.
fn first_request(bytes: &[u8]) -> Option<Result<u64, &'static str>> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    Some(check_head(&bytes[..head]).map(|body| body.saturating_add(head as u64)))
}

impl<S> Strict<S> {
    /// Takes as many of so many bytes as may pass.
    fn pass(&mut self, count: usize) -> usize {
        let count = usize::try_from(self.allowed).map_or(count, |allowed| allowed.min(count));
        if self.allowed != u64::MAX {
            self.allowed -= count as u64;
        }
        count
    }

    fn refuse(&mut self) {
        self.held = BytesMut::from(REFUSED);
        self.allowed = REFUSED.len() as u64;
        self.is_refused = true;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Gives its bytes in pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let count = self.1.min(self.0.len()).min(buf.remaining());
            buf.put_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Poll::Ready(Ok(()))
        }
    }

    fn passed(bytes: &[u8], piece: usize, space: usize) -> Vec<u8> {
        let mut strict = Strict::new(Pieces(bytes, piece));
        let mut context = Context::from_waker(Waker::noop());
        let (mut all, mut space) = (Vec::new(), vec![0; space]);
        loop {
            let mut buf = ReadBuf::new(&mut space);
            assert!(Pin::new(&mut strict).poll_read(&mut context, &mut buf).is_ready());
            if buf.filled().is_empty() {
                return all;
            }
            all.extend_from_slice(buf.filled());
        }
    }

    #[test]
    fn what_passes_does_not_depend_on_how_it_is_cut() {
        let large =
            format!("POST / HTTP/1.1\r\ncontent-length: 70000\r\n\r\n{}", "7".repeat(70_000));
        let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let post = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n\r\n\r\n!";
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET\n\n";
        let twice = "POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n12345";
        for (bytes, is_whole) in [
            (get.to_owned(), true),
            (format!("{post}{get}{large}{post}{chunked}"), true),
            (format!("{large}{get}"), true),
            ("GET / HTTP/1.1\r\nhost".to_owned(), true),
            (format!("{post}{twice}"), false),
            (format!("{post}GET / HTTP/1.1\n\n"), false),
            (format!("{post}{}", "a".repeat(MAX_HEAD + 40_000)), false),
        ] {
            let end = if is_whole { bytes.len() } else { post.len() };
            let refused = if is_whole { &b""[..] } else { REFUSED };
            let expected = [&bytes.as_bytes()[..end], refused].concat();
            // A long head is looked through anew for each piece of it.
            let least = if bytes.len() > 10_000 { 777 } else { 1 };
            for piece in [1, 2, 3, 7, 777, 8192, usize::MAX].into_iter().filter(|n| *n >= least) {
                for space in [1, 5, 777, 8192, 100_000] {
                    assert!(
                        passed(bytes.as_bytes(), piece, space) == expected,
                        "{bytes:.80} in pieces of {piece} to {space}"
                    );
                }
            }
        }
    }
}
