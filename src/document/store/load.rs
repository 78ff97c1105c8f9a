//! Reads a file whole, within bounds, and remembers what it looked like.

use std::ffi::OsStr;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::thread;

use memmap2::MmapMut;

use super::dir::Dir;
use super::error;
use crate::failure::fail;
use crate::os;
use crate::os::buffer::spare_capacity;
use crate::os::fd::AsFd;
use crate::os::fs::{FileType, Mode, OFlags, Stat};
use crate::os::io::{Errno, retry_on_intr};

/// A larger file is refused: the largest that users report has 0.24 GB.
pub const MAX_BYTES: u64 = 1 << 30;

/// From this size on, memory is asked for in large pages.
const LARGE: u64 = 4 << 20;

/// The content of a file.
pub enum Bytes {
    /// Of most files.
    Small(Vec<u8>),
    /// Of a large one: anonymous memory, of which so much is content.
    Large(MmapMut, usize),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Small(bytes) => bytes,
            Bytes::Large(map, length) => &map[..*length],
        }
    }
}

impl Bytes {
    /// The content as a vector.
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Bytes::Small(bytes) => bytes,
            Bytes::Large(map, length) => map[..length].to_vec(),
        }
    }
}

/// A file as it was read.
pub struct Snapshot {
    /// Its content.
    pub bytes: Bytes,
    /// The file, still open: a writer that had it open before a replace writes into this one.
    pub file: os::Kept,
    /// What it looked like once it was read.
    pub stat: Stat,
}

/// What tells one content of a file from another, without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    file: (u64, u64),
    size: i64,
    mtime: (i64, i64),
}

impl Stamp {
    /// The stamp in a stat.
    #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    pub fn of(stat: &Stat) -> Stamp {
        Stamp {
            file: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as i64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }
}

/// Reads the file `name` in `dir`; `None` where there is none.
///
/// # Errors
/// What is no regular file, is larger than [`MAX_BYTES`], or cannot be read.
pub fn load(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<Snapshot>> {
    let path = dir.path().join(name);
    // A FIFO without a writer would keep an ordinary open waiting.
    let fd = match dir.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NXIO) => return Err(not_regular(&path, "a socket")),
        Err(errno) => return Err(error::disk(errno, "open", &path)),
    };
    let file = File::from(fd);
    let bytes = contents(&file, &path)?;
    let stat = stat(&file, &path)?;
    let file = os::keep(file);
    Ok(Some(Snapshot { bytes, file, stat }))
}

fn stat(file: &File, path: &Path) -> anyhow::Result<Stat> {
    retry_on_intr(|| os::fs::fstat(file)).map_err(|errno| error::disk(errno, "look at", path))
}

/// The whole content of an open file. It is read anew where it changes meanwhile.
pub fn contents(file: &File, path: &Path) -> anyhow::Result<Bytes> {
    let mut before = stat(file, path)?;
    let kind = match FileType::from_raw_mode(before.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        _ => Some("a device"),
    };
    if let Some(kind) = kind {
        return Err(not_regular(path, kind));
    }
    let mut tries = 0;
    loop {
        let size = u64::try_from(before.st_size).unwrap_or_default();
        let bytes = read_all(file, size, path)?;
        let after = stat(file, path)?;
        tries += 1;
        if Stamp::of(&before) == Stamp::of(&after) || tries == 10 {
            return Ok(bytes);
        }
        before = after;
    }
}

fn read_all(file: &File, size: u64, path: &Path) -> anyhow::Result<Bytes> {
    up_to(file, size, MAX_BYTES)
        .map_err(|errno| error::disk(errno, "read", path))?
        .ok_or_else(|| {
            fail(
                format!("{} is larger than {} GiB", path.display(), MAX_BYTES >> 30),
                "the client cannot use such a file either: move it aside, or cut its history down",
            )
        })
}

/// The content of a regular file of about `size` bytes; `None` where it has more than `max`.
///
/// # Errors
/// Where it cannot be read.
pub fn up_to(file: &File, size: u64, max: u64) -> Result<Option<Bytes>, Errno> {
    if size > max {
        return Ok(None);
    }
    // One byte more than expected: a full buffer then means that the file has grown.
    let expected = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if size >= LARGE
        && let Ok(map) = MmapMut::map_anon(expected)
    {
        let (map, length) = fill(file, map)?;
        if length < expected {
            return Ok(Some(Bytes::Large(map, length)));
        }
        bytes = map.to_vec();
    }
    bytes.reserve_exact(expected.saturating_sub(bytes.len()));
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(64 * 1024);
        }
        let at = bytes.len() as u64;
        match retry_on_intr(|| os::io::pread(file.as_fd(), spare_capacity(&mut bytes), at))? {
            0 => return Ok(Some(Bytes::Small(bytes))),
            _ if bytes.len() as u64 > max => return Ok(None),
            _ => {}
        }
    }
}

/// Reads into `map` until it is full or the file ends, and returns how much that was.
fn fill(file: &File, mut map: MmapMut) -> Result<(MmapMut, usize), Errno> {
    // The kernel clears and maps the memory page by page: in large pages that takes a fraction of the time.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    // Two threads copy twice as fast.
    let half = map.len() / 2;
    let (front, back) = map.split_at_mut(half);
    let (front, back) = thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, || read_at(file, back, half));
        let front = read_at(file, front, 0)?;
        let back = other.map(thread::ScopedJoinHandle::join);
        Ok((front, back))
    })?;
    let length = match back {
        _ if front < half => front,
        Ok(Ok(back)) => half + back?,
        _ => half + read_at(file, &mut map[half..], half)?,
    };
    Ok((map, length))
}

/// Reads what stands at `at`, until the buffer is full or the file ends, and returns how much that was.
fn read_at(file: &File, buffer: &mut [u8], at: usize) -> Result<usize, Errno> {
    let mut length = 0;
    while length < buffer.len() {
        let from = (at + length) as u64;
        match retry_on_intr(|| os::io::pread(file.as_fd(), &mut buffer[length..], from))? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

fn not_regular(path: &Path, kind: &str) -> anyhow::Error {
    fail(
        format!("{} is {kind}, not a file", path.display()),
        "name another file with --config-file, or move it out of the way",
    )
}
