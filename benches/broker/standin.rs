//! The stand-in for the API: answers at once, or with 20 events, each of which says when it was sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime};

const EVENTS: usize = 20;

/// Nanoseconds since 1970.
pub fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

pub fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut text = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let message = r#"{"id":"m","type":"message","role":"assistant","model":"claude-opus-5","content":[{"type":"text","text":"pong"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":5}}"#;
    loop {
        let (end, length) = loop {
            if let Some(end) = text.windows(4).position(|part| part == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                break (end + 4, length);
            }
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            text.extend_from_slice(&buffer[..count]);
        };
        while text.len() < end + length {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            text.extend_from_slice(&buffer[..count]);
        }
        let start = &text[end..text.len().min(end + 100)];
        let is_stream = start.windows(13).any(|part| part == b"\"stream\":true");
        // Between two events, as many milliseconds as the request asks tokens for.
        let pause = String::from_utf8_lossy(start);
        let pause = pause.split("\"max_tokens\":").nth(1).and_then(|rest| rest.split(',').next());
        let pause = pause.and_then(|number| number.parse().ok()).map(Duration::from_millis);
        text.drain(..end + length);
        if !is_stream {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{message}",
                message.len()
            )?;
            continue;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for number in 0..EVENTS {
            if number > 0 {
                thread::sleep(pause.unwrap());
            }
            let event = format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"sent={} \"}}}}\n\n",
                now()
            );
            write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
        }
        stream.write_all(b"0\r\n\r\n")?;
    }
}
