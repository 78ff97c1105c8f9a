use std::fs::File;
use std::os::unix::fs::symlink;

use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

/// What cck starts gets none of its descriptors: a file with a key in it could be read from one.
#[test]
fn descriptors_are_closed_on_exec_and_links_not_followed() {
    let home = tempfile::tempdir().unwrap();
    File::create(home.path().join("file")).unwrap();
    symlink("file", home.path().join("link")).unwrap();
    let dir = Dir::open(home.path()).unwrap();
    assert!(fcntl_getfd(&dir).unwrap().contains(FdFlags::CLOEXEC));
    let open = |name: &str| dir.open_file(OsStr::new(name), OFlags::RDONLY, Mode::empty());
    assert!(fcntl_getfd(open("file").unwrap()).unwrap().contains(FdFlags::CLOEXEC));
    assert_eq!(open("link").unwrap_err(), Errno::LOOP);
    assert_eq!(Dir::open(&home.path().join("file")).err(), Some(Errno::NOTDIR));
    let mut names = dir.list().unwrap();
    names.sort();
    assert_eq!(names, [".", "..", "file", "link"]);
    assert_eq!(dir.names(|name| name == "link"), ["link"]);
}
