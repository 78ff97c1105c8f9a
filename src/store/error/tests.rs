use super::*;

fn parts(error: &anyhow::Error) -> (&str, &str) {
    let failure = error.downcast_ref::<Failure>().unwrap();
    (&failure.problem, &failure.advice)
}

#[test]
fn each_refusal_of_the_disk_says_what_to_do() {
    for (errno, words, advice) in [
        (Errno::ACCESS, "permission denied", "ls -ld /w /w/f"),
        (Errno::PERM, "operation not permitted", "who owns it"),
        (Errno::ROFS, "read-only", "mount it for writing"),
        (Errno::NOSPC, "no space", "df -h /w"),
        (Errno::DQUOT, "quota", "quota is used up"),
        (Errno::FBIG, "file too large", "ulimit -f"),
        (Errno::MFILE, "too many open files", "ulimit -n"),
        (Errno::NFILE, "too many open files", "ulimit -n"),
        (Errno::IO, "input/output error", "dmesg"),
        (Errno::LOOP, "symbolic links", "ls -l /w/f"),
        (Errno::NOTDIR, "not a directory", "a part of the path"),
        (Errno::NOENT, "no such file", "mkdir -p /w"),
        (Errno::NAMETOOLONG, "file name too long", "a shorter name"),
        (Errno::INTR, "interrupted", "run it again"),
        (Errno::TXTBSY, "text file busy", "look at the file and its directory: ls -ld /w /w/f"),
    ] {
        let error = disk(errno, "read", Path::new("/w/f"));
        let (problem, said) = parts(&error);
        assert!(problem.starts_with("cannot read /w/f: ") && problem.contains(words), "{problem}");
        assert!(!problem.contains("os error"), "{problem}");
        assert!(said.contains(advice), "{errno:?}: {said}");
        assert_eq!(error.downcast_ref::<Errno>(), Some(&errno));
    }
    let error = disk(Errno::NOSPC, "read", Path::new("f"));
    assert!(parts(&error).1.contains("df -h .)"), "{}", parts(&error).1);
}

#[test]
fn malformed_content_is_told_with_its_place() {
    let path = Path::new("/w/f");
    let at = |names: &[&str]| Malformed::NotAnObject {
        path: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let told = |malformed: &Malformed| {
        let error = super::malformed(path, malformed);
        let (problem, advice) = parts(&error);
        (problem.to_owned(), advice.to_owned())
    };
    let (problem, advice) = told(&at(&[]));
    assert!(problem.starts_with("/w/f:1:1: "), "{problem}");
    assert!(advice.contains("mend it there") && advice.contains("mv /w/f /w/f.bad"), "{advice}");
    let (problem, _) = told(&at(&["env"]));
    assert!(problem.starts_with("/w/f: ") && problem.contains("env"), "{problem}");
    let (problem, advice) = told(&Malformed::NotUtf8 { offset: 7 });
    assert!(problem.starts_with("/w/f: "), "{problem}");
    assert!(advice.contains("convert it to UTF-8"), "{advice}");
}
