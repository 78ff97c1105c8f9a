//! The call log: a line of JSON for each call, each with the hash of the line before. No body or prompt is in it, and of the
//! headers only the ids of the session, the agent and the request.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Method;
use serde::{Serialize, Serializer};

use super::budget::{Amount, lock};
use super::meter::Usage;
use super::prices::Terms;
use crate::disk::Open;
use crate::private;
use crate::records::audit::chain::{CHANGED, last_line, link};

/// A log that is larger begins a new file.
const MAX_FILE: u64 = 64 << 20;

/// The longest text that is taken from outside.
const MAX_TEXT: usize = 200;

/// What all calls of a run have in common.
#[derive(Serialize)]
pub(crate) struct Run {
    #[serde(rename = "run")]
    pub(crate) id: String,
    pub(crate) profile: Option<String>,
    pub(crate) project: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Call {
    #[serde(skip)]
    pub(crate) time: String,
    pub(crate) session: Option<String>,
    pub(crate) agent: Option<String>,
    #[serde(serialize_with = "display")]
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    #[serde(skip)]
    pub(crate) terms: Terms,
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<String>,
    pub(crate) key: Option<Arc<str>>,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    pub(crate) cost_usd: f64,
    /// The date of the prices.
    pub(crate) prices: Arc<str>,
    pub(crate) ttfb_ms: Option<u64>,
    pub(crate) duration_ms: u64,
    /// `started` (with --require-log, before the call), `passed`, `aborted`, `failed`, `refused`.
    pub(crate) decision: &'static str,
    pub(crate) reason: Option<String>,
    /// The kinds of the alerts that the call raised.
    pub(crate) alerts: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    /// First: by it `cck usage` knows a line.
    time: &'a str,
    #[serde(flatten)]
    run: &'a Run,
    #[serde(flatten)]
    call: &'a Call,
    prev: String,
}

fn display<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Call {
    pub(crate) fn amount(&self) -> Amount {
        Amount { usd: self.cost_usd, tokens: self.usage.tokens() }
    }
}

/// Text from outside as the log takes it: short, and nothing that looks like a key.
pub(crate) fn text(text: &str) -> String {
    crate::key::mask(text.char_indices().nth(MAX_TEXT).map_or(text, |(at, _)| &text[..at]))
}

pub(crate) fn file(state: &Path) -> PathBuf {
    state.join("calls.jsonl")
}

/// The log's files, the oldest first: `calls-000001.jsonl` sorts before `calls.jsonl`.
pub(crate) fn files(state: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = private::list(state)?;
    files.retain(|path| path.ends_with("calls.jsonl") || number(path).is_some());
    files.sort();
    Ok(files)
}

/// The number of a file that is full.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("calls-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// The file before the current one.
fn older(state: &Path) -> io::Result<Option<PathBuf>> {
    Ok(files(state)?.into_iter().rev().nth(1))
}

/// Has the next call begin a new file. Its number is not that of a file that was there and was removed.
fn rotate(state: &Path) -> io::Result<()> {
    let number = older(state)?.and_then(|older| number(&older)).unwrap_or(0) + 1;
    fs::rename(file(state), state.join(format!("calls-{number:06}.jsonl")))
}

/// Appends calls as one piece: all of them, or none.
pub(crate) fn append(state: &Path, run: &Run, calls: &[Call], durable: bool) -> anyhow::Result<()> {
    let _lock = lock(&state.join("calls.lock"))?;
    let mut log = private::open(&file(state), Open::Append)?;
    let mut end = log.seek(SeekFrom::End(0))?;
    let mut last = last_line(&mut log, end)?;
    if let Some(torn) = last.as_ref().filter(|last| !last.ended) {
        // What a killed run or a full disk left unfinished was never a line.
        end = torn.start;
        log.set_len(end)?;
        last = last_line(&mut log, end)?;
    }
    if last.is_none()
        && let Some(older) = older(state)?
    {
        let mut older = private::open(&older, Open::Append)?;
        let end = older.seek(SeekFrom::End(0))?;
        last = last_line(&mut older, end)?;
    }
    let mut prev = last.map_or_else(|| link(None), |last| last.link);
    let mut text = Vec::new();
    for call in calls {
        let start = text.len();
        serde_json::to_writer(&mut text, &Line { time: &call.time, run, call, prev })?;
        prev = link(Some(&text[start..]));
        text.push(b'\n');
    }
    let written =
        log.write_all(&text).and_then(|()| if durable { log.sync_data() } else { Ok(()) });
    if let Err(error) = written {
        // Half a line would break the chain.
        log.set_len(end)?;
        return Err(error.into());
    }
    if end + text.len() as u64 > MAX_FILE {
        rotate(state)?;
    }
    Ok(())
}

/// Where the chain breaks: the file, the line counted from 1, and why.
pub(crate) type Broken = (PathBuf, usize, &'static str);

/// How many lines of the log are whole, and where its chain breaks.
pub(crate) fn check(state: &Path) -> io::Result<(usize, Option<Broken>)> {
    #[derive(serde::Deserialize)]
    struct Link<'a> {
        prev: &'a str,
    }
    let (mut count, mut before) = (0, link(None));
    for path in files(state)? {
        let mut log = BufReader::with_capacity(1 << 16, private::open(&path, Open::Read)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if log.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let broken = |why| Ok((count, Some((path.clone(), number, why))));
            let Some(text) = line.strip_suffix(b"\n") else {
                return broken("it has no line end: it was cut short");
            };
            match serde_json::from_slice::<Link<'_>>(text) {
                Err(_) => return broken("it is not a call"),
                Ok(call) if call.prev != before => {
                    return broken(CHANGED);
                }
                Ok(_) => {}
            }
            before = link(Some(text));
            count += 1;
        }
    }
    Ok((count, None))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;

    fn call(n: u64) -> Call {
        let usage = Usage { input: n, ..Usage::default() };
        Call { usage, decision: "passed", ..Call::default() }
    }

    fn run() -> Run {
        Run { id: "1".into(), profile: None, project: "/p".into() }
    }

    fn add(state: &Path, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(file(state)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn whole(state: &Path) -> (usize, bool) {
        let (count, broken) = check(state).unwrap();
        (count, broken.is_none())
    }

    #[test]
    fn lines_are_chained_and_a_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &run(), &[call(1), call(2)], true).unwrap();
        append(dir.path(), &run(), &[call(3)], false).unwrap();
        assert_eq!(whole(dir.path()), (3, true));
        let path = file(dir.path());
        let text = fs::read_to_string(&path).unwrap();
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap()
            .write_all(text.replace("\"input_tokens\":2", "\"input_tokens\":0").as_bytes())
            .unwrap();
        let (count, broken) = check(dir.path()).unwrap();
        assert_eq!((count, broken.unwrap().1), (2, 3));
    }

    #[test]
    fn what_was_cut_short_does_not_break_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &run(), &[call(1)], false).unwrap();
        for torn in ["{", "{\"time\":\"x\",\"prev\":\"", "\0\0\0"] {
            add(dir.path(), torn);
            append(dir.path(), &run(), &[call(2)], false).unwrap();
            assert!(whole(dir.path()).1, "{torn:?}");
        }
        assert_eq!(whole(dir.path()), (4, true));
        let only = tempfile::tempdir().unwrap();
        add(only.path(), "{\"to");
        append(only.path(), &run(), &[call(1)], false).unwrap();
        assert_eq!(whole(only.path()), (1, true));
    }

    #[test]
    fn the_chain_goes_on_in_the_next_file() {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            append(dir.path(), &run(), &[call(number)], false).unwrap();
            rotate(dir.path()).unwrap();
        }
        append(dir.path(), &run(), &[call(3)], false).unwrap();
        assert_eq!(files(dir.path()).unwrap().len(), 3);
        assert_eq!(whole(dir.path()), (3, true));
        fs::remove_file(dir.path().join("calls-000001.jsonl")).unwrap();
        assert!(!whole(dir.path()).1, "a file that was removed shows");
        // A copy that someone made is not part of the log.
        File::create(dir.path().join("calls-copy.jsonl")).unwrap();
        rotate(dir.path()).unwrap();
        append(dir.path(), &run(), &[call(4)], false).unwrap();
        let names = ["calls-000002.jsonl", "calls-000003.jsonl", "calls.jsonl"];
        assert_eq!(files(dir.path()).unwrap(), names.map(|name| dir.path().join(name)));
    }

    #[test]
    fn a_link_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        File::create(&target).unwrap();
        fs::hard_link(&target, file(dir.path())).unwrap();
        assert!(append(dir.path(), &run(), &[call(1)], false).is_err());
        assert_eq!(fs::metadata(&target).unwrap().len(), 0);
    }
}
