//! A loopback stand-in for the API, in clear and with TLS. It answers `POST …/v1/messages` as the API does, a token exchange or
//! refresh with a known token, the settings of a server as the state says, everything else with `{}`, and remembers the
//! credentials of each request.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::tls;
use super::world::World;

/// The port of `$OTHER`, the other server in clear.
pub const OTHER: u16 = 8081;

/// The token that the stand-in gives for any identity token.
pub const EXCHANGED: &str = "sk-ant-oat01-EXCHANGED";

/// The token that the stand-in gives for any refresh token.
pub const REFRESHED: &str = "sk-ant-oat01-REFRESHED";

/// The word that the tests ask the client; a request with it is the one that counts.
pub const WORD: &str = "zebra";

/// What one request carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Where it arrived: `base`, `other`, `https` or `unix`.
    pub listener: &'static str,
    /// The header `host`.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The header `x-api-key`.
    pub x_api_key: Option<String>,
    /// The header `authorization`.
    pub authorization: Option<String>,
    /// Whether the body holds [`WORD`].
    pub has_word: bool,
    body: String,
}

impl Request {
    fn is_message(&self) -> bool {
        // Under a base URL with a query or a fragment every path is `/`.
        let is_root = self.path == "/" || self.path.starts_with("/?");
        self.method == "POST" && (self.path.contains("/v1/messages") || is_root)
    }
}

/// What the threads of a stand-in share.
#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    stopped: AtomicBool,
    /// The state's `opt`.
    answers: Value,
}

/// A running stand-in; it stops when dropped.
pub struct Standin {
    address: SocketAddr,
    /// The other listeners, to wake them at the end.
    others: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

impl Standin {
    /// Starts one on a free port of loopback.
    pub fn start() -> Standin {
        Standin::with(Shared::default())
    }

    /// Starts one that speaks TLS, and returns its URL; none without certificates.
    pub fn start_tls() -> Option<(Standin, String)> {
        tls::config()?;
        let mut standin = Standin::start();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        standin.listen(listener, "https");
        Some((standin, format!("https://localhost:{port}")))
    }

    /// Starts one for that world: on its socket and, in namespaces, on the ports that its hosts are asked at.
    pub fn serve(world: &World) -> Standin {
        let answers = world.expand(&world.state.opt.to_string());
        let answers = serde_json::from_str(&answers).expect("paths and ports do not break JSON");
        let mut standin = Standin::with(Shared { answers, ..Shared::default() });
        if world.state.unix {
            let socket = world.root().join("sock");
            let listener = UnixListener::bind(socket).expect("a socket can be made");
            let shared = Arc::clone(&standin.shared);
            // Ends with the test: nobody connects to it once its world is gone.
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || _ = accept_unix(stream, &shared));
                }
            });
        }
        // Elsewhere the ports are not ours, or take privileges.
        if let Ok(listener) = TcpListener::bind((world.address(), OTHER)) {
            standin.listen(listener, "other");
        }
        if let Ok(listener) = TcpListener::bind((world.address(), 443)) {
            standin.listen(listener, "https");
        }
        standin
    }

    fn with(shared: Shared) -> Standin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("a bound socket has an address");
        let mut standin = Standin { address, others: Vec::new(), shared: Arc::new(shared) };
        standin.listen(listener, "base");
        standin
    }

    fn listen(&mut self, listener: TcpListener, name: &'static str) {
        self.others.push(listener.local_addr().expect("a bound socket has an address"));
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                // It is not the stand-in's fault if a client hangs up.
                thread::spawn(move || _ = accept(stream, name, &shared));
            }
        });
    }

    /// What to set ANTHROPIC_BASE_URL to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no test panics with the lock").clone()
    }

    /// The request that counts: the last message with [`WORD`].
    ///
    /// 2.0.77 sends an early one without, before `env` of settings is applied (observed 2026-11); what that carries is not
    /// what a message is sent with.
    pub fn message(&self) -> Option<Request> {
        let mut messages = self.requests();
        messages.retain(|request| request.is_message() && request.has_word);
        messages.pop()
    }

    /// Whether the message with [`WORD`] has come.
    pub fn has_word(&self) -> bool {
        self.requests().iter().any(|request| request.is_message() && request.has_word)
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for address in &self.others {
            // Wakes the listener, so that it sees the flag.
            _ = TcpStream::connect(address);
        }
    }
}

fn accept(stream: TcpStream, name: &'static str, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_nodelay(true)?;
    if name != "https" {
        return serve(stream, name, shared);
    }
    let config = tls::config().ok_or_else(|| std::io::Error::other("no certificates"))?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    serve(StreamOwned::new(session, stream), name, shared)
}

/// Through the socket the client speaks TLS if its address does: then the first byte is that of a handshake.
fn accept_unix(mut stream: UnixStream, shared: &Shared) -> std::io::Result<()> {
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let stream = Begun { first: first.to_vec(), stream };
    if first != [0x16] {
        return serve(stream, "unix", shared);
    }
    let config = tls::config().ok_or_else(|| std::io::Error::other("no certificates"))?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    serve(StreamOwned::new(session, stream), "unix", shared)
}

/// A stream of which something was read.
struct Begun {
    first: Vec<u8>,
    stream: UnixStream,
}

impl Read for Begun {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match (self.first.pop(), buffer.first_mut()) {
            (Some(byte), Some(place)) => {
                *place = byte;
                Ok(1)
            }
            _ => self.stream.read(buffer),
        }
    }
}

impl Write for Begun {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Serves one connection until the client closes it.
fn serve(stream: impl Read + Write, name: &'static str, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read(&mut stream)? {
        request.listener = name;
        let (status, kind, body) = answer(&request, &shared.answers);
        shared.requests.lock().expect("no test panics with the lock").push(request);
        let length = body.len();
        write!(
            stream.get_mut(),
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let first = String::from_utf8_lossy(&line).into_owned();
    let mut words = first.split_whitespace();
    let mut request = Request {
        method: words.next().unwrap_or_default().into(),
        path: words.next().unwrap_or_default().into(),
        ..Request::default()
    };
    let (mut length, mut is_packed) = (0, false);
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        let Some((name, value)) = text.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "content-encoding" => is_packed = value == "gzip",
            "host" => request.host = value,
            "x-api-key" => request.x_api_key = Some(value),
            "authorization" => request.authorization = Some(value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if is_packed {
        body = unpacked(&body)?;
    }
    request.body = String::from_utf8_lossy(&body).into_owned();
    request.has_word = request.body.contains(WORD);
    Ok(Some(request))
}

/// What gzip packed: the client packs what it sends to the default host in a cloud session (2.1.332, observed 2026-11-26).
fn unpacked(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(body)?;
    file.rewind()?;
    let gzip = Command::new("gzip").arg("-dc").stdin(file).stderr(Stdio::null()).output()?;
    Ok(gzip.stdout)
}

/// The status, the type and the body of the answer.
fn answer(request: &Request, answers: &Value) -> (u16, &'static str, String) {
    let json = |value: Value| (200, "application/json", value.to_string());
    let path = request.path.split('?').next().unwrap_or_default();
    if path.ends_with("/v1/oauth/token") {
        let token = if request.body.contains("refresh_token") { REFRESHED } else { EXCHANGED };
        return json(json!({
            "access_token": token, "refresh_token": "sk-ant-ort01-R2", "token_type": "Bearer", "expires_in": 28800,
            "scope": "user:inference user:profile",
        }));
    }
    let managed =
        |settings: &Value| json!({"uuid": "u", "checksum": "sha256:x", "settings": settings});
    if path.ends_with("/api/claude_code/settings") {
        // How long a server on the network takes, in milliseconds.
        thread::sleep(Duration::from_millis(answers["delay"].as_u64().unwrap_or(0)));
        return match &answers["remote"] {
            Value::Null => (404, "application/json", "{}".into()),
            Value::Number(status) => {
                let status = status.as_u64().and_then(|status| status.try_into().ok());
                (status.unwrap_or(500), "application/json", String::new())
            }
            settings => json(managed(settings)),
        };
    }
    // As of a token without the scope for it. 2.0.77 ends with a TypeError at a profile without an account.
    if path.ends_with("/api/oauth/profile") {
        return (403, "application/json", "{}".into());
    }
    // 2.0.45 to 2.0.76 send no message where a login's answer lacks this member.
    if path.ends_with("/api/oauth/claude_cli/client_data") {
        return json(json!({"client_data": {}}));
    }
    if path.ends_with("/managed/settings") {
        return json(managed(&json!({})));
    }
    if !request.is_message() || path.contains("count_tokens") {
        return json(json!({}));
    }
    if !request.body.contains(r#""stream":true"#) {
        let message = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"pong"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
        return (200, "application/json", message.into());
    }
    let events = [
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"pong"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let stream = events
        .iter()
        .map(|event| {
            let kind = event.split('"').nth(3).expect("each event has a type");
            format!("event: {kind}\ndata: {event}\n\n")
        })
        .collect();
    (200, "text/event-stream", stream)
}
