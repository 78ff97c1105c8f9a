//! File systems that are unlike a plain directory, and files that are more than their content.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::{Home, can_mount, key, text};

const BEFORE: &str =
    "{\n  \"userID\": \"abc\",\n  \"long\": \"0123456789012345678901234567890123456789\"\n}\n";

/// Lays `real` beside the config and mounts it in the config's place.
const BIND: &str = "mv $HOME/.claude.json $HOME/real; : > $HOME/.claude.json; mount --bind $HOME/real $HOME/.claude.json;";

#[test]
fn a_file_that_is_a_mount_point_is_written_in_place() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    fs::set_permissions(home.config(), fs::Permissions::from_mode(0o644)).unwrap();
    let inode = fs::metadata(home.config()).unwrap().ino();
    let run = home.in_namespace(&format!("{BIND} $CCK set-key; $CCK unset-key; $CCK set-key"));
    assert!(run.status.success(), "{}", text(&run.stderr));
    let real = fs::metadata(home.path().join("real")).unwrap();
    assert_eq!((real.ino(), real.mode() & 0o7777), (inode, 0o600));
    let content = fs::read_to_string(home.path().join("real")).unwrap();
    assert!(
        content.starts_with(&BEFORE[..BEFORE.len() - 3]) && content.contains(&key(1)),
        "{content}"
    );
    assert_eq!(home.names(), [".claude.json", "real"]);
}

/// tests/data/cases/k17: docker makes a directory for a file that the host lacks. It cannot be moved.
#[test]
fn a_directory_in_the_place_of_the_config_that_is_a_mount_is_not_to_be_moved() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    let make = "mkdir $HOME/real $HOME/.claude.json;";
    let mount = "mount --bind $HOME/real $HOME/.claude.json;";
    for (mount, words, other) in [(mount, "is a mount", " mv "), ("", " mv ", "is a mount")] {
        let run = home.in_namespace(&format!("{make} {mount} $CCK verify || exit $?"));
        assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
        let said = text(&run.stdout);
        assert!(said.contains(words) && !said.contains(other), "{said}");
        fs::remove_dir(home.path().join("real")).unwrap();
        fs::remove_dir(home.config()).unwrap();
    }
}

/// tests/data/cases/k17: the two that only a change meets. Each ends soon, and says what leads out.
#[test]
fn a_lock_that_is_a_mount_and_a_link_to_a_read_only_store_are_named() {
    if !can_mount() {
        return;
    }
    let lock = "mkdir $HOME/real $HOME/.claude.json.lock; touch -d '1 hour ago' $HOME/real; \
                mount --bind $HOME/real $HOME/.claude.json.lock;";
    let store = "mkdir $HOME/store; mv $HOME/.claude.json $HOME/store/; ln -s store/.claude.json $HOME/.claude.json; \
                 mount --bind $HOME/store $HOME/store; mount -o remount,bind,ro $HOME/store;";
    for (lay, words, never) in [
        (lock, "it is a mount, which cannot be taken over", "left by a crash"),
        (store, "set CLAUDE_CONFIG_DIR to a directory that can be written", "for writing"),
    ] {
        let home = Home::new();
        home.lay(BEFORE);
        let start = std::time::Instant::now();
        let run = home.in_namespace(&format!("{lay} $CCK set-key"));
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !said.contains(never), "{said}");
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

/// A file system without permissions takes a change of them and does nothing.
#[test]
fn a_file_system_that_ignores_permissions_is_warned_of() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    fs::set_permissions(home.config(), fs::Permissions::from_mode(0o644)).unwrap();
    let run = home.in_namespace(&format!(
        "{BIND} strace -f -qq -o /dev/null -e inject=fchmod,fchmodat,chmod:retval=0 $CCK set-key"
    ));
    if run.status.code() == Some(127) || text(&run.stderr).contains("ptrace") {
        return super::skip::without("strace");
    }
    assert!(run.status.success(), "{}", text(&run.stderr));
    let said = text(&run.stderr);
    assert!(said.contains("others can read") && said.contains("mode 0644"), "{said}");
}

/// Kills the run at each call that an in-place write makes: the next one must end what was begun.
#[test]
fn a_killed_write_in_place_is_ended_by_the_next_run() {
    if !can_mount() {
        return;
    }
    let calls = [
        "fsync:1",
        "unlinkat:1",
        "unlinkat:2",
        "write:1",
        "write:2",
        "write:3",
        "write:4",
        "write:5",
        "fsync:2",
        "fsync:3",
        "openat:8",
        "pwrite64:1",
    ];
    let more = ["pwrite64:2", "pwrite64:3", "ftruncate:1", "fsync:4", "unlinkat:3", "fsync:5"];
    let mut interrupted = 0;
    // set-key makes the file longer, unset-key shorter.
    for (command, first) in [("set-key", ""), ("unset-key", "$CCK set-key;")] {
        let clean = Home::new();
        clean.lay(BEFORE);
        assert!(clean.cck(&["set-key"], &key(1)).output().unwrap().status.success());
        if command == "unset-key" {
            assert!(clean.cck(&["unset-key"], &key(1)).output().unwrap().status.success());
        }
        let expected = fs::read_to_string(clean.config()).unwrap();
        for call in calls.iter().chain(&more) {
            let home = Home::new();
            home.lay(BEFORE);
            let (name, nth) = call.split_once(':').unwrap();
            let script = format!(
                "{BIND} {first} strace -f -qq -o /dev/null -e inject={name}:signal=KILL:when={nth} $CCK {command} || echo killed; \
                 stat -c '%n %a' $HOME/.*recovery* || true; cat $HOME/real; \
                 ! test -d $HOME/.claude.json.lock || touch -d '11 seconds ago' $HOME/.claude.json.lock; $CCK {command} >&2"
            );
            let run = home.in_namespace(&script);
            assert!(run.status.success(), "{call}: {}", text(&run.stderr));
            let has_copy = text(&run.stdout).contains("recovery");
            // For its owner alone, who has to be able to read it in the next run.
            assert!(!has_copy || text(&run.stdout).contains(".claude.json.cck-recovery 600\n"));
            interrupted += usize::from(has_copy);
            let content = fs::read_to_string(home.path().join("real")).unwrap();
            assert_eq!(content, expected, "{command} {call}: {}", text(&run.stdout));
            assert_eq!(home.names(), [".claude.json", "real"], "{command} {call}");
        }
    }
    println!(
        "{} points tried, {interrupted} of them left a recovery copy",
        2 * (calls.len() + more.len())
    );
    assert!(interrupted >= 6);
}

/// Makes HOME read-only, except for the config, which is a mount of `$R/real`, as containers have it.
const READ_ONLY: &str = "R=$HOME/r; mkdir $R; mount -t tmpfs none $R; mv $HOME/.claude.json $R/real; : > $HOME/.claude.json; \
                         mount --rbind $HOME $HOME; mount --bind $R/real $HOME/.claude.json; mount -o remount,bind,ro $HOME;";

/// The directories that a run may put its lock and its recovery copy into, as empty ones of this namespace.
const ASIDE: &str = "mount -t tmpfs none /var/tmp;";

#[test]
fn in_a_read_only_home_a_config_that_can_be_written_is_written_in_place() {
    if !can_mount() {
        return;
    }
    // The second time on a machine where only memory can be written.
    for aside in [ASIDE, "mount -t tmpfs -o ro none /var/tmp; mount -t tmpfs none /dev/shm;"] {
        let home = Home::new();
        home.lay(BEFORE);
        let script = format!(
            "{aside} {READ_ONLY} $CCK -q set-key; $CCK -q unset-key; $CCK -q set-key; \
             stat -c 'mode %a' $R/real; cat $R/real; find /var/tmp /dev/shm -path '*cck-0/*'"
        );
        let run = home.in_namespace(&script);
        assert!(run.status.success(), "{}", text(&run.stderr));
        let content = text(&run.stdout);
        let start = format!("mode 600\n{}", &BEFORE[..BEFORE.len() - 3]);
        assert!(content.starts_with(&start) && content.contains(&key(1)), "{content}");
        assert!(content.ends_with("}\n"), "something was left: {content}");
        assert_eq!(home.names(), [".claude.json", "r"]);
    }
    // What is read-only itself stays as it is.
    let home = Home::new();
    home.lay(BEFORE);
    let script =
        format!("{ASIDE} {READ_ONLY} mount -o remount,bind,ro $HOME/.claude.json; $CCK set-key");
    let run = home.in_namespace(&script);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("CLAUDE_CONFIG_DIR"), "{}", text(&run.stderr));
}

#[test]
fn a_killed_write_in_a_read_only_home_is_ended_by_the_next_run() {
    if !can_mount() {
        return;
    }
    let clean = Home::new();
    clean.lay(BEFORE);
    assert!(clean.cck(&["set-key"], &key(1)).output().unwrap().status.success());
    let expected = fs::read_to_string(clean.config()).unwrap();
    let mut interrupted = 0;
    for call in ["fsync:1", "fsync:2", "pwrite64:1", "pwrite64:2", "ftruncate:1", "unlinkat:2"] {
        let home = Home::new();
        home.lay(BEFORE);
        let (name, nth) = call.split_once(':').unwrap();
        let script = format!(
            "{ASIDE} {READ_ONLY} \
             strace -f -qq -o /dev/null -e inject={name}:signal=KILL:when={nth} $CCK set-key || echo killed; \
             find /var/tmp/cck-0 -name '*recovery*' -printf 'copy %m\n'; \
             find /var/tmp/cck-0 -name '*.lock' -exec touch -d '11 seconds ago' {{}} +; \
             $CCK set-key >&2; find /var/tmp/cck-0 -mindepth 1; cat $R/real"
        );
        let run = home.in_namespace(&script);
        assert!(run.status.success(), "{call}: {}", text(&run.stderr));
        let mut rest = text(&run.stdout);
        for line in ["killed\n", "copy 600\n"] {
            interrupted += usize::from(rest.starts_with("copy"));
            rest = rest.strip_prefix(line).unwrap_or(&rest).to_owned();
        }
        assert_eq!(rest, expected, "{call}");
    }
    assert!(interrupted >= 3, "only {interrupted} points left a recovery copy");
}

/// A write in place under sudo that was killed can be ended by the user whose file it is.
#[test]
fn a_recovery_copy_belongs_to_the_owner_of_the_file() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    let script = format!(
        "{BIND} cp $CCK $HOME/bin; chmod 755 $HOME $HOME/bin; chown 65534 $HOME $HOME/real; \
         strace -f -qq -o /dev/null -e inject=pwrite64:signal=KILL:when=1 $CCK set-key || true; \
         stat -c 'owner %u mode %a' $HOME/.claude.json.cck-recovery; rmdir $HOME/.claude.json.lock; \
         exec setpriv --reuid=65534 --regid=65534 --clear-groups $HOME/bin set-key"
    );
    let run = home.in_namespace(&script);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stdout).starts_with("owner 65534 mode 600\n"), "{}", text(&run.stdout));
    assert!(fs::read_to_string(home.path().join("real")).unwrap().contains(&key(1)));
    assert!(!home.names().contains(&".claude.json.cck-recovery".to_owned()));
}

/// Sets a key where the first rename answers so. Where strace cannot run, it says so.
fn set_key_where_rename_answers(home: &Home, error: &str) {
    let script =
        format!("strace -f -qq -o /dev/null -e inject=renameat2:error={error}:when=1 $CCK set-key");
    let run = home.shell(&script);
    if run.status.code() == Some(127) || text(&run.stderr).contains("ptrace") {
        return super::skip::without("strace");
    }
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(fs::read_to_string(home.config()).unwrap().contains(&key(1)));
    assert_eq!(home.names(), [".claude.json"]);
}

#[test]
fn a_rename_across_devices_is_written_in_place() {
    let home = Home::new();
    home.lay(BEFORE);
    set_key_where_rename_answers(&home, "EXDEV");
}

/// Not every file system can refuse to replace (`RENAME_NOREPLACE`), which a new file is given its name with.
#[test]
fn a_new_file_needs_no_rename_that_refuses_to_replace() {
    set_key_where_rename_answers(&Home::new(), "EINVAL");
}

#[test]
fn a_full_or_read_only_file_system_is_named_and_the_file_stays() {
    if !can_mount() {
        return;
    }
    for (limit, problem) in [
        ("dd if=/dev/zero of=$D/fill bs=4k >/dev/null 2>&1 || true", "no space left"),
        ("mount -o remount,ro $D", "read-only file system"),
    ] {
        let home = Home::new();
        fs::create_dir(home.path().join("d")).unwrap();
        let script = format!(
            "D=$HOME/d; mount -t tmpfs -o size=64k none $D; printf '{{\"a\":1}}' > $D/c; {limit}; \
             code=0; $CCK set-key --config-file $D/c || code=$?; cat $D/c; ls -A $D; exit $code"
        );
        let run = home.in_namespace(&script);
        assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
        assert!(text(&run.stderr).contains(problem), "{}", text(&run.stderr));
        let stdout = text(&run.stdout);
        assert!(
            stdout.starts_with("{\"a\":1}c\n")
                && !stdout.contains("cck")
                && !stdout.contains("lock"),
            "{stdout}"
        );
    }
}

/// Beside such a link no lock can be made, by the client neither; its target's is what matters.
#[test]
fn a_link_in_a_read_only_directory_is_followed() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    let script = "D=$HOME/d; mkdir $D; ln -s ../.claude.json $D/link; mount --bind $D $D; mount -o remount,bind,ro $D; \
                  $CCK set-key --config-file $D/link; test -L $D/link";
    let run = home.in_namespace(script);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(fs::read_to_string(home.config()).unwrap().contains(&key(1)));
    assert_eq!(home.names(), [".claude.json", "d"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    let script = "cp $CCK $HOME/bin; chmod 755 $HOME; chmod 555 $HOME/bin; chown 65534 $HOME/.claude.json; \
                  exec setpriv --reuid=65534 --regid=65534 --clear-groups $HOME/bin set-key";
    let run = home.in_namespace(script);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("cannot make the lock"), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("ls -ld"), "{}", text(&run.stderr));
    assert_eq!(fs::read_to_string(home.config()).unwrap(), BEFORE);
}

#[test]
fn under_sudo_files_stay_and_new_ones_become_their_users() {
    if !can_mount() {
        return;
    }
    let home = Home::new();
    home.lay(BEFORE);
    let script = "chown -R 65534:65534 $HOME; $CCK set-key; $CCK set-key --config-file $HOME/new/deep/c; \
                  cd $HOME; stat -c '%n %u:%g %a' .claude.json new new/deep new/deep/c; find . -user 0";
    let run = home.in_namespace(script);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let owners = text(&run.stdout);
    for line in [
        ".claude.json 65534:65534 600",
        "new 65534:65534 700",
        "new/deep 65534:65534 700",
        "new/deep/c 65534:65534 600",
    ] {
        assert!(owners.contains(line), "{owners}");
    }
}

#[test]
fn attributes_stay_and_an_access_list_lets_nobody_in() {
    let home = Home::new();
    home.lay(BEFORE);
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let acl = [
        2u32.to_le_bytes().to_vec(),
        entry(0x01, 6, none),
        entry(0x02, 4, 65534),
        entry(0x04, 0, none),
        entry(0x10, 4, none),
        entry(0x20, 0, none),
    ]
    .concat();
    let set = |name: &str, value: &[u8]| setxattr(home.config(), name, value, XattrFlags::empty());
    // As long as an access list, and of the bytes that closing one would change.
    let value = [0xff; 44];
    if set("user.tag", &value).is_err() || set("system.posix_acl_access", &acl).is_err() {
        return super::skip::because("this file system has no attributes");
    }
    let is_root = set("trusted.tag", &value).is_ok();
    let get = |path: &Path, name: &str| {
        let mut value = [0u8; 256];
        getxattr(path, name, &mut value[..]).map(|length| value[..length].to_vec())
    };
    let lets_nobody_in = |path: &Path| {
        let after = get(path, "system.posix_acl_access").unwrap();
        assert_eq!(after.len(), acl.len(), "the entries are kept");
        assert_eq!(after[4 + 3 * 8 + 2], 0, "the mask takes their effect");
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    };

    // Before the key is written: who opens the file while it is empty can read it later.
    let script = "strace -f -qq -o /dev/null -e inject=write:signal=KILL:when=1 $CCK set-key";
    home.shell(script);
    let temp = home.names().into_iter().find(|name| name.ends_with(".tmp"));
    match temp {
        Some(temp) => lets_nobody_in(&home.path().join(temp)),
        None => {
            super::skip::without("strace");
        }
    }
    let _ = fs::remove_dir(home.path().join(".claude.json.lock"));

    assert!(home.cck(&["set-key"], &key(1)).output().unwrap().status.success());
    assert_eq!(get(&home.config(), "user.tag").unwrap(), value);
    lets_nobody_in(&home.config());
    assert!(
        !is_root || get(&home.config(), "trusted.tag").is_err(),
        "such an attribute is the system's to give"
    );
    assert_eq!(home.names(), [".claude.json"]);
}

/// What a cloud session has in /home/claude is nobody's home's: it is not removed, and named.
#[test]
fn a_key_of_a_cloud_session_is_seen_by_verify_and_named_by_rotate_and_scrub() {
    if !can_mount() {
        return;
    }
    let lay = "cp $CCK $HOME/cck; mount -t tmpfs none /home; mkdir -p /home/claude/.claude/remote; \
               printf %s $ANTHROPIC_API_KEY > /home/claude/.claude/remote/.api_key; NEW=$OTHER; export NEW;";
    let run = |script: &str| {
        let home = Home::new();
        home.lay(&format!("{{\"primaryApiKey\": \"{}\"}}\n", key(1)));
        let other = key(2);
        home.in_namespace(&format!("OTHER={other}; {lay} {script}"))
    };
    let file = "/home/claude/.claude/remote/.api_key";
    let out = run("unset ANTHROPIC_API_KEY; $HOME/cck verify --verbose || exit $?");
    assert!(text(&out.stdout).contains("the cloud session's api key"), "{}", text(&out.stdout));
    for command in ["rotate --key-env NEW", "unset-key --scrub"] {
        let out = run(&format!(
            "unset ANTHROPIC_API_KEY; $HOME/cck {command} || {{ code=$?; cat {file}; exit $code; }}"
        ));
        let said = text(&out.stdout) + &text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(file) && text(&out.stdout).contains(&key(1)), "{command}: {said}");
        assert!(!said.contains("revoke the old key: "), "{command}: {said}");
    }
    // Another key there is not the one in question.
    let out = run(&format!(
        "echo {} > {file}; unset ANTHROPIC_API_KEY; $HOME/cck unset-key --scrub",
        key(3)
    ));
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
}
