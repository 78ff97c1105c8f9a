//! The chain of the audit trail: each line holds the hash of the one before. Pure.

use sha2::{Digest, Sha256};

use super::Record;

/// What the first line holds in place of a hash.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What the next line has to hold as `prev`, after this line (without its line end).
pub(crate) fn link(line: Option<&[u8]>) -> String {
    line.map_or_else(
        || NOTHING.to_owned(),
        |line| Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect(),
    )
}

/// The first line that breaks the chain, counted from 1, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which line.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Reads a trail: its records up to the first broken line, and that line.
pub fn read(trail: &[u8]) -> (Vec<Record>, Option<Broken>) {
    let mut records = Vec::new();
    let mut before = None;
    if trail.is_empty() {
        return (records, None);
    }
    let ended = trail.ends_with(b"\n");
    let body = trail.strip_suffix(b"\n").unwrap_or(trail);
    for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
        let broken = |why| Some(Broken { line: index + 1, why });
        let Ok(record) = serde_json::from_slice::<Record>(line) else {
            return (records, broken("it is no audit record"));
        };
        if record.prev != link(before) {
            return (
                records,
                broken(
                    "its `prev` is not the hash of the line before: a line was changed or taken out",
                ),
            );
        }
        records.push(record);
        before = Some(line);
    }
    let torn = (!ended)
        .then_some(Broken { line: records.len(), why: "it has no line end: it was cut short" });
    (records, torn)
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
    fn a_link_is_the_sha_256_of_the_line() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(link(Some(b"abc")), abc);
        assert_eq!(link(None), "0".repeat(64));
    }
}
