//! Where a string stops going on as it is. Most of a large config is text that was pasted, and here is where the time goes.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// Marks in `word` the first byte at which a string stops going on as it is: quote, escape or control character. Bytes
/// after the first may be marked wrongly. (Bit Twiddling Hacks: "Determine if a word has a byte equal to n", "less than n".)
#[inline(always)]
fn ends(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let quote = word ^ (ONES * b'"' as u64);
    let escape = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote)
        | (escape.wrapping_sub(ONES) & !escape)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGH
}

/// Marks the first control character in `word`, and maybe bytes after it.
#[inline(always)]
fn controls(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    word.wrapping_sub(ONES * 0x20) & !word & HIGH
}

/// From this length on a string is a long one, for which vector instructions pay.
const LONG: usize = 256;

/// How many bytes at the start of `bytes` go on with a string as they are: no quote, no escape, no control character.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some((block, rest)) = bytes[at..].split_first_chunk::<32>() {
        let (words, _) = block.as_chunks::<8>();
        if (ends(words[0]) | ends(words[1]) | ends(words[2]) | ends(words[3])) != 0 {
            break;
        }
        at += 32;
        if at == LONG {
            let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            at += without_controls(&rest[..end]);
            break;
        }
    }
    while let Some((word, _)) = bytes[at..].split_first_chunk::<8>() {
        let found = ends(*word);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// How many bytes at the start are not control characters, of 32 at a time.
fn without_controls(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let is_clear = |block: &&[u8; 32]| {
        let (words, _) = block.as_chunks::<8>();
        (controls(words[0]) | controls(words[1]) | controls(words[2]) | controls(words[3])) == 0
    };
    32 * blocks.iter().take_while(is_clear).count()
}

/// How many bytes at the start of `bytes` are spaces, of eight at a time: what a pretty-printed file is indented with.
pub(crate) fn indent(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    8 * words.iter().take_while(|word| **word == *b"        ").count()
}
