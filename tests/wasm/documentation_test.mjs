// SPDX-License-Identifier: Apache-2.0
// The JavaScript in the pages works as written: each block is a program that runs in a folder with
// the package and the project's models. Arguments: the package, the source tree.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync,
  writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [folder, source] = process.argv.slice(2).map((each) => resolve(each));
if (!existsSync(join(folder, "mice.wasm"))) {
  console.log(`SKIPPED: no mice.wasm in ${folder}; wasm/build says why`);
  process.exit(77);
}

const pages = ["README.md", "bindings/wasm/README.md",
  ...readdirSync(join(source, "docs")).filter((each) => each.endsWith(".md"))
    .map((each) => `docs/${each}`)];
let count = 0;
for (const page of pages) {
  const text = readFileSync(join(source, page), "utf8");
  for (const [, code] of text.matchAll(/^```js\n(.*?)^```$/gms)) {
    const place = mkdtempSync(join(tmpdir(), "mice-"));
    try {
      mkdirSync(join(place, "node_modules"));
      symlinkSync(folder, join(place, "node_modules", "mice-rerank"));
      symlinkSync(join(source, "models"), join(place, "models"));
      writeFileSync(join(place, "program.mjs"), code);
      const done = spawnSync(process.execPath, ["program.mjs"], { cwd: place, encoding: "utf8" });
      console.log(`${page}:\n${done.stdout}`);
      assert.equal(done.status, 0, `${page}:\n${code}\n${done.stderr}`);
      assert.ok(done.stdout.trim() !== "" && done.stderr === "", done.stderr);
      ++count;
    } finally {
      rmSync(place, { recursive: true });
    }
  }
}
assert.ok(count >= 3, `${count} blocks`);
