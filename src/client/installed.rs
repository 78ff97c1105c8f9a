//! The client that is installed: which version, how it was installed, and where. Nothing is run to learn it.
//!
//! Seen with real installations: npm (2.0.77, 2.1.112, 2.1.200, 2.1.332), and with their data elsewhere bun 1, pnpm 12, yarn 1
//! and mise 2026.9. The others follow what their installers document: the native installer's `versions/VERSION`, Homebrew's
//! Caskroom, the editors' extension directories, and the shims of volta, asdf and nodenv.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Client, Json, Launcher, NEWEST};
use crate::context::Context;
use crate::disk;

/// What npm calls the client.
pub(crate) const PACKAGE: &str = "@anthropic-ai/claude-code";

/// A program file, or its script, is not read further than this to find what it starts.
const MAX_SCRIPT_BYTES: u64 = 16 << 10;

/// How many scripts may start one another.
const MAX_SCRIPTS: u8 = 3;

const MAX_PACKAGE_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    pub version: Option<String>,
    pub installed_by: &'static str,
    pub path: PathBuf,
}

impl Installed {
    pub(crate) fn client(&self) -> Option<Client> {
        self.version.as_deref()?.parse().ok()
    }
}

#[derive(Debug, Default)]
pub struct Search {
    pub client: Option<Installed>,
    /// What looks like a client and cannot be started: where, and what is wrong with it.
    pub unusable: Vec<(PathBuf, Fault)>,
}

/// The client that is asked about, for reports.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The version whose rules hold, if it is known.
    pub version: Option<String>,
    /// None if the version was named, or no client was found.
    pub installed_by: Option<&'static str>,
    pub path: Option<PathBuf>,
    /// Other clients on this machine, if they were asked for.
    pub others: Vec<Installed>,
    pub note: Option<String>,
}

impl Report {
    /// The version, how it was installed, and what there is to say about it, in a few words.
    pub(crate) fn text(&self) -> String {
        let by = self.installed_by.map_or_else(String::new, |by| format!(" ({by})"));
        match (&self.version, &self.note) {
            (Some(version), None) => format!("Claude Code {version}{by}"),
            (Some(version), Some(note)) => format!("Claude Code {version}{by}, {note}"),
            (None, note) => format!("Claude Code {}", note.as_deref().unwrap_or_default()),
        }
    }
}

/// The client whose rules hold: that version, else the one that was found, else the newest known.
pub(crate) fn choose(named: Option<Client>, search: &Search) -> (Client, Report) {
    if let Some(client) = named {
        return (client, Report { version: Some(client.to_string()), ..Report::default() });
    }
    let mut report = Report::default();
    let client = search.client.as_ref().and_then(Installed::client);
    let unknown = match (&search.client, client) {
        (None, _) => "not found",
        (_, None) => "of unknown version",
        (_, Some(client)) if client > NEWEST => "newer than cck knows",
        _ => "",
    };
    if let Some(Installed { version, installed_by, path }) = search.client.clone() {
        (report.version, report.installed_by, report.path) =
            (version, Some(installed_by), Some(path));
    }
    report.note = (!unknown.is_empty()).then(|| format!("{unknown}; rules of {NEWEST}"));
    (client.unwrap_or(Client::V2), report)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Dangling,
    Directory,
    /// A FIFO, a device or a socket.
    Special,
    NotExecutable,
}

/// Finds the client that `program` (default: `claude`) starts. The editor has a copy of its own.
pub(crate) fn find(
    context: &Context,
    program: Option<&OsStr>,
    launcher: Option<Launcher>,
) -> Search {
    let mut search = Search::default();
    let home = context.home();
    if launcher == Some(Launcher::Vscode) {
        search.client = home.as_deref().and_then(|home| in_extensions(home).into_iter().next());
        if search.client.is_some() {
            return search;
        }
    }
    let program = Path::new(program.unwrap_or(OsStr::new("claude")));
    let candidates = match (program.file_name(), program.components().count()) {
        // "", "." and the like name no program.
        (None, _) => Vec::new(),
        (_, 1) => on_path(context, program),
        _ => vec![context.cwd().join(program)],
    };
    for path in candidates.into_iter().filter(|path| fs::symlink_metadata(path).is_ok()) {
        match fault(&path) {
            Some(fault) => search.unusable.push((path, fault)),
            None => {
                search.client = Some(identify(&path, home.as_deref()));
                break;
            }
        }
    }
    search
}

/// The program that a word of a command line names, be it a script for `node`.
pub(crate) fn named(word: &OsStr, context: &Context) -> Option<Installed> {
    let search = find(context, Some(word), None);
    let mut unusable = search.unusable.iter();
    let script = || {
        let (path, _) = unusable.find(|(_, fault)| *fault == Fault::NotExecutable)?;
        Some(identify(path, context.home().as_deref()))
    };
    search.client.or_else(script)
}

/// The clients that are installed other than that one, in the places where they are usually put.
pub(crate) fn others(context: &Context, client: Option<&Installed>) -> Vec<Installed> {
    const IN_HOME: [&str; 4] =
        [".local/bin/claude", ".claude/local/claude", ".bun/bin/claude", ".volta/bin/claude"];
    let home = context.home();
    let home = home.as_deref();
    let mut paths = on_path(context, Path::new("claude"));
    paths.extend(IN_HOME.iter().filter_map(|path| Some(home?.join(path))));
    paths.extend(["/opt/homebrew/bin/claude", "/usr/local/bin/claude"].map(PathBuf::from));
    paths.retain(|path| fault(path).is_none());
    let mut found: Vec<Installed> = Vec::new();
    let all = paths.iter().map(|path| identify(path, home));
    for other in all.chain(home.map(in_extensions).unwrap_or_default()) {
        if client.into_iter().chain(&found).all(|known| !is_same(&known.path, &other.path)) {
            found.push(other);
        }
    }
    found
}

fn on_path(context: &Context, program: &Path) -> Vec<PathBuf> {
    context.on_path(program).into_iter().map(|file| context.cwd().join(file)).collect()
}

fn fault(path: &Path) -> Option<Fault> {
    match fs::metadata(path) {
        Err(_) => Some(Fault::Dangling),
        Ok(metadata) if metadata.is_dir() => Some(Fault::Directory),
        Ok(metadata) if !metadata.is_file() => Some(Fault::Special),
        Ok(_) => (!disk::is_program(path)).then_some(Fault::NotExecutable),
    }
}

fn identify(path: &Path, home: Option<&Path>) -> Installed {
    let (version, installed_by) = origin(path, home, MAX_SCRIPTS).unzip();
    Installed { version, installed_by: installed_by.unwrap_or("unknown"), path: path.to_path_buf() }
}

/// How the program at `path` was installed; it may be a script that starts another, which may be one too.
fn origin(path: &Path, home: Option<&Path>, scripts: u8) -> Option<Origin> {
    let real = disk::real(path).ok()?;
    let script = || by_script(&real, home, scripts.checked_sub(1)?);
    by_place(&real).or_else(script).or_else(|| by_root(path, &real))
}

type Origin = (String, &'static str);

/// What the path itself says, or the package that the file is in.
fn by_place(real: &Path) -> Option<Origin> {
    let parts: Vec<&str> = real.iter().filter_map(OsStr::to_str).collect();
    let has = |name: &str| parts.contains(&name);
    if let [.., "versions", version] = parts[..]
        && is_version(version)
    {
        return Some((version.to_owned(), "native"));
    }
    let versioned = parts.windows(2).find_map(|pair| {
        let after = || pair[1].split_once("claude-code-").map_or("", |(_, rest)| rest);
        let (version, by) = match pair[0] {
            // Caskroom/claude-code/2.1.332
            cask if cask.starts_with("claude-code") && has("Caskroom") => (pair[1], "homebrew"),
            // installs/claude/2.1.332, put on PATH by `mise activate`
            "claude" | "claude-code" if has("installs") => (pair[1], "mise"),
            // extensions/anthropic.claude-code-2.1.332-linux-x64
            _ if pair[1].starts_with("anthropic.claude-code-") => (after(), "editor"),
            // /nix/store/HASH-claude-code-2.1.332
            "store" => (after(), "nix"),
            _ => return None,
        };
        let version = version.split('-').next().filter(|version| is_version(version))?;
        Some((version.to_owned(), by))
    });
    if versioned.is_some() {
        return versioned;
    }
    let lies_in = |place: &str| {
        let place: Vec<&str> = place.split('/').collect();
        parts.windows(place.len()).any(|part| part == place)
    };
    let by = PACKAGES.iter().find(|(place, _)| lies_in(place)).map_or("npm", |(_, by)| by);
    let mut packages = real.ancestors().skip(1).take(4);
    Some((packages.find_map(|dir| package(&dir.join("package.json")))?, by))
}

/// What a package's path has in it, and who put it there.
const PACKAGES: [(&str, &str); 7] = [
    ("install/global/node_modules", "bun"),
    ("npm-anthropic-ai-claude-code", "mise"),
    ("pnpm", "pnpm"),
    (".pnpm", "pnpm"),
    ("links/@anthropic-ai", "pnpm"),
    ("yarn/global", "yarn"),
    (".claude/local", "npm-local"),
];

/// The version in a package.json, if it is the client's.
fn package(path: &Path) -> Option<String> {
    let text = disk::read_text(path, MAX_PACKAGE_BYTES)?;
    let [name, version] = Json::pick(&text, ["name", "version"]).ok()?;
    let name = name?.string()?;
    let is_it = name == PACKAGE || name.starts_with("@anthropic-ai/claude-code-");
    version?.string().filter(|version| is_it && is_version(version))
}

/// A version manager's shim, or a copy of the program: the versions below the directory that `bin` or `shims` is in,
/// wherever that is. Of several the newest is named.
fn by_root(path: &Path, real: &Path) -> Option<Origin> {
    let root = path.parent()?.parent()?;
    let is_mise = real.file_stem() == Some(OsStr::new("mise"));
    let manager = if is_mise { "mise" } else { "asdf" };
    let places = [
        ("native", "share/claude/versions"),
        ("volta", "tools/image/packages/@anthropic-ai"),
        (manager, "installs/claude"),
        (manager, "installs/claude-code"),
        (manager, "installs/npm-anthropic-ai-claude-code"),
        (manager, "installs/node"),
        (manager, "installs/nodejs"),
        ("nodenv", "versions"),
    ];
    places.iter().find_map(|(by, place)| {
        let version = |dir: &PathBuf| {
            let file = dir.join("lib/node_modules").join(PACKAGE).join("package.json");
            // A directory of the client's own, not of Node.
            let name = dir.file_name()?.to_str().filter(|name| is_version(name));
            package(&file).or_else(|| name.filter(|_| place.contains("claude")).map(str::to_owned))
        };
        let versions = entries(&root.join(place));
        let versions = versions.iter().filter_map(version);
        Some((versions.max_by_key(|version| version.parse::<Client>().ok())?, *by))
    })
}

/// A small script that starts the client: that of pnpm, of npm on Windows, of the local installation, the user's own.
fn by_script(real: &Path, home: Option<&Path>, scripts: u8) -> Option<Origin> {
    let text = disk::read_text(real, MAX_SCRIPT_BYTES)?;
    let dir = real.parent();
    let starts = [(["$basedir/", "%dp0%/", "%~dp0/"], dir), (["$HOME/", "${HOME}/", "~/"], home)];
    text.split(['"', '\'', ' ', '\n', '\r', '\t']).find_map(|word| {
        let word = word.replace('\\', "/");
        let named = starts.iter().find_map(|(starts, dir)| {
            Some((*dir)?.join(starts.iter().find_map(|start| word.strip_prefix(start))?))
        });
        let file = named.unwrap_or_else(|| dir.unwrap_or(real).join(&word));
        let is_other = word.contains("claude") && file.is_file() && !is_same(&file, real);
        is_other.then(|| origin(&file, home, scripts))?
    })
}

/// The copies that come with the editors' extension, newest first.
fn in_extensions(home: &Path) -> Vec<Installed> {
    let native = if cfg!(windows) { "claude.exe" } else { "claude" };
    let copy = |dir: PathBuf| {
        let name = dir.file_name()?.to_str()?.to_ascii_lowercase();
        let native = dir.join("resources/native-binary").join(native);
        let script = dir.join("resources/claude-code/cli.js");
        let path = [native, script].into_iter().find(|path| path.is_file())?;
        let (version, installed_by) =
            by_place(&path).filter(|_| name.starts_with("anthropic.claude-code-"))?;
        Some(Installed { version: Some(version), installed_by, path })
    };
    // .vscode, .vscode-server, .cursor, .windsurf, .vscodium-server, …
    let homes = entries(home).into_iter().filter(|dir| disk::is_hidden(dir));
    let dirs = homes.flat_map(|dir| entries(&dir.join("extensions")));
    let mut found: Vec<Installed> = dirs.filter_map(copy).collect();
    found.sort_by_key(|installed| std::cmp::Reverse(installed.client()));
    found
}

/// Whether it is a whole version, such as 2.1.332.
fn is_version(text: &str) -> bool {
    text.split('.').count() == 3 && text.parse::<Client>().is_ok() && !text.contains('x')
}

fn is_same(one: &Path, other: &Path) -> bool {
    disk::real(one).is_ok_and(|one| disk::real(other).is_ok_and(|other| one == other))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    disk::entries(dir).unwrap_or_default()
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test lays its files")]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Machine {
            Machine(tempfile::tempdir().unwrap())
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn lay(&self, path: &str, text: &str) {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn link(&self, to: &str, path: &str) {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(to, path).unwrap();
        }

        fn package(&self, dir: &str, version: &str) {
            let text = format!(r#"{{"name":"{PACKAGE}","version":"{version}","bin":{{}}}}"#);
            self.lay(&format!("{dir}/node_modules/{PACKAGE}/package.json"), &text);
        }

        fn find(&self, path: &str) -> Search {
            self.find_as(path, None)
        }

        fn find_as(&self, path: &str, launcher: Option<Launcher>) -> Search {
            let dirs: Vec<PathBuf> = path.split(':').map(|dir| self.at(dir)).collect();
            let path = std::env::join_paths(dirs).unwrap().into_string().unwrap();
            let home = self.at("");
            let vars = [("PATH", &*path), ("HOME", home.to_str().unwrap())];
            find(&Context::for_test(&[], &vars, &home, &home), None, launcher)
        }
    }

    fn seen(search: &Search) -> Option<(&str, &str)> {
        let client = search.client.as_ref()?;
        Some((client.version.as_deref().unwrap_or("?"), client.installed_by))
    }

    #[test]
    fn each_way_of_installing_is_recognised() {
        let machine = Machine::new();
        machine.lay(".local/share/claude/versions/2.1.332", "\u{7f}ELF");
        machine.link("../share/claude/versions/2.1.332", ".local/bin/claude");
        assert_eq!(seen(&machine.find(".local/bin")), Some(("2.1.332", "native")));

        machine.package("nvm/v20/lib", "2.1.112");
        machine.lay(&format!("nvm/v20/lib/node_modules/{PACKAGE}/cli.js"), "#!/usr/bin/env node");
        machine.link(&format!("../lib/node_modules/{PACKAGE}/cli.js"), "nvm/v20/bin/claude");
        assert_eq!(seen(&machine.find("nvm/v20/bin")), Some(("2.1.112", "npm")));

        machine.package("project", "2.1.200");
        machine.lay(&format!("project/node_modules/{PACKAGE}/bin/claude.exe"), "\u{7f}ELF");
        let target = format!("../{PACKAGE}/bin/claude.exe");
        machine.link(&target, "project/node_modules/.bin/claude");
        assert_eq!(seen(&machine.find("project/node_modules/.bin")), Some(("2.1.200", "npm")));

        machine.package(".claude/local", "1.0.128");
        machine.lay(&format!(".claude/local/node_modules/{PACKAGE}/cli.js"), "");
        let target = format!("../{PACKAGE}/cli.js");
        machine.link(&target, ".claude/local/node_modules/.bin/claude");
        let bin = machine.at(".claude/local/node_modules/.bin/claude");
        let script = format!("#!/bin/bash\nexec \"{}\" \"$@\"\n", bin.display());
        machine.lay(".claude/local/claude", &script);
        assert_eq!(seen(&machine.find(".claude/local")), Some(("1.0.128", "npm-local")));

        machine.lay("brew/Caskroom/claude-code/2.0.77/claude", "\u{7f}ELF");
        machine.link("../Caskroom/claude-code/2.0.77/claude", "brew/bin/claude");
        assert_eq!(seen(&machine.find("brew/bin")), Some(("2.0.77", "homebrew")));

        machine.package("share/pnpm/global/5", "2.1.80");
        machine.lay(&format!("share/pnpm/global/5/node_modules/{PACKAGE}/cli.js"), "");
        let script = format!(
            "#!/bin/sh\nexec node  \"$basedir/global/5/node_modules/{PACKAGE}/cli.js\" \"$@\"\n"
        );
        machine.lay("share/pnpm/claude", &script);
        assert_eq!(seen(&machine.find("share/pnpm")), Some(("2.1.80", "pnpm")));

        let volta = format!(".volta/tools/image/packages/{PACKAGE}/lib");
        machine.package(&volta, "2.1.97");
        machine.lay(".volta/bin/volta-shim", "\u{7f}ELF");
        machine.link("volta-shim", ".volta/bin/claude");
        assert_eq!(seen(&machine.find(".volta/bin")), Some(("2.1.97", "volta")));

        machine.package(".asdf/installs/nodejs/20.1.0/lib", "2.1.81");
        machine.package(".asdf/installs/nodejs/22.1.0/lib", "2.1.83");
        machine
            .lay(".asdf/shims/claude", "#!/usr/bin/env bash\nexec asdf exec \"claude\" \"$@\"\n");
        assert_eq!(seen(&machine.find(".asdf/shims")), Some(("2.1.83", "asdf")));

        machine.lay(".local/share/mise/installs/claude/2.1.140/claude", "\u{7f}ELF");
        machine.lay("usr/bin/mise", "\u{7f}ELF");
        machine.link("../../../../usr/bin/mise", ".local/share/mise/shims/claude");
        let shims = machine.find(".local/share/mise/shims");
        assert_eq!(seen(&shims), Some(("2.1.140", "mise")));

        // Their data lies elsewhere.
        machine.package("v/tools/image/packages/@anthropic-ai/claude-code/lib", "2.1.98");
        machine.lay("usr/libexec/volta-shim", "\u{7f}ELF");
        machine.link("../../usr/libexec/volta-shim", "v/bin/claude");
        assert_eq!(seen(&machine.find("v/bin")), Some(("2.1.98", "volta")));

        machine.package("data/installs/nodejs/20.1.0/lib", "2.1.85");
        machine.lay("data/shims/claude", "#!/usr/bin/env bash\nexec asdf exec \"claude\" \"$@\"\n");
        assert_eq!(seen(&machine.find("data/shims")), Some(("2.1.85", "asdf")));

        machine.package("env/versions/20.1.0/lib", "2.1.86");
        machine.lay("env/shims/claude", "#!/bin/sh\nexec nodenv exec \"${0##*/}\" \"$@\"\n");
        assert_eq!(seen(&machine.find("env/shims")), Some(("2.1.86", "nodenv")));

        fs::create_dir_all(machine.at("m/installs/npm-anthropic-ai-claude-code/2.1.112")).unwrap();
        machine.link("../../usr/bin/mise", "m/shims/claude");
        assert_eq!(seen(&machine.find("m/shims")), Some(("2.1.112", "mise")));
        machine.lay("m/installs/claude/2.1.141/claude", "\u{7f}ELF");
        assert_eq!(seen(&machine.find("m/installs/claude/2.1.141")), Some(("2.1.141", "mise")));

        for (place, link, by) in [
            ("b/install/global", "b/bin/claude", "bun"),
            ("c/yarn/global", "y/bin/claude", "yarn"),
            ("p/store/v11/links/@anthropic-ai/claude-code/2.1.112/abc", "q/claude", "pnpm"),
        ] {
            machine.package(place, "2.1.112");
            let script = format!("{place}/node_modules/{PACKAGE}/cli.js");
            machine.lay(&script, "");
            machine.link(machine.at(&script).to_str().unwrap(), link);
            let (dir, _) = link.rsplit_once('/').unwrap();
            assert_eq!(seen(&machine.find(dir)), Some(("2.1.112", by)));
        }

        // Scripts of the user's own, one of which starts the other.
        machine.lay("mine/claude", "#!/bin/sh\nexec \"$HOME/other/claude\" --verbose \"$@\"\n");
        machine.lay("other/claude", "#!/bin/sh\nexec ~/.local/bin/claude \"$@\"\n");
        assert_eq!(seen(&machine.find("mine")), Some(("2.1.332", "native")));
        machine.lay("other/claude", "#!/bin/sh\nexec ~/mine/claude \"$@\"\n");
        assert_eq!(seen(&machine.find("mine")), Some(("?", "unknown")));

        // On Windows the program is a copy, not a link.
        machine.lay("w/share/claude/versions/2.1.330", "MZ");
        machine.lay("w/bin/claude", "MZ");
        assert_eq!(seen(&machine.find("w/bin")), Some(("2.1.330", "native")));

        machine.lay("nix/store/abc-claude-code-2.1.15/bin/claude", "\u{7f}ELF");
        assert_eq!(
            seen(&machine.find("nix/store/abc-claude-code-2.1.15/bin")),
            Some(("2.1.15", "nix"))
        );
    }

    #[test]
    fn the_editor_starts_the_copy_that_came_with_it() {
        let machine = Machine::new();
        for version in ["2.1.99", "2.1.145"] {
            let dir = format!(".vscode/extensions/anthropic.claude-code-{version}-linux-x64");
            machine.lay(&format!("{dir}/resources/native-binary/claude"), "\u{7f}ELF");
        }
        machine.lay(".local/share/claude/versions/2.1.332", "\u{7f}ELF");
        machine.link("../share/claude/versions/2.1.332", ".local/bin/claude");
        let as_editor = machine.find_as(".local/bin", Some(Launcher::Vscode));
        assert_eq!(seen(&as_editor), Some(("2.1.145", "editor")));
        let dir = ".windsurf-server/extensions/anthropic.claude-code-2.1.146";
        machine.lay(&format!("{dir}/resources/native-binary/claude"), "\u{7f}ELF");
        let as_editor = machine.find_as(".local/bin", Some(Launcher::Vscode));
        assert_eq!(seen(&as_editor), Some(("2.1.146", "editor")));
        assert_eq!(seen(&machine.find(".local/bin")), Some(("2.1.332", "native")));
    }

    #[test]
    fn what_cannot_be_started_is_passed_over_and_named() {
        let machine = Machine::new();
        machine.link("nowhere", "a/claude");
        fs::create_dir_all(machine.at("b/claude")).unwrap();
        machine.lay("c/claude", "");
        fs::set_permissions(machine.at("c/claude"), fs::Permissions::from_mode(0o644)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            machine.at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        fs::create_dir(machine.at("d")).unwrap();
        fs::rename(machine.at("fifo"), machine.at("d/claude")).unwrap();
        machine.lay("e/claude", "#!/bin/sh\n");
        let search = machine.find("a:b:c:d:none:e");
        let faults: Vec<Fault> = search.unusable.iter().map(|(_, fault)| *fault).collect();
        let expected = [Fault::Dangling, Fault::Directory, Fault::NotExecutable, Fault::Special];
        assert_eq!(faults, expected);
        assert_eq!(seen(&search), Some(("?", "unknown")));
    }
}
