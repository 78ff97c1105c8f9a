#!/usr/bin/env node
// Starts the cck of this platform, which npm has installed beside this package, and ends as it ends.
"use strict";
const { spawnSync } = require("node:child_process");
const { constants } = require("node:os");

const name = `@cck-cli/${process.platform}-${process.arch}`;
const file = process.platform === "win32" ? "cck.exe" : "cck";
let program;
try {
  program = require.resolve(`${name}/bin/${file}`);
} catch {
  console.error(`error: no cck for ${process.platform}-${process.arch} is installed (${name})`);
  console.error("  try: install without --omit=optional, or build it: cargo install --locked --path .");
  process.exit(2);
}
// Ctrl-C reaches the child too; it decides.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
const result = spawnSync(program, process.argv.slice(2), { stdio: "inherit" });
if (result.error) {
  console.error(`error: cannot start ${program}: ${result.error.message}`);
  process.exit(2);
}
process.exit(result.signal ? 128 + (constants.signals[result.signal] ?? 1) : result.status);
