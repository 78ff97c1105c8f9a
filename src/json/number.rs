//! Numbers, by the grammar of RFC 8259. Their value is nobody's concern: `1e400` is one.

/// What of a number was read last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Number {
    /// The number with one byte more; `None` where the byte is none of a number that is whole without it.
    pub(crate) fn next(self, byte: u8) -> Result<Option<Number>, &'static str> {
        use Number::{Exponent, Fraction, Integer, Minus, Point, Power, Sign, Zero};
        Ok(Some(match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            _ if self.is_whole() && !byte.is_ascii_digit() => return Ok(None),
            _ => return Err("invalid number"),
        }))
    }

    pub(crate) fn is_whole(self) -> bool {
        use Number::{Fraction, Integer, Power, Zero};
        matches!(self, Zero | Integer | Fraction | Power)
    }
}
