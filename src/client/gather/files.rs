//! Reads one file, whatever is in its place. IO only.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::client::{FileState, Reading, state::Attributes};
use crate::disk::{self, Kind, Open};

/// A file with more bytes than this is not read: it is the longest text that the client's JavaScript engine can hold
/// (V8: 2^29 - 24 characters).
pub(crate) const MAX_BYTES: u64 = (1 << 29) - 24;

/// No other file is read that is longer: the client's own bound is 2 MiB, that of older ones is not to be waited for.
const MAX_OTHER_BYTES: u64 = 32 << 20;

/// Reads a file. Never waits: a FIFO is opened without blocking and not read.
pub(crate) fn read(path: &Path) -> (FileState, Vec<u8>) {
    let (mut state, file) = look(path);
    let nothing = Vec::new();
    let Some((file, size)) = file else { return (state, nothing) };
    let (reading, bytes) = match disk::read_up_to(&file, size, MAX_OTHER_BYTES) {
        Ok(Some(bytes)) if bytes.is_empty() => (Reading::Empty, nothing),
        Ok(Some(bytes)) => (Reading::Read, bytes),
        Ok(None) => (Reading::TooLarge(size), nothing),
        Err(error) => (unreadable(&error), nothing),
    };
    state.reading = reading;
    (state, bytes)
}

pub(crate) fn look(path: &Path) -> (FileState, Option<(File, u64)>) {
    let found = disk::open(path, Open::Follow).and_then(|file| Ok((disk::stat(&file)?, file)));
    let stat = found.as_ref().map_or_else(|_| disk::look(path).ok(), |(stat, _)| Some(*stat));
    let attributes =
        stat.map(|stat| Attributes { mode: stat.mode, owner: stat.uid, size: stat.stamp.size });
    let state = |reading| FileState { path: path.to_path_buf(), reading, attributes };
    let kind = match found {
        Err(error) => return (state(unreadable(&error)), None),
        Ok((stat, file)) => match stat.kind {
            Kind::File => return (state(Reading::Read), Some((file, stat.stamp.size))),
            Kind::Dir => "a directory",
            Kind::Fifo => "a FIFO",
            Kind::Socket => "a socket",
            Kind::Link | Kind::Device => "a device",
        },
    };
    (state(Reading::NotAFile(kind)), None)
}

pub(crate) fn unreadable(error: &io::Error) -> Reading {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reading::Missing,
        _ if error.raw_os_error() == Some(disk::IS_SOCKET) => Reading::NotAFile("a socket"),
        _ => Reading::Unreadable(error.to_string()),
    }
}
