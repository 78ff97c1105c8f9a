//! What a test does when the machine lacks something it needs: it says so at once and notes it for `tests/zz_skipped`, the
//! last target that `cargo test` runs. In the gate a skip fails: CCK_TEST_REQUIRE=tools forbids to skip for want of a
//! program, `all` also for want of root.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::{env, thread};

/// Where the tests of one `cargo test` note what they skipped. They all have the same parent; those that run in a namespace
/// are passed the path instead.
pub fn notes() -> PathBuf {
    env::var_os("CCK_TEST_SKIPPED").map_or_else(
        || PathBuf::from(format!("{}/skipped-{}", env!("CARGO_TARGET_TMPDIR"), parent_id())),
        PathBuf::from,
    )
}

/// Skips for want of a program, a library or the client.
pub fn without(tool: &str) {
    skip(&format!("needs {tool}"), &["tools", "all"]);
}

/// Skips for want of root, or of what only root can do here.
pub fn without_root() {
    skip("needs root", &["all"]);
}

/// Skips because of what no package can change.
pub fn because(why: &str) {
    skip(why, &[]);
}

fn skip(why: &str, forbidden_by: &[&str]) {
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    let required = env::var("CCK_TEST_REQUIRE").unwrap_or_default();
    assert!(!forbidden_by.contains(&&*required), "{test} {why} (CCK_TEST_REQUIRE={required})");
    // Written directly: what the macros print is only shown of a test that fails.
    let _ = writeln!(io::stderr(), "skipped: {test}: {why}");
    let path = notes();
    let noted = fs::read_to_string(&path).unwrap_or_default();
    let line = format!("{why}\t{test}\n");
    if !noted.contains(&line) {
        let file = File::options().create(true).append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the skip can be noted");
    }
}
