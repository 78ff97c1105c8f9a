#!/bin/sh
# Installs cck @version@ for one user. Says what it does before it does it; changes nothing but the file it installs.
# Usage: sh install.sh [--to DIR] [--from URL-OR-DIRECTORY]
#   --to    where to put cck (default: ~/.local/bin)
#   --from  where the archives are (default: @repository@/releases/download/v@version@)
set -eu
to="${HOME:-}/.local/bin"
from='@repository@/releases/download/v@version@'
fail() { printf 'error: %s\n  try: %s\n' "$1" "$2" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --to) to="${2:?}"; shift 2 ;;
    --from) from="${2:?}"; shift 2 ;;
    *) fail "unknown argument $1" "sh install.sh [--to DIR] [--from URL-OR-DIRECTORY]" ;;
  esac
done
case "$to" in /.local/bin) fail "HOME is not set" "pass a directory: --to DIR" ;; esac

# The checksums were written into this script when the release was made.
case "$(uname -s) $(uname -m)" in
  'Linux x86_64') target=x86_64-unknown-linux-musl sum=@sha256:x86_64-unknown-linux-musl@ ;;
  'Linux aarch64' | 'Linux arm64') target=aarch64-unknown-linux-musl sum=@sha256:aarch64-unknown-linux-musl@ ;;
  'Darwin arm64') target=aarch64-apple-darwin sum=@sha256:aarch64-apple-darwin@ ;;
  'Darwin x86_64') target=x86_64-apple-darwin sum=@sha256:x86_64-apple-darwin@ ;;
  *) target="" sum=none ;;
esac
[ "$sum" != none ] || fail "cck is not released for $(uname -s) $(uname -m)" "build it: cargo install --locked --path ."
name="cck-@version@-$target"
printf 'cck @version@ for %s\n  from %s/%s.tar.gz\n  sha256 %s\n  to   %s/cck\n' "$target" "$from" "$name" "$sum" "$to"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
archive="$work/cck.tar.gz"
case "$from" in
  http://127.0.0.1* | https://*)
    if command -v curl >/dev/null; then
      curl --fail --silent --show-error --location --output "$archive" "$from/$name.tar.gz"
    else
      wget --quiet --output-document="$archive" "$from/$name.tar.gz"
    fi || fail "cannot download $from/$name.tar.gz" "check the address and the network; --from takes a directory too"
    ;;
  http://*) fail "$from is not encrypted" "an address with https://" ;;
  *) cp "$from/$name.tar.gz" "$archive" || fail "$from/$name.tar.gz cannot be copied" "the directory with the archives" ;;
esac
if command -v sha256sum >/dev/null; then
  got="$(sha256sum "$archive")"
else
  got="$(shasum -a 256 "$archive")" || fail "neither sha256sum nor shasum is installed" "install one of them"
fi
[ "${got%% *}" = "$sum" ] || fail "the checksum of the archive is ${got%% *}: it was changed, or is of another release" "do not use it; download install.sh and the archive again"
tar -C "$work" -xzf "$archive"
mkdir -p "$to"
# Replaced at once, so that a cck that is running is not disturbed.
cp "$work/$name/cck" "$to/.cck.new"
chmod 755 "$to/.cck.new"
mv -f "$to/.cck.new" "$to/cck"
printf 'checksum verified; installed: %s\n' "$("$to/cck" --version)"
case ":$PATH:" in *":$to:"*) ;; *) printf 'note: %s is not in PATH\n' "$to" ;; esac
