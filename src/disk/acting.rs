//! Root that works in a user's directory does so as that user: what the user puts in its way then gains nothing.
//!
//! A path is walked from the top. The first thing on it that is not root's, a directory or a link, is the user's to
//! change, and so is everything below: from there on only that user's rights count.

use std::io;
use std::path::Path;

/// The effective ids of another user. Dropping it restores those before; guards nest.
pub(crate) struct Acting {
    #[cfg(target_os = "linux")]
    before: Option<Ids>,
}

#[cfg(target_os = "linux")]
type Ids = (u32, u32);

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::Cell;
    use std::io::{self, ErrorKind::NotADirectory, ErrorKind::NotFound};
    use std::os::unix::fs::MetadataExt;
    use std::path::{Component, Path, PathBuf};

    use rustix::fs::{Gid, Uid};
    use rustix::process::geteuid;
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

    use super::super::MAX_LINKS;
    use super::{Acting, Ids};

    thread_local! {
        /// Whom this thread acts as; the ids are the thread's, too.
        static NOW: Cell<Option<Ids>> = const { Cell::new(None) };
    }

    pub(super) fn act_for(path: &Path) -> io::Result<Acting> {
        let before = NOW.get();
        if before.is_none() && !geteuid().is_root() {
            return Ok(Acting { before });
        }
        // From here on the guard restores what was, if anything fails.
        let guard = Acting { before };
        change_to(None)?;
        change_to(owner_along(path, 0)?)?;
        Ok(guard)
    }

    impl Drop for Acting {
        fn drop(&mut self) {
            if NOW.get() != self.before {
                let _ = change_to(None).and_then(|()| change_to(self.before));
            }
        }
    }

    fn change_to(ids: Option<Ids>) -> io::Result<()> {
        if NOW.get() == ids {
            return Ok(());
        }
        let root = (Uid::ROOT, Gid::ROOT);
        match ids {
            None => {
                // The user first: only root may change the groups.
                set_thread_res_uid(None, root.0, None)?;
                set_thread_res_gid(None, root.1, None)?;
                set_thread_groups(&GROUPS.with(Clone::clone))?;
            }
            Some((uid, gid)) => {
                set_thread_groups(&[Gid::from_raw(gid)])?;
                set_thread_res_gid(None, Gid::from_raw(gid), None)?;
                set_thread_res_uid(None, Uid::from_raw(uid), None)?;
            }
        }
        NOW.set(ids);
        Ok(())
    }

    thread_local! {
        static GROUPS: Vec<Gid> = rustix::process::getgroups().unwrap_or_default();
    }

    /// The owner of the first thing along the path that is not root's; none if all is, as far as there is something.
    fn owner_along(path: &Path, links: usize) -> io::Result<Option<Ids>> {
        let mut at = PathBuf::new();
        // Of a relative path, what it starts from counts too.
        let parts = (!path.has_root()).then_some(Component::CurDir).into_iter();
        for part in parts.chain(path.components()) {
            at.push(part);
            let stat = match at.symlink_metadata() {
                Ok(stat) => stat,
                // What is missing will be made in a directory of root's.
                Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
                Err(error) => return Err(error),
            };
            // A file in a directory of root's counts as root's: nobody else can put another in its place.
            if stat.uid() != 0 && (stat.is_dir() || stat.is_symlink()) {
                return Ok(Some((stat.uid(), stat.gid())));
            }
            if stat.is_symlink() {
                // Of a circle, opening it will say so.
                if links == MAX_LINKS {
                    return Ok(None);
                }
                at = at.parent().unwrap_or(Path::new("")).join(at.read_link()?);
                if let Some(owner) = owner_along(&at, links + 1)? {
                    return Ok(Some(owner));
                }
            }
        }
        Ok(None)
    }
}

/// Acts as the user whose the path is, if this is root and it is not root's.
#[cfg(target_os = "linux")]
pub(crate) fn act_for(path: &Path) -> anyhow::Result<Acting> {
    linux::act_for(path).map_err(|error| cannot(&error, path))
}

/// Acts as the user whose the path is; where a thread cannot have ids of its own, root is sent to `sudo -u`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn act_for(path: &Path) -> anyhow::Result<Acting> {
    let above = path.ancestors().skip(1).find_map(|above| super::look(above).ok());
    match above {
        Some(above) if super::user() == 0 && above.uid != 0 => {
            Err(cannot(&io::Error::other("this system cannot do that for a thread"), path))
        }
        _ => Ok(Acting {}),
    }
}

fn cannot(error: &io::Error, path: &Path) -> anyhow::Error {
    crate::error::fail(
        format!("cannot act as the user who owns {}: {}", path.display(), super::what(error)),
        "run cck as that user: sudo -u USER cck …",
    )
}
