//! A loopback stand-in for the API whose answers a test writes byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The request line and the header lines, each ended by a line feed.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .collect()
    }
}

type Answer = dyn Fn(&Seen, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// The stand-in; its thread ends with the test.
pub struct Upstream {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// How many calls are being answered.
    busy: Arc<AtomicUsize>,
    listener: TcpListener,
}

impl Upstream {
    /// Starts one that answers with `answer`.
    pub fn start(
        answer: impl Fn(&Seen, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            open: Arc::default(),
            busy: Arc::default(),
            listener: listener.try_clone().unwrap(),
        };
        let (seen, open) = (Arc::clone(&upstream.seen), Arc::clone(&upstream.open));
        let busy = Arc::clone(&upstream.busy);
        let answer: Arc<Answer> = Arc::new(move |seen, stream| {
            busy.fetch_add(1, Ordering::SeqCst);
            let answered = answer(seen, stream);
            busy.fetch_sub(1, Ordering::SeqCst);
            answered
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || _ = serve(stream, &seen, &*answer));
            }
        });
        upstream
    }

    /// One whose answers are messages of 10 input and 5 output tokens, streamed if the request asks for it.
    pub fn usual() -> Upstream {
        Upstream::start(|seen, stream| {
            if seen.head.contains("count_tokens") {
                json(stream, "200 OK", r#"{"input_tokens":1}"#)
            } else if String::from_utf8_lossy(&seen.body).contains("\"stream\":true") {
                stream.write_all(HEAD)?;
                EVENTS.iter().try_for_each(|event| chunk(stream, event))?;
                stream.write_all(b"0\r\n\r\n")
            } else {
                json(stream, "200 OK", MESSAGE)
            }
        })
    }

    /// One that begins a stream, and then says nothing more until its connection ends.
    pub fn stalled() -> Upstream {
        Upstream::start(|_, stream| {
            stream.write_all(HEAD)?;
            chunk(stream, EVENTS[0])?;
            stream.read(&mut [0]).map(drop)
        })
    }

    /// Waits until no call is under way.
    pub fn wait_for_end(&self) {
        let start = Instant::now();
        while self.busy.load(Ordering::SeqCst) > 0 {
            assert!(start.elapsed() < Duration::from_secs(5), "the call upstream goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Cuts every connection, as a killed server does.
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        _ = self.listener.set_nonblocking(true);
        self.cut();
    }
}

/// The head of a streamed answer.
pub const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_stream\r\nanthropic-ratelimit-requests-remaining: 7\r\ntransfer-encoding: chunked\r\n\r\n";

/// The events of a streamed answer.
pub const EVENTS: [&str; 3] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-opus-5\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":5}}\n\n",
];

/// An answer that is not streamed.
pub const MESSAGE: &str = r#"{"id":"m","type":"message","model":"claude-opus-5","content":[],"usage":{"input_tokens":10,"output_tokens":5}}"#;

/// Writes a part of a streamed answer.
pub fn chunk(stream: &mut TcpStream, data: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
}

/// Writes a whole answer.
pub fn json(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    stream.write_all(
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nrequest-id: req_json\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes(),
    )
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, answer: &Answer) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(line);
            head.push('\n');
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = Seen { head, body };
        seen.lock().unwrap().push(request.clone());
        answer(&request, &mut stream)?;
    }
}
