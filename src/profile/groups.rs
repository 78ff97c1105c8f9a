//! Whether the user is in a group, against mistakes: what protects a key is that others cannot read its source.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::context::Context;
use crate::key::{command, source::DEFAULT_TIMEOUT};

pub(crate) fn is_member(groups: &[String], context: &Context) -> anyhow::Result<bool> {
    let mine = mine()?;
    let local = std::fs::read_to_string(context.etc.join("group")).unwrap_or_default();
    Ok(groups
        .iter()
        .filter_map(|group| {
            number(group, &local).or_else(|| from_directory(group, context.var_os("PATH")))
        })
        .any(|gid| mine.contains(&gid)))
}

/// The groups of this process. On Windows they have no numbers: a profile that asks for a group is nobody's there.
fn mine() -> anyhow::Result<Vec<u32>> {
    #[cfg(windows)]
    return Ok(Vec::new());
    #[cfg(unix)]
    {
        use anyhow::Context as _;

        let mut mine = rustix::process::getgroups().context("cannot find out your groups")?;
        mine.push(rustix::process::getegid());
        Ok(mine.into_iter().map(|gid| gid.as_raw()).collect())
    }
}

/// The number of a group, from itself or from the lines `name:password:number:members` of /etc/group.
fn number(group: &str, local: &str) -> Option<u32> {
    group.parse().ok().or_else(|| {
        local.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
        })
    })
}

/// Groups that are not in /etc/group may be in a directory service, which the C library's own tool asks.
fn from_directory(group: &str, path: Option<&OsStr>) -> Option<u32> {
    if group.starts_with('-') {
        return None;
    }
    let mut getent = Command::new("getent");
    // It needs nothing of the environment, in which there may be keys.
    getent.env_clear().envs(path.map(|path| ("PATH", path))).stderr(Stdio::null());
    let lines = command::run(getent.args(["group", group]), DEFAULT_TIMEOUT, b"").ok()?.ok()?;
    number(group, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_number() {
        let local = "root:x:0:\ndev:x:1001:ann,bob\n";
        assert_eq!(number("dev", local), Some(1001));
        assert_eq!(number("1002", local), Some(1002));
        assert_eq!(number("de", local), None);
    }
}
