//! A second reading of JSON, by the grammar of RFC 8259 and none of the code under test.

use std::ops::Range;

/// A member of an object: where its name (with quotes) and its value are.
pub struct Member {
    pub name: Range<usize>,
    pub value: Range<usize>,
}

/// What a text holds: an object with these members (and where its braces are), or another value.
pub enum Value {
    Object(Range<usize>, Vec<Member>),
    Other,
}

/// Reads one JSON text; `None` where it is none.
pub fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    reader.blanks();
    let start = reader.at;
    let value = if reader.peek() == Some(b'{') {
        let members = reader.object()?;
        Value::Object(start..reader.at, members)
    } else {
        reader.value()?;
        Value::Other
    };
    reader.blanks();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn object(&mut self) -> Option<Vec<Member>> {
        self.take(b'{')?;
        self.blanks();
        let mut members = Vec::new();
        if self.take(b'}').is_some() {
            return Some(members);
        }
        loop {
            self.blanks();
            let start = self.at;
            self.string()?;
            let name = start..self.at;
            self.blanks();
            self.take(b':')?;
            self.blanks();
            let start = self.at;
            self.value()?;
            members.push(Member { name, value: start..self.at });
            self.blanks();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(members);
            }
        }
    }

    /// A value, without recursion: a fuzzer finds depth fast.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.blanks();
            let ended = match self.peek()? {
                b'{' => {
                    self.at += 1;
                    self.blanks();
                    open.push(b'}');
                    if self.take(b'}').is_some() {
                        open.pop();
                        true
                    } else {
                        self.name()?;
                        false
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.blanks();
                    open.push(b']');
                    let empty = self.take(b']').is_some();
                    if empty {
                        open.pop();
                    }
                    empty
                }
                b'"' => self.string().map(|()| true)?,
                b't' => self.word(b"true").map(|()| true)?,
                b'f' => self.word(b"false").map(|()| true)?,
                b'n' => self.word(b"null").map(|()| true)?,
                _ => self.number().map(|()| true)?,
            };
            if !ended {
                continue;
            }
            loop {
                let Some(&close) = open.last() else {
                    return Some(());
                };
                self.blanks();
                if self.take(b',').is_some() {
                    self.blanks();
                    if close == b'}' {
                        self.name()?;
                    }
                    break;
                }
                self.take(close)?;
                open.pop();
            }
        }
    }

    /// A name within a value, and its colon.
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.blanks();
        self.take(b':')
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                0..=0x1f => return None,
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
