//! JSON, checked as it streams by. What JavaScript's `JSON.parse` takes is taken: lone surrogates, `1e400`, any depth.
//!
//! Nothing is decoded, and nothing kept but what a [`Visitor`] asks for: a file of hundreds of megabytes costs one pass
//! through a small buffer. Bytes that are no UTF-8 pass inside strings, as the client decodes a file before it parses.

mod members;
mod pick;

use std::ops::Range;

use zeroize::Zeroizing;

pub use members::{Member, Spans, decode, items, last, members, object, span, spans};
pub use pick::{Pick, Picked, pick};

/// What JSON counts as blank.
pub const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// What is told of the members of objects. Of a member whose text is wanted, the members inside are not told.
pub trait Visitor {
    /// The deepest members that are told; those of the top-level object have depth 1, and an array adds one too.
    fn depth(&self) -> usize;

    /// A member begins: its name without the quotes, and where that stands, quotes included. Whether its text is wanted.
    fn name(&mut self, depth: usize, name: &[u8], span: Range<usize>) -> bool;

    /// The value of the member that began last at this depth, or an item of an array there, has ended. `text` is empty
    /// if it was not wanted.
    fn value(&mut self, depth: usize, span: Range<usize>, text: &[u8]);
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// Bytes before the place.
    pub offset: usize,
    /// Counted from 1.
    pub line: usize,
    /// Bytes from the start of the line, counted from 1.
    pub column: usize,
    /// The reason, in words of the syntax: never content.
    pub why: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expect {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    Next,
    // Inside of a token:
    Text,
    Escape,
    Hex(u8),
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
    Digit(After),
    MoreDigits(After),
    Sign,
    Zero,
}

/// What the digits follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    Minus,
    Point,
    Exponent,
}

/// A text under examination, in blocks of any size.
pub struct Scan<V> {
    visitor: V,
    expect: Expect,
    /// The containers that are open, by the bracket that opened them.
    open: Vec<u8>,
    /// Bytes of the blocks before.
    before: usize,
    line: usize,
    line_start: usize,
    /// Whether the string at hand is a name.
    is_name: bool,
    /// Where name and value of the last member began, by depth.
    starts: Vec<(usize, usize)>,
    /// The part of the name that stands in the blocks before.
    name: Vec<u8>,
    /// Whether the value that comes next is wanted.
    asked: bool,
    /// The depth of the member whose text is wanted.
    wanted: Option<usize>,
    /// The part of its text that stands in the blocks before.
    text: Zeroizing<Vec<u8>>,
}

impl<V: Visitor> Scan<V> {
    /// Begins with nothing read.
    pub fn new(visitor: V) -> Self {
        Scan {
            starts: vec![(0, 0); visitor.depth() + 1],
            visitor,
            expect: Expect::Value,
            open: Vec::new(),
            before: 0,
            line: 1,
            line_start: 0,
            is_name: false,
            name: Vec::new(),
            asked: false,
            wanted: None,
            text: Zeroizing::default(),
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// Where the text stops being JSON.
    pub fn feed(&mut self, block: &[u8]) -> Result<(), NotJson> {
        // What of the block belongs to the name or the text at hand begins here.
        let mut name_from = 0;
        let mut text_from = 0;
        let mut at = 0;
        while at < block.len() {
            if !self.in_token() {
                at = self.skip_blanks(block, at);
                if at == block.len() {
                    break;
                }
            }
            let byte = block[at];
            match self.expect {
                Expect::Text => {
                    at += plain(&block[at..]);
                    match block.get(at) {
                        None => break,
                        Some(b'"') => {
                            at += 1;
                            if self.is_name {
                                self.expect = Expect::Colon;
                                self.named(&block[name_from..at - 1], at);
                            } else {
                                self.ended(&block[text_from..at], at);
                            }
                        }
                        Some(b'\\') => {
                            at += 1;
                            self.expect = Expect::Escape;
                        }
                        Some(_) => {
                            return Err(self.stop(
                                at,
                                "control character (\\u0000-\\u001F) found while parsing a string",
                            ));
                        }
                    }
                    continue;
                }
                Expect::Escape => {
                    self.expect = match byte {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Expect::Text,
                        b'u' => Expect::Hex(4),
                        _ => return Err(self.stop(at, "invalid escape")),
                    };
                }
                Expect::Hex(left) => {
                    if !byte.is_ascii_hexdigit() {
                        return Err(self.stop(at, "invalid escape"));
                    }
                    self.expect = if left == 1 {
                        Expect::Text
                    } else {
                        Expect::Hex(left - 1)
                    };
                }
                Expect::Word(rest) => {
                    if rest.first() != Some(&byte) {
                        return Err(self.stop(at, "expected ident"));
                    }
                    match &rest[1..] {
                        [] => self.ended(&block[text_from..=at], at + 1),
                        rest => self.expect = Expect::Word(rest),
                    }
                }
                Expect::Digit(after) => {
                    self.expect = match (after, byte) {
                        (After::Minus, b'0') => Expect::Zero,
                        (_, b'0'..=b'9') => Expect::MoreDigits(after),
                        _ => return Err(self.stop(at, "invalid number")),
                    };
                }
                Expect::Sign => {
                    self.expect = Expect::Digit(After::Exponent);
                    if !matches!(byte, b'+' | b'-') {
                        continue;
                    }
                }
                Expect::Zero | Expect::MoreDigits(_) => match (self.expect, byte) {
                    (Expect::MoreDigits(_), b'0'..=b'9') => {}
                    (Expect::Zero, b'0'..=b'9') => return Err(self.stop(at, "invalid number")),
                    (Expect::Zero | Expect::MoreDigits(After::Minus), b'.') => {
                        self.expect = Expect::Digit(After::Point);
                    }
                    (Expect::Zero | Expect::MoreDigits(After::Minus | After::Point), b'e' | b'E') => {
                        self.expect = Expect::Sign;
                    }
                    _ => {
                        self.ended(&block[text_from..at], at);
                        continue;
                    }
                },
                Expect::Value | Expect::ValueOrEnd => {
                    if byte == b']' && self.expect == Expect::ValueOrEnd {
                        self.close(&block[text_from..=at], at);
                    } else {
                        if std::mem::take(&mut self.asked) {
                            self.wanted = Some(self.open.len());
                            text_from = at;
                        }
                        self.begin(byte, at)?;
                    }
                }
                Expect::Name | Expect::NameOrEnd => match (byte, self.expect) {
                    (b'"', _) => {
                        self.expect = Expect::Text;
                        self.is_name = true;
                        name_from = at + 1;
                        if let Some(told) = self.told() {
                            self.starts[told].0 = self.before + at;
                        }
                    }
                    (b'}', Expect::NameOrEnd) => self.close(&block[text_from..=at], at),
                    (b'}', _) => return Err(self.stop(at, "trailing comma")),
                    _ => return Err(self.stop(at, "key must be a string")),
                },
                Expect::Colon => {
                    if byte != b':' {
                        return Err(self.stop(at, "expected `:`"));
                    }
                    self.expect = Expect::Value;
                }
                Expect::Next => match (self.open.last(), byte) {
                    (Some(b'{'), b',') => self.expect = Expect::Name,
                    (Some(b'['), b',') => self.expect = Expect::Value,
                    (Some(b'{'), b'}') | (Some(b'['), b']') => self.close(&block[text_from..=at], at),
                    (None, _) => return Err(self.stop(at, "trailing characters")),
                    (Some(b'{'), _) => return Err(self.stop(at, "expected `,` or `}`")),
                    (Some(_), _) => return Err(self.stop(at, "expected `,` or `]`")),
                },
            }
            at += 1;
        }
        if self.is_name && self.told().is_some() {
            self.name.extend_from_slice(&block[name_from..]);
        }
        if self.wanted.is_some() {
            self.text.extend_from_slice(&block[text_from..]);
        }
        self.before += block.len();
        Ok(())
    }

    /// Ends the text.
    ///
    /// # Errors
    /// Where it is not whole.
    pub fn finish(mut self) -> Result<V, NotJson> {
        if matches!(self.expect, Expect::Zero | Expect::MoreDigits(_)) {
            self.ended(&[], 0);
        }
        let container = match self.open.last() {
            None => "EOF while parsing a value",
            Some(b'{') => "EOF while parsing an object",
            Some(_) => "EOF while parsing a list",
        };
        let why = match self.expect {
            Expect::Next if self.open.is_empty() => return Ok(self.visitor),
            Expect::Text | Expect::Escape | Expect::Hex(_) => "EOF while parsing a string",
            Expect::Next | Expect::NameOrEnd | Expect::ValueOrEnd | Expect::Colon => container,
            _ => "EOF while parsing a value",
        };
        // The place is the last byte.
        let offset = self.before.saturating_sub(1).max(self.line_start);
        self.before = offset;
        Err(self.stop(0, why))
    }

    /// Whether blanks count, being a part of what is read.
    fn in_token(&self) -> bool {
        !matches!(
            self.expect,
            Expect::Value
                | Expect::ValueOrEnd
                | Expect::Name
                | Expect::NameOrEnd
                | Expect::Colon
                | Expect::Next
        )
    }

    fn skip_blanks(&mut self, block: &[u8], mut at: usize) -> usize {
        while let Some(byte @ (b' ' | b'\n' | b'\t' | b'\r')) = block.get(at) {
            at += 1;
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = self.before + at;
            }
        }
        at
    }

    /// The depth of the members at hand, if they are told.
    fn told(&self) -> Option<usize> {
        let depth = self.open.len();
        (self.wanted.is_none() && depth < self.starts.len()).then_some(depth)
    }

    /// A value begins with `byte`.
    fn begin(&mut self, byte: u8, at: usize) -> Result<(), NotJson> {
        if let Some(start) = self.starts.get_mut(self.open.len()) {
            start.1 = self.before + at;
        }
        self.expect = match byte {
            b'"' => Expect::Text,
            b'{' => {
                self.open.push(b'{');
                Expect::NameOrEnd
            }
            b'[' => {
                self.open.push(b'[');
                Expect::ValueOrEnd
            }
            b't' => Expect::Word(b"rue"),
            b'f' => Expect::Word(b"alse"),
            b'n' => Expect::Word(b"ull"),
            b'-' => Expect::Digit(After::Minus),
            b'0' => Expect::Zero,
            b'1'..=b'9' => Expect::MoreDigits(After::Minus),
            b']' if self.expect == Expect::Value && self.open.last() == Some(&b'[') => {
                return Err(self.stop(at, "trailing comma"));
            }
            _ => return Err(self.stop(at, "expected value")),
        };
        Ok(())
    }

    /// The name ended before `end`; `rest` is what of it stands in this block.
    fn named(&mut self, rest: &[u8], end: usize) {
        self.is_name = false;
        let Some(depth) = self.told() else { return };
        let span = self.starts[depth].0..self.before + end;
        self.asked = if self.name.is_empty() {
            self.visitor.name(depth, rest, span)
        } else {
            self.name.extend_from_slice(rest);
            self.visitor.name(depth, &self.name, span)
        };
        self.name.clear();
    }

    /// The value ended before `end`; `rest` is what of it stands in this block, if it is wanted.
    fn ended(&mut self, rest: &[u8], end: usize) {
        self.expect = Expect::Next;
        let depth = self.open.len();
        if depth == 0 || depth >= self.starts.len() {
            return;
        }
        let span = self.starts[depth].1..self.before + end;
        match self.wanted {
            None => self.visitor.value(depth, span, &[]),
            Some(wanted) if wanted == depth => {
                self.wanted = None;
                if self.text.is_empty() {
                    self.visitor.value(depth, span, rest);
                } else {
                    self.text.extend_from_slice(rest);
                    self.visitor.value(depth, span, &self.text);
                    self.text.clear();
                }
            }
            Some(_) => {}
        }
    }

    /// The innermost container ended with the byte at `at`.
    fn close(&mut self, rest: &[u8], at: usize) {
        self.open.pop();
        self.ended(rest, at + 1);
    }

    fn stop(&self, at: usize, why: &'static str) -> NotJson {
        let offset = self.before + at;
        NotJson {
            offset,
            line: self.line,
            column: offset - self.line_start + 1,
            why,
        }
    }
}

/// Marks in `word` the first byte at which a string stops going on as it is: quote, escape or control character. Bytes
/// after the first may be marked wrongly.
#[inline(always)]
fn ends(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let word = u64::from_le_bytes(word);
    let quote = word ^ (ONES * b'"' as u64);
    let escape = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote)
        | (escape.wrapping_sub(ONES) & !escape)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGH
}

/// How many bytes at the start of `bytes` go on with a string as they are: no quote, no escape, no control character.
///
/// Eight at a time (Bit Twiddling Hacks, "Determine if a word has a byte equal to n / less than n"): most of a large
/// config is text that was pasted, and this is where the time goes.
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    let (blocks, _) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        if (ends(words[0]) | ends(words[1]) | ends(words[2]) | ends(words[3])) != 0 {
            break;
        }
        at += 32;
    }
    while let Some((word, _)) = bytes[at..].split_first_chunk::<8>() {
        let found = ends(*word);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
