//! Where a string stops going on as it is. Most of a large config is text that was pasted, and here is where the time goes.

/// Marks in `word` the first byte at which a string stops going on as it is: quote, escape or control character. Bytes
/// after the first may be marked wrongly. (Bit Twiddling Hacks: "Determine if a word has a byte equal to n", "less than n".)
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
pub fn plain(bytes: &[u8]) -> usize {
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

/// How many bytes at the start of `bytes` are spaces, of eight at a time: what a pretty-printed file is indented with.
pub fn indent(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    8 * words.iter().take_while(|word| **word == *b"        ").count()
}
