//! The heads of requests. An input is how large the pieces are in which the bytes arrive, and the bytes. What is checked: how
//! they are cut changes nothing; what passes is what came, or nothing of it beyond a refusal; a head that passes is one that
//! httparse reads as well, with at most one length, and none beside chunks.
#![no_main]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cck::broker::guard::{Strict, check_head};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

/// Gives its bytes in pieces.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let count = self.1.min(self.0.len()).min(buf.remaining());
        buf.put_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Poll::Ready(Ok(()))
    }
}

fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut strict = Strict::new(Pieces(bytes, piece));
    let mut context = Context::from_waker(Waker::noop());
    let (mut all, mut space) = (Vec::new(), [0; 777]);
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut strict).poll_read(&mut context, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return all,
            Poll::Ready(Ok(())) => all.extend_from_slice(buf.filled()),
            other => panic!("{other:?}"),
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let whole = passed(bytes, usize::MAX);
    assert_eq!(passed(bytes, usize::from(piece) + 1), whole);
    let before = whole.strip_suffix(b"\0\r\n\r\n").unwrap_or(&whole);
    assert!(bytes.starts_with(&whole) || bytes.starts_with(before), "something else passed");

    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return };
    let head = &bytes[..end + 4];
    let Ok(length) = check_head(head) else { return };
    let mut headers = [httparse::EMPTY_HEADER; 4096];
    let mut request = httparse::Request::new(&mut headers);
    // What httparse refuses, hyper refuses after us.
    if !matches!(request.parse(head), Ok(httparse::Status::Complete(read)) if read == head.len()) {
        return;
    }
    let named = |name: &str| {
        request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).count()
    };
    let (lengths, encodings) = (named("content-length"), named("transfer-encoding"));
    assert!(lengths <= 1 && encodings <= 1 && lengths + encodings <= 1);
    match (lengths, encodings) {
        (_, 1) => assert_eq!(length, u64::MAX),
        (0, _) => assert_eq!(length, 0),
        _ => {}
    }
});
