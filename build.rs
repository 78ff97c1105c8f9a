//! How the program is linked on Linux with glibc: so that little is loaded at every start (docs/performance.md). Elsewhere
//! the linker's own ways are kept.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "those are for the program"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

/// What of libc cck uses in ways that differ between its shared and its static form.
const PROBE: &str = r#"
use std::net::ToSocketAddrs;
fn main() {
    std::thread::spawn(|| _ = ("localhost", 1).to_socket_addrs()).join().unwrap();
    assert!(std::process::Command::new("true").status().unwrap().success());
    println!("{:?}", std::env::current_dir());
}
"#;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    // std needs the unwinder. Where it asks for the shared library, it gets the static one from the same package of gcc:
    // loading another library takes longer than cck needs to read a config.
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
    println!("cargo::rustc-link-search=native={}", out.display());
    // A program for another machine cannot be tried here.
    if !is("PROFILE", "release") || env::var("HOST") != env::var("TARGET") {
        return Ok(());
    }

    // A release aborts on a panic and has no symbols: its tables for unwinding would serve nobody.
    let no_tables = out.join("no-unwinding.ld");
    fs::write(
        &no_tables,
        "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table .gcc_except_table.*) } } INSERT AFTER .text;\n",
    )?;
    let no_tables =
        vec!["-Wl,--no-eh-frame-hdr".to_owned(), format!("-Wl,-T,{}", no_tables.display())];
    // rustc asks for the shared libraries by name; under these names lie the static ones. A symbol that nobody defines is
    // null then, and not the address at which the program starts.
    let libc = out.join("libc");
    fs::create_dir_all(&libc)?;
    fs::write(libc.join("libc.so"), "GROUP(libc.a libgcc.a libgcc_eh.a)\n")?;
    fs::write(libc.join("libm.so"), "GROUP(libm.a)\n")?;
    let libc = vec![
        "-static-pie".to_owned(),
        format!("-L{}", libc.display()),
        "-Wl,-z,nodynamic-undefined-weak".to_owned(),
    ];
    // A twentieth of the size are the places that depend on where the program is loaded, if each is written out.
    let packed = vec!["-Wl,-z,pack-relative-relocs".to_owned()];

    // Without TLS it is the size that counts, and libc has a third of it.
    let libc = env::var_os("CARGO_FEATURE_ONLINE").map(|_| libc);
    let mut taken = Vec::new();
    for arguments in [Some(no_tables), libc, Some(packed)].into_iter().flatten() {
        let tried = [taken.clone(), arguments].concat();
        if works(&out, &tried)? {
            taken = tried;
        }
    }
    for argument in taken {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    Ok(())
}

/// Whether a program that is linked with these arguments runs: not every linker knows them, and not every machine has
/// the static libc.
fn works(out: &Path, arguments: &[String]) -> io::Result<bool> {
    let (source, program) = (out.join("probe.rs"), out.join("probe"));
    fs::write(&source, PROBE)?;
    let mut compile = Command::new(env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    compile.args(["--edition=2024", "-Cpanic=abort", "-Cstrip=symbols", "-L"]);
    compile.arg(out).arg("-o").arg(&program).arg(&source);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    compile.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compile.arg(format!("-Clinker={linker}"));
    }
    compile.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    let runs = |command: &mut Command| {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    Ok(runs(&mut compile) && runs(&mut Command::new(&program)))
}
