//! Namespaces. The test runs itself again without any network but loopback, in a root of its own that has the machine's
//! files, and each program it starts there has its own `/etc/claude-code`, `/home/claude`, hosts file and managed settings of
//! a Mac. That takes root, or user namespaces; without them a test still runs, except for states that need such files.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::install;
use super::world::World;

const INSIDE: &str = "CCK_TEST_SANDBOX";

/// Makes a root of everything there is, with the mount points that the programs' own files are laid on, so that none is
/// left on the machine. `/etc` is links to what it was.
const ROOT: &str = r#"set -e
root=$1 here=$PWD; shift
ip link set lo up
mount -t tmpfs none "$root"
for path in /*; do
  if [ -L "$path" ]; then cp -P "$path" "$root/"
  elif [ -d "$path" ]; then case $path in
    /etc | /home | /Library) ;;
    *) mkdir "$root$path"; mount --rbind "$path" "$root$path" ;;
  esac; fi
done
mkdir "$root/etc" "$root/etc.host" "$root/home"
mount --rbind /etc "$root/etc.host"
for path in /etc/*; do ln -s "/etc.host/${path#/etc/}" "$root/etc/"; done
rm -f "$root/etc/claude-code" "$root/etc/hosts"
echo 127.0.0.1 localhost >"$root/etc/hosts"
for path in /home/*; do
  if [ -d "$path" ] && [ "$path" != /home/claude ]; then mkdir "$root$path"; mount --rbind "$path" "$root$path"; fi
done
mkdir -p "$root/etc/claude-code" "$root/home/claude" "$root/Library/Application Support/ClaudeCode"
exec chroot "$root" sh -c 'cd "$1"; shift; exec "$@"' sh "$here" "$@""#;

/// Runs the test `name` of this binary again in namespaces of its own, if that can be done and was not yet.
/// True where the test ran there, and passed: then there is nothing more to do out here.
pub fn entered(name: &str) -> bool {
    if is_inside() {
        return false;
    }
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    // As root, and as someone who becomes root in a user namespace.
    for flags in [&["--net", "--mount"][..], &["--map-root-user", "--net", "--mount"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(flags).args(["sh", "-c", ROOT, "sh"]).arg(root.path());
            command
        };
        let works = unshare()
            .arg("true")
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if works {
            let status = unshare()
                .arg(std::env::current_exe().expect("a test has a path"))
                .args(["--exact", name, "--include-ignored", "--nocapture"])
                .env(INSIDE, "1")
                .env("CCK_TEST_SKIPPED", super::skip::notes())
                .status()
                .expect("the test can be started again");
            assert!(status.success(), "{name} failed in its namespaces: see above");
            return true;
        }
    }
    super::skip::because(
        "runs without namespaces: the client can reach the network, managed settings are not tried",
    );
    false
}

/// The same, for a test of this version of the client, which is installed before the network is gone.
/// True also if it cannot be installed, which is noted as skipped.
pub fn entered_with(version: &str, name: &str) -> bool {
    if let Err(error) = install::command(version) {
        super::skip::without(&format!("client {version} ({error})"));
        return true;
    }
    entered(name)
}

/// Whether this process is in namespaces of its own.
fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Whether programs can be given files of their own in `/etc/claude-code`, `/home/claude` and the like.
pub fn can_manage() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        is_inside()
            && Command::new("unshare")
                .args(["--mount", "mount", "-t", "tmpfs", "none", "/home/claude"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    })
}

/// Lays the files of one program, runs the state's own command, opens its file descriptors, and becomes the program.
const OWN: &str = r#"set -e
base=$1; shift
mount -t tmpfs none /etc/claude-code
mount -t tmpfs none /home/claude
mac="/Library/Application Support/ClaudeCode"
mount -t tmpfs none "$mac"
cp -R "$base/etc/claude-code/." /etc/claude-code/
cp -R "$base/mac/." "$mac/"
mount --bind "$base/hosts" /etc/hosts
"#;

/// A command whose program sees the world's files and file descriptors, and has its environment.
pub fn command(program: &[String], world: &World, base_url: &str) -> Command {
    let mut words: Vec<String> = Vec::new();
    let mut script = String::from("base=$1; shift; ");
    if can_manage() {
        words.extend(["unshare".into(), "--mount".into()]);
        script = OWN.into();
    }
    if !world.state.setup.is_empty() {
        // A command of a recorded state may fail in part, as it did when it was recorded.
        script.push_str(
            "(cd \"$base/project\"; HOME=\"$base/home\" bash \"$base/setup\") 2>/dev/null || true; ",
        );
    }
    for fd in world.state.fds.keys() {
        script.push_str(&format!("exec {fd}<\"$base/fd{fd}\"; "));
    }
    script.push_str("exec \"$@\"");
    words.extend(["sh".into(), "-c".into(), script, "sh".into()]);
    words.push(world.root().to_string_lossy().into_owned());
    words.extend_from_slice(program);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().envs(world.env(base_url)).current_dir(world.cwd());
    command
}
