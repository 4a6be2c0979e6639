// SPDX-License-Identifier: Apache-2.0
// The JavaScript package beside the native library and beside onnxruntime-web, in Node, on one
// thread: 20 documents of 128 tokens for a query of 8.
//
//   cmake --preset wasm && cmake --build --preset wasm
//   npm install --prefix build/bench-wasm onnxruntime-web@1.30.0
//   python bench/wasm_model.py build/bench-wasm/cross.onnx build/bench-wasm/cross-int8.onnx
//   node bench/wasm.mjs [build/wasm/package] [build/bench-wasm] [build/release]
//
// What is missing is left out. Prints milliseconds of processor time for a document, the least of
// several rounds in which all take turns: for machines that have other work.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const given = (i, usual) => resolve(process.argv[i + 2] ?? join(root, usual));
const [folder, peers, build] = [given(0, "build/wasm/package"), given(1, "build/bench-wasm"),
  given(2, "build/release")];
const MODEL = join(root, "models", "mice-minilm-l2x2-int8.safetensors");
const DOCUMENTS = 20;
const DOCUMENT_TOKENS = 128;
const QUERY_TOKENS = 8;
const ROUNDS = 8;

// Words that the tokenizer keeps whole; a text has two markers beside them.
const WORDS = ["the", "water", "is", "of", "house", "and", "time", "in", "world", "city"];
const words = (count, first) =>
  Array.from({ length: count }, (_, i) => WORDS[(first + i * i) % WORDS.length]).join(" ");
const query = words(QUERY_TOKENS - 2, 0);
const texts = Array.from({ length: DOCUMENTS }, (_, i) => words(DOCUMENT_TOKENS - 2, i));

const runs = []; // {name, run}: run() is a promise or a value

const { Reranker } = await import(pathToFileURL(join(folder, "index.mjs")).href);
for (const precision of ["f32", "int8"]) {
  const begin = performance.now();
  const ranker = await Reranker.load(readFileSync(MODEL), { precision });
  console.log(`mice.wasm, ${precision}: loaded in ${Math.round(performance.now() - begin)} ms`);
  const [hit] = ranker.rank(query, texts, { top_k: 1 });
  if (hit.tokens_seen !== DOCUMENT_TOKENS) {
    throw new Error(`a document has ${hit.tokens_seen} tokens`);
  }
  const documents = ranker.encode(texts);
  runs.push({ name: `mice.wasm, ${precision}, texts`, run: () => ranker.score(query, texts) });
  runs.push({ name: `mice.wasm, ${precision}, stored`, run: () => ranker.score(query, documents) });
}

// A pair [CLS] query [SEP] document [SEP] shares one marker.
for (const file of ["cross.onnx", "cross-int8.onnx"]) {
  const web = join(peers, "node_modules", "onnxruntime-web", "dist", "ort.wasm.bundle.min.mjs");
  if (!existsSync(web) || !existsSync(join(peers, file))) {
    console.log(`no ${file} or onnxruntime-web in ${peers}: left out`);
    continue;
  }
  const { default: ort, ...named } = await import(pathToFileURL(web).href);
  const { InferenceSession, Tensor, env } = ort ?? named;
  env.wasm.numThreads = 1;
  const begin = performance.now();
  const session = await InferenceSession.create(readFileSync(join(peers, file)),
    { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  console.log(`${file}: loaded in ${Math.round(performance.now() - begin)} ms`);
  const tokens = QUERY_TOKENS + DOCUMENT_TOKENS - 1;
  for (const batch of [1, DOCUMENTS]) {
    const shape = [batch, tokens];
    const ids = BigInt64Array.from({ length: batch * tokens }, (_, i) => BigInt((i * 31) % 7000));
    const feeds = { ids: new Tensor("int64", ids, shape),
      types_of: new Tensor("int64", new BigInt64Array(batch * tokens), shape) };
    runs.push({
      name: `onnxruntime-web, ${file}, pairs, ${batch} at a time`,
      run: async () => {
        for (let done = 0; done < DOCUMENTS; done += batch) {
          const { scores } = await session.run(feeds);
          if (!Number.isFinite(scores.data[0])) {
            throw new Error(`${file} gives ${scores.data[0]}`);
          }
        }
      },
    });
  }
}

// The native library by Python's ctypes, which says the processor time of its calls.
const NATIVE = `
import ctypes, json, sys, time
from ctypes import byref, c_char_p, c_int32, c_size_t, c_void_p
mice = ctypes.CDLL(sys.argv[1])
given = json.load(sys.stdin)
def call(name, *arguments):
    if getattr(mice, name)(*arguments, None):
        sys.exit(name)
options, ranker, ranking = c_void_p(), c_void_p(), c_void_p()
call("mice_options_create", byref(options))
call("mice_options_set_precision", options, c_int32(given["precision"]))
call("mice_options_set_threads", options, c_size_t(1))
file, query = given["model"].encode(), given["query"].encode()
call("mice_reranker_load", file, c_size_t(len(file)), options, byref(ranker))
texts = [text.encode() for text in given["texts"]]
count = len(texts)
list_of = (c_char_p * count)(*texts), (c_size_t * count)(*map(len, texts)), c_size_t(count)
documents = (c_void_p * count)()
call("mice_encode_all", ranker, *list_of, options, documents)
def least(name, *of):
    best = 1e9
    for _ in range(given["rounds"]):
        begin = time.process_time()
        call(name, ranker, query, c_size_t(len(query)), *of, options, byref(ranking))
        best = min(best, time.process_time() - begin)
        mice.mice_ranking_free(ranking)
    return best
print(json.dumps([least("mice_score", *list_of),
                  least("mice_score_documents", documents, c_size_t(count))]))
`;

function native(precision, simd) {
  const input = JSON.stringify({ precision: { f32: 1, int8: 3 }[precision], model: MODEL, query,
    texts, rounds: ROUNDS });
  const done = spawnSync("python3", ["-c", NATIVE, join(build, "src", "c", "libmice.so")],
    { input, encoding: "utf8", env: { ...process.env, ...(simd && { MICE_SIMD: simd }) } });
  if (done.status !== 0) {
    throw new Error(done.stderr);
  }
  return JSON.parse(done.stdout);
}

const best = new Map();
for (let round = 0; round < ROUNDS; ++round) {
  for (const { name, run } of runs) {
    const begin = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(begin);
    best.set(name, Math.min(best.get(name) ?? Infinity, (user + system) / 1e6));
  }
}
if (existsSync(join(build, "src", "c", "libmice.so"))) {
  for (const precision of ["f32", "int8"]) {
    for (const simd of ["", "sse2"]) {
      const [raw, stored] = native(precision, simd);
      const name = `libmice, ${precision}${simd && `, MICE_SIMD=${simd}`}`;
      best.set(`${name}, texts`, raw);
      best.set(`${name}, stored`, stored);
    }
  }
} else {
  console.log(`no libmice.so in ${build}: left out`);
}
for (const [name, seconds] of best) {
  console.log(`${(seconds * 1000 / DOCUMENTS).toFixed(3).padStart(9)} ms  ${name}`);
}
