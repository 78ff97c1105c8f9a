//! Owner, mode, access list and labels: a replaced file keeps what it had, but nobody else may read it.

use std::fs::File;
use std::path::Path;

use super::dir::Dir;
use super::error;
use crate::os;
use crate::os::fs::{Gid, Mode, Stat, Uid, XattrFlags};
use crate::os::io::{Errno, retry_on_intr};

/// The access list of a file, as Linux keeps it.
const ACL: &[u8] = b"system.posix_acl_access";

/// The mode that a file with a key gets: 0600, or what is stricter in the one it replaces.
pub(crate) fn mode(old: Option<&Stat>) -> Mode {
    let private = Mode::RUSR | Mode::WUSR;
    old.map_or(private, |stat| private & Mode::from_raw_mode(stat.st_mode))
}

/// Gives `file`, which is still empty, the owner and the attributes of the file it is to replace, or those that a new
/// file in `dir` is to have.
pub(crate) fn adopt(
    file: &File,
    old: Option<(&os::Kept, &Stat)>,
    dir: &Dir,
    path: &Path,
) -> anyhow::Result<()> {
    let refused = |errno| error::disk(errno, "keep the owner of", path);
    let now = retry_on_intr(|| os::fs::fstat(file)).map_err(refused)?;
    let (uid, gid) = match old {
        Some((_, old)) => (old.st_uid, old.st_gid),
        // Under sudo, a new file in somebody's directory is theirs.
        None if now.st_uid == 0 => {
            let dir = retry_on_intr(|| os::fs::fstat(dir)).map_err(refused)?;
            if dir.st_uid == 0 { (now.st_uid, now.st_gid) } else { (dir.st_uid, dir.st_gid) }
        }
        None => (now.st_uid, now.st_gid),
    };
    if gid != now.st_gid {
        // Without group permissions the group matters little: not to be in it is no reason to fail.
        let _ = os::fs::fchown(file, None, Some(Gid::from_raw(gid)));
    }
    if let Some((old, _)) = old {
        copy_attributes(old, file);
    }
    if uid != now.st_uid {
        retry_on_intr(|| os::fs::fchown(file, Some(Uid::from_raw(uid)), None)).map_err(refused)?;
    }
    Ok(())
}

/// Copies the attributes that belong to a file rather than to its content. One that cannot be set is left out: the
/// key's place matters more than a tag.
fn copy_attributes(old: &os::Kept, new: &File) {
    let mut names = Vec::new();
    match os::fs::flistxattr_query(old) {
        Ok(0) | Err(_) => return,
        Ok(length) => names.resize(length, 0u8),
    }
    let Ok(length) = os::fs::flistxattr(old, &mut names[..]) else {
        return;
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let belongs = name.starts_with(b"user.") || name == ACL || name == b"security.selinux";
        if !belongs {
            continue;
        }
        let Ok(mut value) = attribute(old, name) else {
            continue;
        };
        if name == ACL {
            close_acl(&mut value);
        }
        let _ = os::fs::fsetxattr(new, name, &value, XattrFlags::empty());
    }
}

fn attribute(file: &os::Kept, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0u8; os::fs::fgetxattr_query(file, name)?];
    let length = os::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// Keeps the entries of an access list and takes all effect from them, as `chmod 600` does: a file that could be read
/// by others for a moment could be opened in it.
fn close_acl(acl: &mut [u8]) {
    /// The tags of the owner, and of a named user or group, whose permissions count only within the mask.
    const OWNER: u16 = 0x01;
    const NAMED: [u16; 2] = [0x02, 0x08];
    // A version of four bytes, then entries of tag, permissions and id: 2 + 2 + 4 bytes, little-endian.
    let Some(entries) = acl.get_mut(4..) else {
        return;
    };
    for entry in entries.chunks_exact_mut(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        if tag == OWNER {
            entry[2] &= 0b110;
        } else if !NAMED.contains(&tag) {
            entry[2..4].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_acl_keeps_its_entries_without_effect() {
        let entry = |tag: u16, permissions: u16, id: u32| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let version = 2u32.to_le_bytes().to_vec();
        let none = u32::MAX;
        let mut acl = [
            version.clone(),
            entry(1, 7, none),
            entry(2, 6, 1000),
            entry(4, 4, none),
            entry(0x10, 6, none),
            entry(0x20, 4, none),
        ]
        .concat();
        close_acl(&mut acl);
        let closed = [
            version,
            entry(1, 6, none),
            entry(2, 6, 1000),
            entry(4, 0, none),
            entry(0x10, 0, none),
            entry(0x20, 0, none),
        ]
        .concat();
        assert_eq!(acl, closed);
    }
}
