//! A run of cck whose command waits, while the test plays the child.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{KEY, Sandbox};
use crate::upstream::Upstream;

/// The machine of a test.
pub struct Machine {
    pub s: Sandbox,
    pub key: PathBuf,
}

/// A run that waits.
pub struct Run {
    pub child: Child,
    stdin: Option<ChildStdin>,
    pub port: u16,
    pub socket: PathBuf,
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Machine {
    pub fn new() -> Machine {
        let s = Sandbox::new();
        let key = s.lay("key", KEY);
        Machine { s, key }
    }

    pub fn state(&self) -> PathBuf {
        self.s.home().join(".local/state/cck")
    }

    /// The calls in the log.
    pub fn calls(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.state().join("calls.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The calls in the log, once there are so many.
    pub fn wait_for_calls(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let calls = self.calls();
            if calls.len() >= count {
                return calls;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no {count} calls in {calls:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn run(&self, upstream: &Upstream, flags: &[&str]) -> Run {
        self.run_with(&upstream.url(), flags, &[])
    }

    pub fn run_with(&self, url: &str, flags: &[&str], vars: &[(&str, &str)]) -> Run {
        let key = self.key.to_str().unwrap();
        let source = if flags.contains(&"--profile") {
            vec![]
        } else {
            vec!["--key-file", key, "--base-url", url]
        };
        let command = ["--", "sh", "-c", "env; echo ready; cat >/dev/null"];
        let mut cck = self.s.cck(&[&["run"], &source[..], flags, &command].concat());
        for (name, value) in vars {
            cck = cck.env(name, value);
        }
        let mut command = cck.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut port, mut socket, mut token) = (0, PathBuf::new(), String::new());
        loop {
            let Some(Ok(line)) = lines.next() else {
                let mut text = String::new();
                child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
                panic!("cck ended: {text}");
            };
            match line.split_once('=') {
                Some(("ANTHROPIC_BASE_URL", url)) => {
                    let text = url.rsplit(':').next().unwrap();
                    port = text.parse().unwrap();
                }
                Some(("ANTHROPIC_UNIX_SOCKET", path)) => socket = path.into(),
                Some(("ANTHROPIC_AUTH_TOKEN", value)) => token = value.to_owned(),
                _ if line == "ready" => break,
                _ => {}
            }
        }
        Run { child, stdin, port, socket, token }
    }

    /// Whether the audit finds both chains whole.
    pub fn check(&self) -> String {
        let ran = self.s.cck(&["audit", "--check"]).run().code(0);
        assert!(self.calls().is_empty() || ran.stdout.contains("the call log"), "{ran:?}");
        ran.stdout
    }
}

impl Run {
    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes, and returns what comes until the connection ends.
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.tcp();
        // A broker that has seen enough closes the connection before it has read all.
        _ = stream.write_all(request);
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer);
        answer
    }

    /// The status of the answer to these bytes, if one comes.
    pub fn status(&self, request: &[u8]) -> Option<u16> {
        let answer = self.raw(request);
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    }

    pub fn request(&self, line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
            self.token,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    pub fn call(&self, line: &str, headers: &str, body: &[u8]) -> Reply {
        reply(&self.raw(&self.request(line, headers, body)))
    }

    /// Asks for a message.
    pub fn message(&self, body: &str) -> Reply {
        self.call(
            "POST /v1/messages?beta=true",
            "content-type: application/json\r\n",
            body.as_bytes(),
        )
    }

    /// The same over the socket.
    pub fn over_socket(&self, body: &str) -> Reply {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(&self.request("POST /v1/messages", "", body.as_bytes())).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        reply(&answer)
    }

    /// Begins a call whose answer is a stream, and reads until this is in it so often.
    pub fn begin<S: Read + Write>(&self, mut stream: S, until: &str, times: usize) -> S {
        let body = br#"{"model":"claude-opus-5","stream":true}"#;
        stream.write_all(&self.request("POST /v1/messages", "", body)).unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while text.matches(until).count() < times {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "no {until} in {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        stream
    }

    /// Lets the command end, and returns the exit code and standard error.
    pub fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.stdin.take());
        _ = self.child.wait();
    }
}

/// The parts of an answer, with its chunks joined.
pub fn reply(answer: &[u8]) -> Reply {
    let answer = answer.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut body = answer[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        let (mut whole, mut rest) = (Vec::new(), &body[..]);
        while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
            let length =
                usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            if length == 0 || rest.len() < at + 2 + length {
                break;
            }
            whole.extend_from_slice(&rest[at + 2..at + 2 + length]);
            rest = &rest[(at + 4 + length).min(rest.len())..];
        }
        body = whole;
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body }
}

/// Whether a file holds the text.
pub fn holds(path: &Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}
