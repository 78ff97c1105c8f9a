//! Which files the client reads, and why those. Pure: nothing here touches the disk.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::{Client, Rule, names};
use crate::context::{Context, Platform};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ChosenBy {
    #[default]
    #[serde(rename = "default")]
    Default,
    /// `$CLAUDE_CONFIG_DIR/.claude.json`.
    #[serde(rename = "CLAUDE_CONFIG_DIR")]
    ConfigDir,
    /// `<claude dir>/.config.json`, which replaces the others where it exists.
    #[serde(rename = "legacy")]
    Legacy,
    #[serde(rename = "--config-file")]
    Flag,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is, or would be made.
    pub path: PathBuf,
    pub chosen_by: ChosenBy,
}

/// Where everything that the client reads is below: the same for all versions.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    pub project: PathBuf,
    home: PathBuf,
    /// `$CLAUDE_CONFIG_DIR` as it is set, be it empty.
    config_dir: Option<PathBuf>,
    custom_oauth: bool,
    config_override: Option<PathBuf>,
    managed: PathBuf,
    /// Where older clients look for managed settings on Windows.
    program_data: Option<PathBuf>,
    well_known: PathBuf,
}

impl Roots {
    /// The roots for a client started in `project` (default: the working directory).
    pub fn locate(
        context: &Context,
        project: Option<&Path>,
        config_override: Option<&Path>,
    ) -> anyhow::Result<Roots> {
        let cwd = context.cwd();
        let config_dir = context.var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
        let home = match (&config_dir, config_override) {
            // With the file named, only the claude directory depends on HOME, and it may be absent.
            (_, Some(file)) => context.home().or_else(|| file.parent().map(|dir| cwd.join(dir))),
            (Some(dir), None) if !dir.as_os_str().is_empty() => context.home(),
            _ => Some(context.require_home()?),
        };
        Ok(Roots {
            project: project.map_or_else(|| cwd.to_path_buf(), |project| cwd.join(project)),
            home: home.unwrap_or_else(|| cwd.to_path_buf()),
            config_dir,
            custom_oauth: context.var_os(names::OAUTH_URL).is_some_and(|url| !url.is_empty()),
            config_override: config_override.map(|file| cwd.join(file)),
            managed: context.managed.to_path_buf(),
            // Where the directory under Program Files is missing (2.0.77 under Wine, observed 2026-11-25).
            program_data: Some(context.etc.join("ClaudeCode"))
                .filter(|_| context.platform() == Platform::Windows && !context.managed.is_dir()),
            // Beside `/etc`, so that a test's stand-in for that has its own.
            well_known: context.etc.with_file_name("home").join("claude/.claude/remote"),
        })
    }

    pub fn paths(&self, client: Client) -> Paths {
        let project = self.project.clone();
        // An empty one makes the directory that the client starts in the claude directory, and leaves the global config
        // at home; to 0.2.109 it is as unset (1.0.128, 2.0.77 and 2.1.330, observed 2026-11-24).
        let set = self.config_dir.as_ref();
        let is_here = !client.is_v0() && set.is_some_and(|dir| dir.as_os_str().is_empty());
        let config_dir_var = set.filter(|dir| !dir.as_os_str().is_empty()).cloned();
        let name = if self.custom_oauth && client.has(Rule::CustomOauthUrlIsKnown) {
            ".claude-custom-oauth.json"
        } else if client.is_v0() && config_dir_var.is_some() {
            // 0.2.109, observed 2026-11: no dot, no `.claude` in the name.
            "config.json"
        } else {
            ".claude.json"
        };
        let claude_dir = match &config_dir_var {
            // A relative one is taken from the directory the client starts in (2.1.330, observed 2026-11).
            Some(dir) => project.join(without_dots(dir)),
            None if is_here => project.clone(),
            None => self.home.join(".claude"),
        };
        let config_dir = if config_dir_var.is_some() { &claude_dir } else { &self.home };
        let managed = match &self.program_data {
            Some(dir) if !client.has(Rule::ProgramDataIsIgnored) => dir,
            _ => &self.managed,
        };
        let dot_claude = project.join(".claude");
        // 0.2.109 ignores a login in $CLAUDE_CONFIG_DIR (observed 2026-11).
        let login_dir = if client.is_v0() { self.home.join(".claude") } else { claude_dir.clone() };
        Paths {
            global_config: config_dir.join(name),
            legacy_config: (!client.is_v0()).then(|| claude_dir.join(".config.json")),
            config_override: self.config_override.clone(),
            user_settings: claude_dir.join("settings.json"),
            project_settings: dot_claude.join("settings.json"),
            local_settings: dot_claude.join("settings.local.json"),
            managed_settings: managed.join("managed-settings.json"),
            server_settings: claude_dir.join("remote-settings.json"),
            credentials: login_dir.join(".credentials.json"),
            well_known: self.well_known.clone(),
            claude_dir,
            config_dir_var,
            project,
        }
    }

    /// The stored login where CLAUDE_SECURESTORAGE_CONFIG_DIR is set so. Empty it means the usual directory, whatever
    /// CLAUDE_CONFIG_DIR is (2.1.332, observed 2026-11-26).
    pub(crate) fn login_file(&self, dir: &str) -> PathBuf {
        let dir = if dir.is_empty() { self.home.join(".claude") } else { self.project.join(dir) };
        dir.join(".credentials.json")
    }
}

#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// `$CLAUDE_CONFIG_DIR` as it is set, if it is set and not empty. The client expands nothing in it.
    pub config_dir_var: Option<PathBuf>,
    /// `$CLAUDE_CONFIG_DIR`, else `~/.claude`; where that variable is empty, the project.
    pub claude_dir: PathBuf,
    /// The global config, were there no legacy config.
    pub global_config: PathBuf,
    /// `<claude dir>/.config.json`; none for the 0.2.x client, which does not look there.
    pub legacy_config: Option<PathBuf>,
    pub config_override: Option<PathBuf>,
    pub user_settings: PathBuf,
    pub project_settings: PathBuf,
    pub local_settings: PathBuf,
    /// `/etc/claude-code/managed-settings.json`; elsewhere in the system's own place.
    pub managed_settings: PathBuf,
    /// `<claude dir>/remote-settings.json`: the server-managed settings as they were last fetched.
    pub server_settings: PathBuf,
    pub credentials: PathBuf,
    /// `/home/claude/.claude/remote`: the key and token files of a cloud session.
    pub well_known: PathBuf,
    pub project: PathBuf,
}

impl Paths {
    /// The file that holds the config. `exists` tells whether a path exists, for the legacy config.
    pub fn config_file(&self, exists: impl Fn(&Path) -> bool) -> ConfigFile {
        let legacy = self.legacy_config.as_ref().filter(|path| exists(path));
        let (path, chosen_by) = match (&self.config_override, legacy) {
            (Some(path), _) => (path, ChosenBy::Flag),
            (None, Some(path)) => (path, ChosenBy::Legacy),
            _ if self.config_dir_var.is_some() => (&self.global_config, ChosenBy::ConfigDir),
            _ => (&self.global_config, ChosenBy::Default),
        };
        ConfigFile { path: path.clone(), chosen_by }
    }
}

/// The path without `.` and `..`, by its text alone: to the client `missing/../x` is `x`, and a link before `..` is not
/// followed (2.0.77, 2.1.330, observed 2026-11-24).
fn without_dots(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        match (part, short.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => _ = short.pop(),
            _ => short.push(part),
        }
    }
    short
}

/// The name under which the config has what is said of a project (2.0.77, read off its code, 2026-11-24: slashes on Windows,
/// too).
pub(crate) fn project_key(project: &Path) -> Option<Cow<'_, str>> {
    let text = project.to_str()?;
    Some(if cfg!(windows) { Cow::Owned(text.replace('\\', "/")) } else { Cow::Borrowed(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn locate(vars: &[(&str, &str)], client: Client, legacy: bool) -> (String, ChosenBy) {
        let context = Context::for_test(&[], vars, Path::new("/cwd"), Path::new("/etc"));
        let paths = Roots::locate(&context, None, None).unwrap().paths(client);
        let file = paths.config_file(|_| legacy);
        (file.path.display().to_string(), file.chosen_by)
    }

    /// One row a rule of the client's paths (0.2.109, 1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    #[test]
    #[cfg(unix)]
    fn the_config_is_where_the_client_looks() {
        let home = ("HOME", "/home/u");
        let rows: [(&[_], _, _, _, _); 12] = [
            (&[home], Client::V2, false, "/home/u/.claude.json", ChosenBy::Default),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "")],
                Client::V2,
                false,
                "/home/u/.claude.json",
                ChosenBy::Default,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "/c")],
                Client::V2,
                false,
                "/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[("CLAUDE_CONFIG_DIR", "/c")],
                Client::V2,
                false,
                "/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "c")],
                Client::V2,
                false,
                "/cwd/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "/home/u/none/.././/../c/")],
                Client::V2,
                false,
                "/home/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "/../../c")],
                Client::V2,
                false,
                "/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "c/../../../c")],
                Client::V2,
                false,
                "/cwd/../../c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "~/c")],
                Client::V2,
                false,
                "/cwd/~/c/.claude.json",
                ChosenBy::ConfigDir,
            ),
            (
                &[home],
                Client::at(1, 0, 128),
                true,
                "/home/u/.claude/.config.json",
                ChosenBy::Legacy,
            ),
            (&[home], Client::at(0, 2, 109), true, "/home/u/.claude.json", ChosenBy::Default),
            (
                &[home, ("CLAUDE_CONFIG_DIR", "/c")],
                Client::at(0, 2, 109),
                true,
                "/c/config.json",
                ChosenBy::ConfigDir,
            ),
        ];
        for (vars, client, legacy, path, chosen_by) in rows {
            assert_eq!(locate(vars, client, legacy), (path.to_owned(), chosen_by), "{vars:?}");
        }
    }

    #[test]
    fn without_home_there_is_an_error_unless_the_place_is_named() {
        let context = Context::for_test(&[], &[], Path::new("/cwd"), Path::new("/none"));
        assert!(Roots::locate(&context, None, None).is_err());
        let paths =
            Roots::locate(&context, None, Some(Path::new("x.json"))).unwrap().paths(Client::V2);
        assert_eq!(paths.config_file(|_| true).path, Path::new("/cwd/x.json"));
    }
}
