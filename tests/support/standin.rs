//! A loopback stand-in for the API. It answers `POST …/v1/messages` as the API does, a token exchange with a known
//! token, everything else with `{}`, and remembers the credentials of each request.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The token that the stand-in gives for any identity token.
pub const EXCHANGED: &str = "sk-ant-oat01-EXCHANGED";

/// The word that the tests ask the client; a request with it is the one that counts.
pub const WORD: &str = "zebra";

/// What one request carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
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
        self.method == "POST" && self.path.contains("/v1/messages")
    }
}

/// A running stand-in; it stops when dropped.
pub struct Standin {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Standin {
    /// Starts one on a free port of loopback.
    pub fn start() -> Standin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let standin = Standin {
            address: listener.local_addr().expect("a bound socket has an address"),
            requests: Arc::default(),
            stopped: Arc::default(),
        };
        let (requests, stopped) = (standin.requests.clone(), standin.stopped.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let requests = requests.clone();
                // A client that breaks off is no fault of the stand-in.
                thread::spawn(move || _ = serve(&stream, &requests));
            }
        });
        standin
    }

    /// What to set ANTHROPIC_BASE_URL to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test panics with the lock").clone()
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
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees the flag.
        _ = TcpStream::connect(self.address);
    }
}

/// Serves one connection until the client closes it.
fn serve(stream: &TcpStream, requests: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let (kind, answer) = answer(&request);
        requests.lock().expect("no test panics with the lock").push(request);
        let mut writer = stream;
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
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
    let mut length = 0;
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
            "x-api-key" => request.x_api_key = Some(value),
            "authorization" => request.authorization = Some(value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    request.has_word = request.body.contains(WORD);
    Ok(Some(request))
}

fn answer(request: &Request) -> (&'static str, String) {
    if request.path.contains("/v1/oauth/token") {
        let token =
            format!(r#"{{"access_token":"{EXCHANGED}","token_type":"Bearer","expires_in":3600}}"#);
        return ("application/json", token);
    }
    if !request.is_message() || request.path.contains("count_tokens") {
        return ("application/json", "{}".into());
    }
    if !request.body.contains(r#""stream":true"#) {
        let message = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"pong"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
        return ("application/json", message.into());
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
    ("text/event-stream", stream)
}
