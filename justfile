# What CI runs, by name: `.ci/run` calls these recipes and nothing else. `just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
default:
    @just --list --unsorted

# The tests, as the README gives them
test:
    cargo test --locked

# What CONTRIBUTING recommends before a commit
quick:
    cargo test --locked --lib --test cli

# Formatting, lints, the crate's documentation
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --locked --no-deps --document-private-items --quiet
    cd fuzz && cargo fmt --check && cargo check --quiet --target-dir ../target/fuzz

# Dependencies: licences, duplicates, sources; none that is not used, none that wants a newer Rust than Cargo.toml states
# (what std has got since then, clippy's incompatible_msrv reports)
deps:
    cargo fetch --locked --quiet
    cargo deny --locked --offline check licenses bans sources
    test "$(cargo metadata --locked --format-version 1 | jq -r '.packages[].rust_version // empty' | sort -V | tail -1)" \
      = "$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
    cargo rustc --locked --quiet --profile check --lib -- -D unused_crate_dependencies

# Dependencies against the RustSec database; says so if it cannot be reached
advisories:
    .ci/advisories

# Actions are pinned by commit; only lock files name the host of a package registry; no package of ours comes from one. A release
# needs no token of a registry, installs nothing by cargo, and attests all of its files, the checksums too
supply-chain:
    ! git grep -nE 'uses: ' -- .github examples | grep -vE '@[0-9a-f]{40} # v'
    ! git grep -nIE 'registry[.]npmjs|static[.]rust-lang|crates[.]io|pypi[.]org|python[h]osted|deb[.]debian' -- ':!*lock*'
    ! git grep -n '@cck-cli' -- ':!packaging' ':!justfile'
    ! git grep -nE 'NPM_TOKEN|NODE_AUTH_TOKEN|cargo install' -- .github
    grep -A2 attest-build-provenance .github/workflows/release.yml | grep -qF 'subject-path: release/**'

# Spelling, and the scripts
prose:
    typos
    git ls-files | xargs grep -lE '^#!(/usr/bin/env bash|/bin/sh)' | xargs shellcheck -x

# The blocks of the README and docs/, as written, as an ordinary user
readme:
    .ci/readme

# The release binary: static, at most 4.5 MB; and the command line's tests run on it
release:
    .ci/static
    test "$(stat -c %s dist/cck)" -le 4500000
    CCK_TEST_BINARY="$PWD/dist/cck" cargo test --locked --quiet --test cli

# The code for Windows and macOS, linted; cck.exe run under Wine, the arm64 binary under qemu, if they are there
cross:
    .ci/cross

# The static binary, built in two directories and compared, and tried in an empty chroot
static:
    .ci/static --twice

# Everything that a release consists of, for all systems: built, installed or linted
packages:
    packaging/test

# What is in examples/: run, or validated (needs `just static`)
examples:
    .ci/examples

# The real client against `cck verify`
conformance:
    cargo test --locked --test conformance -- --nocapture
