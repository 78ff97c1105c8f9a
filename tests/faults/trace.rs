//! strace's record of a run: which system calls its first thread makes, so that each can be made to fail.

use std::collections::BTreeMap;

/// A system call of a run: its name, and the how manieth of that name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub nth: usize,
    /// Whether it came after the loader's own.
    pub is_own: bool,
}

impl Call {
    /// What strace is told, to have this call fail, or the process get a signal at it.
    pub fn injection(&self, fault: &str) -> String {
        let (name, nth) = (&self.name, self.nth);
        match fault {
            signal if signal.starts_with("SIG") => format!("{name}:signal={signal}:when={nth}"),
            error => format!("{name}:error={error}:when={nth}"),
        }
    }
}

/// The calls of the first thread in a record of `strace -f`.
pub fn calls(record: &str) -> Vec<Call> {
    let pid = record.split_whitespace().next().unwrap_or_default();
    let mut counts = BTreeMap::<String, usize>::new();
    let mut calls = Vec::new();
    let mut is_own = false;
    for line in record.lines() {
        let Some((who, call)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let call = call.trim_start();
        let name: String =
            call.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if who != pid || name.is_empty() || !call[name.len()..].starts_with('(') {
            continue;
        }
        // The runtime's first call in main: before it, the loader is at work.
        is_own |= name == "poll";
        let nth = counts.entry(name.clone()).or_default();
        *nth += 1;
        calls.push(Call { name, nth: *nth, is_own });
    }
    calls
}

/// The call that strace made to fail, with its arguments where strace told them on a line before.
pub fn injected(record: &str) -> Option<String> {
    let at = record.find("(INJECTED)")?;
    let start = record[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = record[start..].lines().next()?;
    let pid = line.split_whitespace().next()?;
    let begun = record[..start]
        .lines()
        .rev()
        .find(|line| line.starts_with(pid) && line.contains("<unfinished"));
    match begun {
        Some(begun) if line.contains("resumed>") => Some(format!("{begun} {line}")),
        _ => Some(line.to_owned()),
    }
}

#[test]
fn calls_are_counted_by_name_for_the_first_thread() {
    let record = "7 execve(\"x\") = 0\n7 read(3, \"\") = 0\n7 poll(0) = 0\n8 read(1) = 0\n7 read(3 <unfinished ...>\n\
                  7 <... read resumed>) = 0\n7 +++ exited with 0 +++\n";
    let found: Vec<_> =
        calls(record).into_iter().map(|call| (call.name, call.nth, call.is_own)).collect();
    let expected = [("execve", 1, false), ("read", 1, false), ("poll", 1, true), ("read", 2, true)];
    assert_eq!(found, expected.map(|(name, nth, is_own)| (name.to_owned(), nth, is_own)));
}
