//! Counts what an answer says it used, while its bytes pass by untouched.

use std::borrow::Cow;

use memchr::memmem;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A longer line of a stream has no usage in it.
const MAX_LINE: usize = 1 << 20;

/// A longer answer that is not a stream is not read.
const MAX_JSON: usize = 32 << 20;

/// Tokens by kind, named as in the call log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    #[serde(rename = "input_tokens")]
    pub(crate) input: u64,
    #[serde(rename = "output_tokens")]
    pub(crate) output: u64,
    #[serde(rename = "cache_read_tokens")]
    pub(crate) cache_read: u64,
    #[serde(rename = "cache_write_5m_tokens")]
    pub(crate) cache_write_5m: u64,
    #[serde(rename = "cache_write_1h_tokens")]
    pub(crate) cache_write_1h: u64,
    pub(crate) web_searches: u64,
}

impl Usage {
    pub(crate) fn prompt(&self) -> u64 {
        let parts = [self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }

    /// Both in one, kind by kind.
    fn join(self, other: Usage, by: fn(u64, u64) -> u64) -> Usage {
        Usage {
            input: by(self.input, other.input),
            output: by(self.output, other.output),
            cache_read: by(self.cache_read, other.cache_read),
            cache_write_5m: by(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: by(self.cache_write_1h, other.cache_write_1h),
            web_searches: by(self.web_searches, other.web_searches),
        }
    }
}

/// What is read of a message, or of an event of its stream.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Report<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    message: Option<Box<Report<'a>>>,
    usage: Lenient<Option<Counts>>,
}

/// The API's names of what was used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Lenient<u64>,
    output_tokens: Lenient<u64>,
    cache_read_input_tokens: Lenient<u64>,
    cache_creation_input_tokens: Lenient<u64>,
    cache_creation: Lenient<Lifetimes>,
    server_tool_use: Lenient<Searches>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lifetimes {
    ephemeral_5m_input_tokens: Lenient<u64>,
    ephemeral_1h_input_tokens: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Searches {
    web_search_requests: Lenient<u64>,
}

/// What the API has in another form counts nothing.
#[derive(Default)]
struct Lenient<T>(T);

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Lenient<T>, D::Error> {
        let text = <&RawValue>::deserialize(value)?.get();
        Ok(Lenient(serde_json::from_str(text).unwrap_or_default()))
    }
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Usage {
        let Lenient(Lifetimes {
            ephemeral_5m_input_tokens: Lenient(short),
            ephemeral_1h_input_tokens: Lenient(long),
        }) = counts.cache_creation;
        Usage {
            input: counts.input_tokens.0,
            output: counts.output_tokens.0,
            cache_read: counts.cache_read_input_tokens.0,
            // Without the split, all was written for five minutes.
            cache_write_5m: short.max(counts.cache_creation_input_tokens.0.saturating_sub(long)),
            cache_write_1h: long,
            web_searches: counts.server_tool_use.0.web_search_requests.0,
        }
    }
}

/// Reads along an answer.
#[derive(Debug, Default)]
pub struct Meter {
    is_stream: bool,
    /// A line that has no end yet, or the whole JSON.
    text: Vec<u8>,
    /// What is on its way is too long to be read.
    is_too_long: bool,
    message: Option<String>,
    model: Option<String>,
    /// Of messages before the current one.
    done: Usage,
    current: Usage,
    /// Whether the answer reported any usage; after [`Meter::finish`].
    pub(crate) is_seen: bool,
    /// Events of the current message that brought content: each has at least one token.
    pieces: u64,
}

impl Meter {
    /// A meter for an answer that is a stream of events, or a message in JSON.
    pub fn new(is_stream: bool) -> Meter {
        Meter { is_stream, ..Meter::default() }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.is_stream {
            return self.hold(bytes, MAX_JSON);
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            if self.text.is_empty() && !self.is_too_long {
                self.line(&rest[..end]);
            } else {
                self.hold(&rest[..end], MAX_LINE);
                let line = std::mem::take(&mut self.text);
                if !std::mem::take(&mut self.is_too_long) {
                    self.line(&line);
                }
            }
            rest = &rest[end + 1..];
        }
        self.hold(rest, MAX_LINE);
    }

    fn hold(&mut self, bytes: &[u8], bound: usize) {
        if self.text.len() + bytes.len() > bound {
            self.is_too_long = true;
            self.text = Vec::new();
        } else if !self.is_too_long {
            self.text.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let is_piece = memmem::find(&data[..data.len().min(64)], b"content_block_delta").is_some();
        self.pieces += u64::from(is_piece);
        if is_piece || memmem::find(data, b"\"usage\"").is_none() {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Report>(data) else { return };
        match &*event.kind {
            "message_start" => self.start(event.message.map(|message| *message)),
            "message_delta" => self.report(event.usage.0),
            _ => {}
        }
    }

    fn start(&mut self, message: Option<Report<'_>>) {
        let Some(message) = message else { return };
        if self.message.is_some() && self.message != message.id {
            self.done = self.done.join(self.current(), u64::saturating_add);
            (self.current, self.pieces) = (Usage::default(), 0);
        }
        self.message = message.id;
        self.model = message.model.or(self.model.take());
        self.report(message.usage.0);
    }

    fn report(&mut self, usage: Option<Counts>) {
        if let Some(usage) = usage {
            // Each report counts from the message's start.
            self.current = self.current.join(usage.into(), u64::max);
            self.is_seen = true;
        }
    }

    /// What was used of the current message: where its end did not come, the pieces that did.
    fn current(&self) -> Usage {
        Usage { output: self.current.output.max(self.pieces), ..self.current }
    }

    /// What was used as far as it was seen, and the model that answered.
    pub fn finish(&mut self) -> (Usage, Option<String>) {
        if !self.is_stream
            && let Ok(message) = serde_json::from_slice::<Report>(&std::mem::take(&mut self.text))
        {
            self.start(Some(message));
        }
        (self.done.join(self.current(), u64::saturating_add), self.model.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"m1","model":"claude-opus-5","usage":{"input_tokens":3,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"output_tokens":1}}}"#,
        "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"usage\": {\"output_tokens\": 9}"}}"#,
        "\n\n",
        r#"data: {"type":"message_delta","delta":{},"usage":{"output_tokens":7}}"#,
        "\r\n\r\n",
        r#"data: {"type":"message_delta","delta":{},"usage":{"output_tokens":12,"server_tool_use":{"web_search_requests":2}}}"#,
        "\n\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    const WHOLE: Usage = Usage {
        input: 3,
        output: 12,
        cache_read: 100,
        cache_write_5m: 20,
        cache_write_1h: 30,
        web_searches: 2,
    };

    #[test]
    fn a_stream_is_counted_once_however_it_is_cut_into_pieces() {
        for size in [1, 2, 7, 64, 100_000] {
            let mut meter = Meter::new(true);
            STREAM.as_bytes().chunks(size).for_each(|piece| meter.feed(piece));
            assert_eq!(meter.finish(), (WHOLE, Some("claude-opus-5".into())), "pieces of {size}");
            assert!(meter.is_seen);
        }
    }

    #[test]
    fn a_stream_that_was_cut_counts_as_far_as_it_was_seen() {
        let end = STREAM.find("event: ping").unwrap();
        let mut meter = Meter::new(true);
        meter.feed(&STREAM.as_bytes()[..end]);
        assert_eq!(meter.finish().0, Usage { output: 1, web_searches: 0, ..WHOLE });

        let piece = b"data: {\"type\":\"content_block_delta\",\"delta\":{}}\n\n";
        let mut meter = Meter::new(true);
        meter.feed(&STREAM.as_bytes()[..end]);
        (0..5).for_each(|_| meter.feed(piece));
        assert_eq!(meter.finish().0.output, 5, "each piece of content has at least one token");

        let mut none = Meter::new(true);
        none.feed(b"data: {\"type\":\"message_st");
        assert_eq!(none.finish(), (Usage::default(), None));
        assert!(!none.is_seen);
    }

    #[test]
    fn a_second_message_adds_and_a_second_report_on_one_does_not() {
        let mut meter = Meter::new(true);
        meter.feed(STREAM.as_bytes());
        meter.feed(STREAM.as_bytes());
        assert_eq!(meter.finish().0, WHOLE);
        let mut meter = Meter::new(true);
        meter.feed(STREAM.as_bytes());
        meter.feed(STREAM.replace("\"m1\"", "\"m2\"").as_bytes());
        assert_eq!(meter.finish().0, WHOLE.join(WHOLE, u64::saturating_add));
    }

    #[test]
    fn an_answer_that_is_no_stream_is_read_at_its_end() {
        let mut meter = Meter::new(false);
        meter.feed(br#"{"id":"m","type":"message","model":"x","content":[],"us"#);
        meter
            .feed(br#"age":{"input_tokens":5,"output_tokens":6,"cache_creation_input_tokens":4}}"#);
        let usage = Usage { input: 5, output: 6, cache_write_5m: 4, ..Usage::default() };
        assert_eq!(meter.finish(), (usage, Some("x".into())));
    }

    #[test]
    fn nonsense_counts_nothing_and_does_no_harm() {
        for text in [
            "data: {\"type\":\"message_start\",\"message\":null,\"usage\":1}\n",
            "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":-5}}\n",
            "data: {\"type\":\"message_delta\",\"usage\":\"x\"}\n",
            "data: \"usage\"\n",
        ] {
            let mut meter = Meter::new(true);
            meter.feed(text.as_bytes());
            assert_eq!(meter.finish().0, Usage::default(), "{text}");
        }
        let mut meter = Meter::new(true);
        meter.feed(&vec![b'x'; MAX_LINE + 1]);
        assert!(meter.text.is_empty(), "a line without end is not held");
        meter.feed(b"\n");
        meter.feed(STREAM.as_bytes());
        assert_eq!(meter.finish().0, WHOLE);
    }
}
