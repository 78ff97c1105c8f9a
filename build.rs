//! How the program is linked on Linux with glibc: so that less is loaded at every start (docs/performance.md). Elsewhere the
//! linker's own ways are kept.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "those are for the program"
)]

use std::path::PathBuf;
use std::{env, fs, io};

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
    // A release aborts on a panic and has no symbols: nothing ever reads its tables for unwinding.
    if is("PROFILE", "release") {
        let script = out.join("no-unwinding.ld");
        fs::write(
            &script,
            "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table .gcc_except_table.*) } } INSERT AFTER .text;\n",
        )?;
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    Ok(())
}
