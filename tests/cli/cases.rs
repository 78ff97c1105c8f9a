//! File-level cases: each directory of tests/cli/cases is a config before (`in.json`, or none), the arguments
//! (`args`, one a line), and the config after (`out.json`), compared byte by byte. A case with a `stderr` instead of
//! an `out.json` has to fail with those words, a line each, and leave the file as it was.

use std::fs;
use std::path::Path;

use crate::sandbox::{KEY, Sandbox, mode};

#[test]
fn every_case() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/cases");
    let mut count = 0;
    for case in fs::read_dir(cases).unwrap() {
        one(&case.unwrap().path());
        count += 1;
    }
    assert!(count >= 20, "only {count} cases were found");
}

fn one(case: &Path) {
    let name = case.display();
    let read = |file: &str| fs::read(case.join(file)).ok();
    let sandbox = Sandbox::new();
    let before = read("in.json");
    if let Some(before) = &before {
        sandbox.lay(".claude.json", before);
    }
    let args = String::from_utf8(read("args").unwrap()).unwrap();
    let args: Vec<&str> = args.lines().collect();
    let ran = sandbox.cck(&args).stdin(KEY).run();
    let after = fs::read(sandbox.config()).ok();
    let text = |bytes: &Option<Vec<u8>>| {
        bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    match read("stderr") {
        Some(words) => {
            let words = String::from_utf8(words).unwrap();
            ran.code(2).err(&words.lines().collect::<Vec<_>>());
            assert_eq!(text(&after), text(&before), "{name}: a failed edit changed the file");
        }
        None => {
            ran.code(0);
            assert_eq!(text(&after), text(&read("out.json")), "{name}");
            assert_eq!(mode(&sandbox.config()), 0o600, "{name}");
        }
    }
    let left = sandbox.names();
    assert!(
        left.iter().all(|name| name == ".claude.json" || name == ".local"),
        "{name} left {left:?}"
    );
}
