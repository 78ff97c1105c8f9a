# What CI runs, by name: `.ci/run` calls these recipes and nothing else. `just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
default:
    @just --list --unsorted

# The tests, as the README gives them
test:
    cargo test --locked

# Formatting, lints, the crate's documentation
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --quiet
    cd fuzz && cargo fmt --check && cargo check --quiet --target-dir ../target/fuzz

# Dependencies: licences, duplicates, sources; none that is not used, none that wants a newer Rust than Cargo.toml states
# (what std has got since then, clippy's incompatible_msrv tells)
deps:
    cargo fetch --locked --quiet
    cargo deny --locked --offline check licenses bans sources
    test "$(cargo metadata --locked --format-version 1 | jq -r '.packages[].rust_version // empty' | sort -V | tail -1)" \
      = "$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
    cargo rustc --locked --quiet --profile check --lib -- -D unused_crate_dependencies

# The oldest Rust that is stated, where rustup can fetch it; where not, it says so
msrv:
    .ci/msrv

# Dependencies against the RustSec database, where it can be reached; where not, it says so
advisories:
    .ci/advisories

# Spelling, and the scripts
prose:
    typos
    git ls-files | xargs grep -lE '^#!(/usr/bin/env bash|/bin/sh)' | xargs shellcheck -x

# The README's blocks, as written, in a fresh clone with an empty HOME
readme:
    .ci/readme

# The release binary: static, at most 4.5 MB; and the command line's tests run on it
release:
    .ci/static
    test "$(stat -c %s dist/cck)" -le 4500000
    CCK_TEST_BINARY="$PWD/dist/cck" cargo test --locked --quiet --test cli

# The code for Windows and macOS, linted; built for Windows and run under Wine, where that is there
cross:
    .ci/cross

# The static binary, built in two directories and compared, and tried in an empty chroot
static:
    .ci/static --twice

# What is in examples/ and packaging/: run, or validated (needs `just static`)
examples:
    .ci/examples

# The real client against `cck verify`
conformance:
    cargo test --locked --test conformance -- --nocapture
