//! The checker: an automaton that a text is fed to in blocks.

use zeroize::Zeroizing;

use super::plain::{indent, plain};
use super::{NotJson, Visitor, number::Number};

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
    Number(Number),
}

/// A text under examination, in blocks of any size.
pub(crate) struct Scan<V> {
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
    /// Where the name at hand began.
    name_start: usize,
    /// Where the value of the last member began, by depth.
    starts: Vec<usize>,
    /// Whether the value that comes next is wanted.
    asked: bool,
    /// The depth of the member whose text is wanted.
    wanted: Option<usize>,
    /// The part of the name or of the wanted text that stands in the blocks before.
    held: Zeroizing<Vec<u8>>,
}

impl<V: Visitor> Scan<V> {
    pub(crate) fn new(visitor: V) -> Self {
        Scan {
            starts: vec![0; visitor.depth() + 1],
            visitor,
            expect: Expect::Value,
            open: Vec::new(),
            before: 0,
            line: 1,
            line_start: 0,
            is_name: false,
            name_start: 0,
            asked: false,
            wanted: None,
            held: Zeroizing::default(),
        }
    }

    pub(crate) fn of(text: &[u8], visitor: V) -> Result<V, NotJson> {
        let mut scan = Scan::new(visitor);
        scan.feed(text)?;
        scan.finish()
    }

    pub(crate) fn feed(&mut self, block: &[u8]) -> Result<(), NotJson> {
        // What of the block belongs to the name or the text at hand begins here.
        let mut from = 0;
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
                                self.named(&block[from..at - 1], at);
                            } else {
                                self.ended(&block[from..at], at);
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
                    self.expect = if left == 1 { Expect::Text } else { Expect::Hex(left - 1) };
                }
                Expect::Word(rest) => {
                    if rest.first() != Some(&byte) {
                        return Err(self.stop(at, "expected ident"));
                    }
                    match &rest[1..] {
                        [] => self.ended(&block[from..=at], at + 1),
                        rest => self.expect = Expect::Word(rest),
                    }
                }
                Expect::Number(number) => match number.next(byte) {
                    Ok(Some(number)) => self.expect = Expect::Number(number),
                    Ok(None) => {
                        self.ended(&block[from..at], at);
                        continue;
                    }
                    Err(why) => return Err(self.stop(at, why)),
                },
                Expect::Value | Expect::ValueOrEnd => {
                    if byte == b']' && self.expect == Expect::ValueOrEnd {
                        self.close(&block[from..=at], at);
                    } else {
                        if std::mem::take(&mut self.asked) {
                            self.wanted = Some(self.open.len());
                            from = at;
                        }
                        self.begin(byte, at)?;
                    }
                }
                Expect::Name | Expect::NameOrEnd => match (byte, self.expect) {
                    (b'"', _) => {
                        self.expect = Expect::Text;
                        self.is_name = true;
                        if self.told().is_some() {
                            self.name_start = self.before + at;
                            from = at + 1;
                        }
                    }
                    (b'}', Expect::NameOrEnd) => self.close(&block[from..=at], at),
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
                    (Some(b'{'), b'}') | (Some(b'['), b']') => {
                        self.close(&block[from..=at], at);
                    }
                    (None, _) => return Err(self.stop(at, "trailing characters")),
                    (Some(b'{'), _) => return Err(self.stop(at, "expected `,` or `}`")),
                    (Some(_), _) => return Err(self.stop(at, "expected `,` or `]`")),
                },
            }
            at += 1;
        }
        if self.wanted.is_some() || (self.is_name && self.told().is_some()) {
            self.held.extend_from_slice(&block[from..]);
        }
        self.before += block.len();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<V, NotJson> {
        if matches!(self.expect, Expect::Number(number) if number.is_whole()) {
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
        use Expect::{Escape, Hex, Number, Text, Word};
        matches!(self.expect, Text | Escape | Hex(_) | Word(_) | Number(_))
    }

    fn skip_blanks(&mut self, block: &[u8], mut at: usize) -> usize {
        loop {
            at += indent(&block[at..]);
            match block.get(at) {
                Some(b'\n') => {
                    at += 1;
                    self.line += 1;
                    self.line_start = self.before + at;
                }
                Some(b' ' | b'\t' | b'\r') => at += 1,
                _ => return at,
            }
        }
    }

    /// The depth of the members at hand, if they are told.
    fn told(&self) -> Option<usize> {
        let depth = self.open.len();
        (self.wanted.is_none() && depth < self.starts.len()).then_some(depth)
    }

    fn begin(&mut self, byte: u8, at: usize) -> Result<(), NotJson> {
        if let Some(start) = self.starts.get_mut(self.open.len()) {
            *start = self.before + at;
        }
        self.expect = match byte {
            b'"' => Expect::Text,
            b'{' | b'[' => {
                self.open.push(byte);
                if byte == b'{' { Expect::NameOrEnd } else { Expect::ValueOrEnd }
            }
            b't' => Expect::Word(b"rue"),
            b'f' => Expect::Word(b"alse"),
            b'n' => Expect::Word(b"ull"),
            b'-' => Expect::Number(Number::Minus),
            b'0' => Expect::Number(Number::Zero),
            b'1'..=b'9' => Expect::Number(Number::Integer),
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
        let span = self.name_start..self.before + end;
        self.asked = self.visitor.name(depth, whole(&mut self.held, rest), span);
        self.held.clear();
    }

    /// The value ended before `end`; `rest` is what of it stands in this block, if it is wanted.
    fn ended(&mut self, rest: &[u8], end: usize) {
        self.expect = Expect::Next;
        let depth = self.open.len();
        if depth == 0 || depth >= self.starts.len() {
            return;
        }
        let span = self.starts[depth]..self.before + end;
        if self.wanted.is_none() {
            self.visitor.value(depth, span, &[]);
        } else if self.wanted == Some(depth) {
            self.wanted = None;
            self.visitor.value(depth, span, whole(&mut self.held, rest));
            self.held.clear();
        }
    }

    /// The innermost container ended with the byte at `at`.
    fn close(&mut self, rest: &[u8], at: usize) {
        self.open.pop();
        self.ended(rest, at + 1);
    }

    fn stop(&self, at: usize, why: &'static str) -> NotJson {
        let offset = self.before + at;
        NotJson { offset, line: self.line, column: offset - self.line_start + 1, why }
    }
}

/// What is held with the rest of it, which is all of it if nothing is held.
fn whole<'a>(held: &'a mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    if held.is_empty() {
        return rest;
    }
    held.extend_from_slice(rest);
    held
}
