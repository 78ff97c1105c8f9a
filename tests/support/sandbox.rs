//! Namespaces. The test runs itself again without any network but loopback, and each program it starts sees its own
//! `/etc/claude-code`. Both take root, or user namespaces; without them a test still runs, but for managed settings.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::world::World;

const INSIDE: &str = "CCK_TEST_SANDBOX";

/// Runs the test `name` of this binary again in namespaces of its own, if that can be done and was not yet.
/// True where the test ran there, and passed: then there is nothing more to do out here.
pub fn entered(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    // As root, and as somebody who becomes root in a user namespace.
    for flags in [&["--net", "--mount"][..], &["--map-root-user", "--net", "--mount"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(flags).args(["sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
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
                .status()
                .expect("the test can be started again");
            assert!(status.success(), "{name} failed in its namespaces: see above");
            return true;
        }
    }
    eprintln!(
        "NOTE: no namespaces here: the clients can reach the network, and managed settings are not tested"
    );
    false
}

/// Whether programs can be given an `/etc/claude-code` of their own.
pub fn can_manage() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        Command::new("unshare")
            .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// A command whose program sees the world's `/etc/claude-code` and file descriptors, and has its environment.
pub fn command(program: &[String], world: &World, base_url: &str) -> Command {
    let mut words: Vec<String> = Vec::new();
    let mut script = String::from("set -e; w=$1; shift; ");
    if can_manage() {
        words.extend(["unshare".into(), "--mount".into()]);
        // `/etc` becomes links to what it was, so that nothing is left on the machine, not even a mount point.
        script.push_str(
            "mkdir -p \"$w/etc-host\"; mount --bind /etc \"$w/etc-host\"; mount -t tmpfs none /etc; \
             ln -s \"$w\"/etc-host/* /etc/; rm -f /etc/claude-code; cp -R \"$w/etc/claude-code\" /etc/; ",
        );
    }
    for fd in world.state.fds.keys() {
        script.push_str(&format!("exec {fd}<\"$w/fd{fd}\"; "));
    }
    script.push_str("exec \"$@\"");
    words.extend(["sh".into(), "-c".into(), script, "sh".into()]);
    words.push(world.root().to_string_lossy().into_owned());
    words.extend_from_slice(program);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().envs(world.env(base_url)).current_dir(world.cwd());
    command
}
