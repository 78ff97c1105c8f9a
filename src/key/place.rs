//! Where a private directory is made: in memory, so that nothing of it reaches a disk.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::disk::{self, Kind};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub path: PathBuf,
    pub in_memory: bool,
}

pub(crate) const NOT_IN_MEMORY: &str = if cfg!(windows) {
    "Windows has no directory that is in memory"
} else {
    "neither XDG_RUNTIME_DIR nor /dev/shm is in memory"
};

/// The user's runtime directory, else the shared memory, if they are in memory; else the directory of temporary files.
pub(crate) fn base(context: &Context) -> Base {
    let runtime = context.var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let temp = if cfg!(windows) { "TEMP" } else { "TMPDIR" };
    let temp = context.var_os(temp).filter(|dir| !dir.is_empty());
    choose(
        runtime.into_iter().filter(|dir| is_mine(dir)).chain([PathBuf::from("/dev/shm")]),
        PathBuf::from(temp.unwrap_or("/tmp".as_ref())),
        is_in_memory,
    )
}

fn choose(
    mut candidates: impl Iterator<Item = PathBuf>,
    temp: PathBuf,
    is_in_memory: impl Fn(&Path) -> bool,
) -> Base {
    match candidates.find(|dir| dir.is_absolute() && is_in_memory(dir)) {
        Some(path) => Base { path, in_memory: true },
        None => Base { in_memory: is_in_memory(&temp), path: temp },
    }
}

fn is_mine(dir: &Path) -> bool {
    disk::look(dir).is_ok_and(|stat| stat.kind == Kind::Dir && stat.uid == disk::user())
}

#[cfg(target_os = "linux")]
fn is_in_memory(dir: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    rustix::fs::statfs(dir).is_ok_and(|stat| {
        #[expect(clippy::unnecessary_cast, reason = "its type differs between architectures")]
        let kind = stat.f_type as i64 & 0xffff_ffff;
        kind == TMPFS || kind == RAMFS
    })
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_first_and_a_disk_is_told() {
        let at = |path: &str, in_memory| Base { path: path.into(), in_memory };
        let candidates = || ["run", "/run/u", "/dev/shm"].map(PathBuf::from).into_iter();
        let choose = |memory: &[&str]| {
            choose(candidates(), "/tmp".into(), |dir| memory.contains(&dir.to_str().unwrap()))
        };
        assert_eq!(choose(&["run", "/run/u", "/dev/shm"]), at("/run/u", true));
        assert_eq!(choose(&["/dev/shm"]), at("/dev/shm", true));
        assert_eq!(choose(&["/tmp"]), at("/tmp", true));
        assert_eq!(choose(&[]), at("/tmp", false));
    }
}
