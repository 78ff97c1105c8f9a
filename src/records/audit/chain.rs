//! The chain of the audit trail: each line holds the hash of the one before. A line that is not a record (a machine lost power)
//! is described by a `repair` record after it, and the chain goes on.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::Record;
use crate::private::hex;

/// A line that is longer was not written by cck.
const LONGEST_LINE: usize = 64 * 1024;

/// No damage that cck repairs is longer: a search for the last line ends there.
const LONGEST_DAMAGE: u64 = 64 * 1024 * 1024;

const BLOCK: u64 = 4096;

pub(crate) const CHANGED: &str = "a line before it was changed or removed";

/// What the next line has to hold as `prev`, after this line (without its line end); zeros in the first one.
pub(crate) fn link(line: Option<&[u8]>) -> String {
    line.map_or_else(|| "0".repeat(64), |line| hex(&Sha256::digest(line)))
}

pub(crate) struct LastLine {
    pub link: String,
    pub ended: bool,
    pub start: u64,
    pub damage: Option<String>,
}

/// Reads the last line of a file of `end` bytes, from behind, so that a long trail costs no more than a short one.
pub(crate) fn last_line(trail: &mut (impl Read + Seek), end: u64) -> io::Result<Option<LastLine>> {
    if end == 0 {
        return Ok(None);
    }
    let mut size = BLOCK;
    loop {
        let from = end.saturating_sub(size);
        let mut tail = vec![0; usize::try_from(end - from).unwrap_or_default()];
        trail.seek(SeekFrom::Start(from))?;
        trail.read_exact(&mut tail)?;
        let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let newline = body.iter().rposition(|&byte| byte == b'\n');
        if newline.is_some() || from == 0 {
            let line = newline.map_or(body, |at| &body[at + 1..]);
            let is_record =
                line.len() <= LONGEST_LINE && serde_json::from_slice::<Record>(line).is_ok();
            let ended = body.len() < tail.len();
            let cut = if ended { "is not an audit record" } else { "was cut short" };
            let damage = format!("the line before {cut} ({} bytes)", line.len());
            let damage = (!is_record).then_some(damage);
            let start = from + (body.len() - line.len()) as u64;
            return Ok(Some(LastLine { link: link(Some(line)), ended, start, damage }));
        }
        if size >= LONGEST_DAMAGE {
            return Err(io::Error::other("its last line is longer than 64 MiB"));
        }
        size *= 4;
    }
}

/// The first line that breaks the chain, counted from 1, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    pub line: usize,
    pub why: &'static str,
}

/// Reads a trail: its records up to the first broken line, and that line.
pub fn read(trail: &[u8]) -> (Vec<Record>, Option<Broken>) {
    let (mut records, mut before, mut damaged) = (Vec::<Record>::new(), None, None);
    let not_a_record = |line| Broken { line, why: "it is not an audit record" };
    let body = trail.strip_suffix(b"\n").unwrap_or(trail);
    let mut count = 0;
    for line in body.split(|&byte| byte == b'\n').filter(|_| !trail.is_empty()) {
        count += 1;
        let record = serde_json::from_slice::<Record>(line).ok();
        let is_repair = record.as_ref().is_some_and(|record| record.damage.is_some());
        if let Some(line) = damaged.take().filter(|_| !is_repair) {
            return (records, Some(not_a_record(line)));
        }
        match record {
            Some(record) if record.prev != link(before) => {
                return (records, Some(Broken { line: count, why: CHANGED }));
            }
            Some(record) => records.push(record),
            None => damaged = Some(count),
        }
        before = Some(line);
    }
    let is_torn = count > 0 && !trail.ends_with(b"\n");
    let torn = Broken { line: count, why: "it has no line end: it was cut short" };
    (records, damaged.map(not_a_record).or(is_torn.then_some(torn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(lines: usize) -> Vec<u8> {
        let mut text: Vec<u8> = Vec::new();
        for at in 0..lines {
            let before = text
                .strip_suffix(b"\n")
                .map(|body| body.rsplit(|&byte| byte == b'\n').next().unwrap_or(body));
            let field = |name: &str| format!("{name}{at}");
            let record = Record {
                time: field("t"),
                action: field("a"),
                config: field("c"),
                source: None,
                old: None,
                new: Some(field("n")),
                user: field("u"),
                host: field("h"),
                pid: 1,
                cck: field("v"),
                outcome: field("o"),
                damage: None,
                prev: link(before),
            };
            text.extend(serde_json::to_vec(&record).unwrap());
            text.push(b'\n');
        }
        text
    }

    #[test]
    fn a_whole_chain_reads_and_a_broken_one_names_its_line() {
        assert_eq!(read(b""), (vec![], None));
        let whole = trail(4);
        assert_eq!((read(&whole).0.len(), read(&whole).1), (4, None));

        let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
        let line = |trail: Vec<u8>| read(&trail).1.map(|broken| broken.line);
        assert_eq!(line([lines[0], lines[2], lines[3]].concat()), Some(2), "a line taken out");
        assert_eq!(line([lines[1], lines[2]].concat()), Some(1), "the first line taken out");
        assert_eq!(
            line([lines[1], lines[0], lines[2]].concat()),
            Some(1),
            "lines in another order"
        );
        let changed = String::from_utf8(whole.clone()).unwrap().replace("a1", "aX").into_bytes();
        assert_eq!(line(changed), Some(3), "a line changed: the next one shows it");
        assert_eq!(line(whole[..whole.len() - 1].to_vec()), Some(4), "cut short by one byte");
        assert_eq!(line(whole[..whole.len() - 9].to_vec()), Some(4), "cut short");
        assert_eq!(line([lines[0], b"noise\n", lines[1]].concat()), Some(2));
    }

    /// The value is from `printf abc | sha256sum` (also FIPS 180-4, example B.1).
    #[test]
    fn a_last_line_without_end_is_not_looked_through() {
        struct Zeros(u64);
        impl Read for Zeros {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0 += into.len() as u64;
                into.fill(0);
                Ok(into.len())
            }
        }
        impl Seek for Zeros {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let mut zeros = Zeros(0);
        assert!(last_line(&mut zeros, 1 << 40).is_err());
        assert!(zeros.0 < 2 * LONGEST_DAMAGE, "{}", zeros.0);
    }

    #[test]
    fn a_link_is_the_sha_256_of_the_line() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(link(Some(b"abc")), abc);
        assert_eq!(link(None), "0".repeat(64));
    }
}
