#!/usr/bin/env python3
"""Fills the templates next to this file with the version, the repository and the checksums of the archives.

Usage: packaging/manifests.py DIRECTORY-OF-THE-RELEASE. A template may say @version@, @repository@, @homepage@, @description@
and @sha256:TARGET@; it is left out if the release has no archive for a target that it names.
"""
import hashlib
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent
TEMPLATES = {
    "install.sh": "install.sh",
    "homebrew.rb": "cck.rb",
    "scoop.json": "scoop/cck.json",
    "winget.version.yaml": "winget/cck.cck.yaml",
    "winget.installer.yaml": "winget/cck.cck.installer.yaml",
    "winget.locale.yaml": "winget/cck.cck.locale.en-US.yaml",
}


def main():
    out = pathlib.Path(sys.argv[1])
    package = tomllib.loads((ROOT.parent / "Cargo.toml").read_text())["package"]
    sums = {}
    for archive in out.glob(f"cck-{package['version']}-*"):
        if match := re.fullmatch(r"cck-[0-9.]+-(.+?)\.(tar\.gz|zip)", archive.name):
            sums[match[1]] = hashlib.sha256(archive.read_bytes()).hexdigest()
    for template, name in TEMPLATES.items():
        text = (ROOT / "templates" / template).read_text()
        for field in ("version", "repository", "homepage", "description"):
            text = text.replace(f"@{field}@", package[field])
        missing = {target for target in re.findall(r"@sha256:(.+?)@", text) if target not in sums}
        if missing and template != "install.sh":
            print(f"{name}: left out, no archive for {', '.join(sorted(missing))}", file=sys.stderr)
            continue
        text = re.sub(r"@sha256:(.+?)@", lambda match: sums.get(match[1], "none"), text)
        file = out / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


main()
