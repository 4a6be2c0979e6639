// SPDX-License-Identifier: Apache-2.0
// A round of calls of the JavaScript package for each line of standard input, which says how many
// bytes JavaScript and the module have then.
// Arguments: the package, a model file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const { Document, Reranker, memorySize } = await import(pathToFileURL(join(folder, "index.mjs")).href);
const model = readFileSync(file);
const TEXT = "Bakers feed it every day. Yeast gives off carbon dioxide, so the dough swells. ";

for await (const turn of createInterface({ input: process.stdin })) {
  const ranker = await Reranker.load(model);
  const texts = [TEXT, `Text ${turn}`];
  const documents = ranker.encode(texts);
  for (let i = 0; i < 5; ++i) {
    ranker.rank("bread", texts, { highlights: 1 });
    ranker.rankTexts("bread", [TEXT.repeat(30)], {});
    ranker.score("bread", documents);
  }
  Document.fromBytes(documents[0].toBytes()).free();
  ranker.passages(TEXT.repeat(30));
  for (const wrong of [() => ranker.rank("bread", [3]), () => Document.fromBytes(model)]) {
    try {
      wrong();
    } catch {
      continue;
    }
    throw new Error("nothing was refused");
  }
  documents.forEach((each) => each.free());
  ranker.free();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  console.log(heapUsed + external + memorySize());
}
