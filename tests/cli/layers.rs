//! The order of the modules, from bottom to top: a module may only use those below it.

use std::fs;
use std::path::{Path, PathBuf};

/// A new module gets its place here.
const ORDER: [&str; 23] = [
    "error", "process", "output", "context", "shell", "signals", "json", "disk", "private",
    "document", "store", "key", "profile", "client", "records", "http", "admin", "broker",
    "report", "commands", "cli", "lib", "main",
];

#[test]
fn a_module_uses_only_those_below_it() {
    for file in files(Path::new("src")) {
        let module = module(&file);
        for used in used(&fs::read_to_string(&file).unwrap()) {
            let upward = place(used) > place(&module);
            assert!(!upward, "{} uses {used}, which is above {module}", file.display());
        }
    }
}

fn place(module: &str) -> usize {
    let place = ORDER.iter().position(|name| *name == module);
    place.unwrap_or_else(|| panic!("{module} has no place in ORDER of tests/cli/layers.rs"))
}

/// The top-level module that a file belongs to.
fn module(file: &Path) -> String {
    let first = file.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a file uses, its unit tests left out.
fn used(text: &str) -> Vec<&str> {
    let end = text.find("\nmod tests {").unwrap_or(text.len());
    let code = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut used = Vec::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            // A macro stands at the root of the crate.
            if !name.is_empty() && !rest[name.len()..].starts_with('!') {
                used.push(name);
            }
            assert!(!rest.starts_with('{'), "one module per use, so that its place can be checked");
        }
    }
    used
}

/// The source files, test modules left out.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "tests" {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_stem().unwrap() != "tests"
        {
            found.push(path);
        }
    }
    found
}
