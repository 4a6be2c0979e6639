// SPDX-License-Identifier: Apache-2.0
// The JavaScript package in Node. Arguments: its folder, the program mice, the folder of models,
// that of the examples' data.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";

const [folder, program, models, data] = process.argv.slice(2);
if (!existsSync(join(folder, "mice.wasm"))) {
  console.log(`SKIPPED: no mice.wasm in ${folder}; wasm/build says why`);
  process.exit(77);
}
const from = (file) => import(new URL(file, pathToFileURL(join(folder, "/"))).href);
const { Document, MiceError, Reranker, init, memorySize } = await from("index.mjs");
const { Engine } = await from("engine.mjs");

const MODEL = join(models, "mice-minilm-l2x2-int8.safetensors");
const model = readFileSync(MODEL);
const lines = (name) => readFileSync(join(data, name), "utf8").trim().split("\n")
  .map((line) => JSON.parse(line).text);
const passages = lines("corpus.jsonl").slice(0, 50);
const queries = lines("queries.jsonl");
const BREAD = "Äpfel 🍞 und Öl. Yeast gives off gas, so the bread dough rises. Knives need honing.";
const QUERY = "why does bread dough rise";

const bits = (scores) => [...new Uint32Array(Float32Array.from(scores).buffer)];
/** Passes for a MiceError of that code, whose message matches. */
const failure = (code, message = /./) => (error) => {
  assert.ok(error instanceof MiceError && error instanceof Error, String(error?.stack));
  assert.match(error.message, message);
  assert.ok([code].flat().includes(error.code), `${error.code}: ${error.message}`);
  return true;
};

await assert.rejects(Reranker.load(new Uint8Array(3)), failure("format"));
const ranker = await Reranker.load(model);

// With the kernels of SSE2, if this build has them: their bits are WebAssembly's. Others fuse
// products with sums, which WebAssembly cannot.
const environment = { ...process.env, MICE_SIMD: "sse2" };
const version = spawnSync(program, ["--version"], { env: environment, encoding: "utf8" }).stdout;
const exact = /^simd:? +sse2\b/im.test(version);
const TOLERANCE = 2e-5;

function nativeScores(precision, pairs) {
  const input = pairs.map(([query, document]) => JSON.stringify({ query, document })).join("\n");
  const done = spawnSync(program, ["score", "--model", MODEL, "--precision", precision],
    { input, env: environment, maxBuffer: 2 ** 26, encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.trim().split("\n").map((line) => Math.fround(JSON.parse(line).score));
}

for (const precision of ["f32", "int8"]) {
  test(`a thousand pairs in ${precision} have the scores of the native library`, async () => {
    const pairs = queries.flatMap((query) => passages.map((passage) => [query, passage]));
    assert.ok(pairs.length >= 1000);
    const expected = nativeScores(precision, pairs);
    const asked = await Reranker.load(model, { precision });
    assert.equal(asked.precision, precision);
    const documents = asked.encode(passages)
      .map((each) => Document.fromBytes(each.toBytes()));
    const found = queries.flatMap((query) => [...asked.score(query, documents)]);
    const apart = found.map((score, i) => Math.abs(score - expected[i]));
    const same = found.filter((score, i) => Object.is(score, expected[i])).length;
    console.log(`${precision}: ${same} of ${pairs.length} pairs have the native bits; ` +
      `they are at most ${Math.max(...apart)} apart`);
    assert.ok(Math.max(...apart) <= (exact ? 0 : TOLERANCE), `${Math.max(...apart)}`);
    // Not stored, and ranked: the same bits.
    const some = passages.slice(0, 12);
    const scores = asked.score(queries[0], some);
    assert.ok(scores instanceof Float32Array);
    assert.deepEqual(bits(scores), bits(found.slice(0, 12)));
    const ranking = asked.rank(queries[0], documents.slice(0, 12), { top_k: 5 });
    assert.deepEqual(bits(ranking.map((hit) => hit.score)),
      bits(scores.slice().sort().reverse().slice(0, 5)));
    ranking.forEach((hit) => assert.equal(hit.score, scores[hit.index]));
    assert.ok(ranking.complete && ranking.unscored === 0);
    documents.forEach((each) => each.free());
    asked.free();
  });
}

test("places are those of JavaScript's strings, and of bytes", () => {
  const sentence = "Yeast gives off gas, so the bread dough rises.";
  for (const given of [BREAD, new TextEncoder().encode(BREAD), `\ud800 ${BREAD}`]) {
    const shown = (each) => typeof given === "string" ? given.slice(each.begin, each.end)
      : new TextDecoder().decode(given.subarray(each.begin, each.end));
    const [best] = ranker.highlight(QUERY, given).sentences;
    assert.equal(shown(best), sentence);
    assert.equal(best.words.length, 3);
    best.words.forEach((word) => assert.match(shown(word), /^\w+$/));
    const [hit] = ranker.rank(QUERY, ["Knives.", given], { highlights: true, words: 1, top_k: 1 });
    assert.equal(hit.index, 1);
    assert.equal(shown(hit.highlights.sentences[0]), sentence);
    const document = ranker.encode(given);
    const again = ranker.rank(QUERY, [document], { highlights: 2, texts: [given] })[0].highlights;
    assert.equal(again.sentences.length, 2);
    assert.equal(shown(again.sentences[0]), sentence);
    assert.deepEqual(ranker.highlight(QUERY, given, { document }).sentences[0].begin, best.begin);
    document.free();
  }
  const long = `# Über Brot 🍞\n\n${passages.join("\n\n")}\n\n## Rising\n\n${BREAD}`;
  const cut = ranker.passages(long, { max_tokens: 64, kind: "markdown" });
  assert.ok(cut.length > 20 && cut.every((each) => each.tokens <= 64));
  assert.equal(cut.map((each) => long.slice(each.begin, each.end)).join("").replace(/\s/g, ""),
    long.replace(/\s/g, ""));
  assert.equal(cut.at(-1).headings[0], "Über Brot 🍞");
  assert.equal(cut.at(-1).last_line, long.split("\n").length);
  const [found] = ranker.rankTexts(QUERY, [passages[3], long], { highlights: 1, max_tokens: 64 });
  assert.equal(found.index, 1);
  assert.equal(found.passages, cut.length);
  const best = long.slice(found.best.begin, found.best.end);
  assert.ok(best !== "" && best === best.trim() && long.includes(best));
  assert.equal(found.best.last_line, long.slice(0, found.best.end).split("\n").length);
  assert.ok(found.highlights.sentences[0].begin >= found.best.begin);
});

test("what is read and left out is told", () => {
  const [hit] = ranker.rank("\udc00why", ["word ".repeat(1000) + "\ud83d"]);
  assert.equal(hit.tokens_seen, ranker.max_tokens);
  assert.ok(hit.tokens_cut > 700);
  assert.equal(hit.replaced, 1);
  assert.equal(ranker.rank("\udc00why", []).query_replaced, 1);
  assert.deepEqual(bits(ranker.score("\udc00why", ["\ud800 a\ud800b"])),
    bits(ranker.score("\ufffdwhy", ["\ufffd a\ufffdb"])));
  for (const bad of ["a\ud800b", "\udc00", new Uint8Array([0x61, 0xff])]) {
    assert.throws(() => ranker.rank("why", [bad], { invalid_utf8: "refuse" }), failure("encoding"));
    assert.throws(() => ranker.score(bad, ["a"], { invalid_utf8: "refuse" }), failure("encoding"));
  }
  const sigmoid = ranker.score("why", ["a"], { activation: "sigmoid" })[0];
  assert.ok(Math.abs(sigmoid - 1 / (1 + Math.exp(-ranker.score("why", ["a"])[0]))) < 1e-6);
  const late = ranker.rank(QUERY, Array.from({ length: 300 }, (_, i) => `${i} ${BREAD}`),
    { timeout_ms: 1 });
  assert.ok(!late.complete && late.unscored > 0);
  assert.equal(late.length + late.unscored, 300);
});

test("strange texts are texts", () => {
  const strange = ["", "\0", "a\0b", "\u202e", "🍞".repeat(3000), "\ud83d".repeat(2000),
    "[SEP] [CLS]", "x".repeat(2 ** 23), new Uint8Array(0), new Uint8Array(5)];
  const scores = ranker.score("\0", strange);
  assert.ok(scores.every(Number.isFinite), scores.join());
  assert.equal(ranker.rank("", strange).length, strange.length);
  assert.notEqual(ranker.score("a", ["[SEP]"])[0],
    ranker.score("a", ["[SEP]"], { special_tokens: "parse" })[0]);
  assert.equal(ranker.score("a", new Set(["b"])).length, 1);
  assert.equal(ranker.score("a", []).length, 0);
  assert.deepEqual(ranker.passages(""), []);
});

test("wrong arguments are errors that name them", async () => {
  const document = ranker.encode("a");
  for (const [call, message] of [
    [() => ranker.rank(), /query is of type undefined/],
    [() => ranker.rank("a", null), /passages is null/],
    [() => ranker.rank("a", "b"), /passages is of type string, not a list/],
    [() => ranker.rank("a", new Uint8Array(3)), /passages/],
    [() => ranker.rank("a", ["b", 3]), /passages\[1\] is of type number/],
    [() => ranker.rank("a", ["b", , "c"]), /passages\[1\] is of type undefined/],
    [() => ranker.rank("a", ["b", Symbol("c")]), /passages\[1\] is of type symbol/],
    [() => ranker.rank("a", ["b", document]), /passages\[1\] is an object/],
    [() => ranker.rank("a", [{ toString: () => "b" }]), /passages\[0\] is an object/],
    [() => ranker.rank("a", ["b"], { topK: 1 }), /no option "topK"; there are .*top_k/],
    [() => ranker.rank("a", ["b"], { top_k: "1" }), /top_k is a whole number/],
    [() => ranker.rank("a", ["b"], { top_k: 1.5 }), /top_k is a whole number, not 1.5/],
    [() => ranker.rank("a", ["b"], { top_k: 1n }), /top_k .* bigint/],
    [() => ranker.rank("a", ["b"], 3), /options is of type number/],
    [() => ranker.rank("a", ["b"], { __proto__: null, toString: 1 }), /no option/],
    [() => ranker.highlight("a", "b", { document: {} }), /document is an object/],
    [() => ranker.encode([["a"]]), /passages\[0\] is an array/],
    [() => Document.fromBytes("abc"), /bytes is of type string/],
    [() => new Document(), /comes from/],
    [() => new Reranker(), /await Reranker.load/],
  ]) {
    assert.throws(call, (error) => error instanceof TypeError && message.test(error.message),
      String(message));
  }
  for (const [call, message] of [
    [() => ranker.rank("a", ["b"], { top_k: 0 }), /top_k is at least 1/],
    [() => ranker.rank("a", ["b"], { activation: "soft" }), /"logit" or "sigmoid", not "soft"/],
    [() => ranker.rank("a", ["b"], { timeout_ms: -1 }), /timeout_ms is at least 1/],
    [() => ranker.rank("a", ["b"], { texts: ["b"] }), /texts/],
    [() => ranker.rank("a", [document], { texts: [], highlights: 1 }), /1 documents and 0 texts/],
    [() => ranker.passages("a", { max_tokens: 1 }), /./],
    [() => ranker.passages("a", { overlap_tokens: 5, overlap_sentences: 5 }), /./],
    [() => ranker.passages("a", { kind: "poem" }), /kind is/],
  ]) {
    assert.throws(call, failure("invalid_argument", message));
  }
  await assert.rejects(Reranker.load("model.safetensors"), TypeError);
  await assert.rejects(Reranker.load(model, { precision: "f64" }), failure("invalid_argument"));
  await assert.rejects(Reranker.load(model, { wasm: 1, no: 2 }), TypeError);

  // Code of the caller that runs in the middle of a call.
  const trap = { get top_k() { throw new RangeError("mine"); } };
  assert.throws(() => ranker.rank("a", ["b"], trap), /mine/);
  const victim = await Reranker.load(model);
  const list = { *[Symbol.iterator]() { yield "b"; victim.free(); yield "c"; } };
  assert.throws(() => victim.rank("a", list), failure("invalid_argument", /has been freed/));
  victim.free();
  for (const call of [() => victim.rank("a", ["b"]), () => victim.precision,
    () => victim.encode("a")]) {
    assert.throws(call, failure("invalid_argument", /has been freed/));
  }
  document.free();
  document.free();
  assert.throws(() => document.toBytes(),
    failure("invalid_argument", /the document has been freed/));
  assert.throws(() => ranker.score("a", [document]), failure("invalid_argument", /freed/));
});

test("a caller's code in the middle of a call changes nothing that the call has read", async () => {
  const text = new TextEncoder().encode("Yeast gives off gas.");
  const expected = bits(ranker.score(QUERY, [text, "Knives."]));
  const ran = [];
  let victim = await Reranker.load(model);
  const note = (what, value) => {
    ran.push(what);
    victim.free();
    return value;
  };
  const nothing = { length: 0, byteLength: -5000 };
  class Getters extends Uint8Array {
    get length() { return note("length", 60); }
    get byteLength() { return note("byteLength", -4096); }
    get byteOffset() { return note("byteOffset", 8); }
    get buffer() { return note("buffer", new ArrayBuffer(0)); }
    get [Symbol.toStringTag]() { return note("tag", "Uint16Array"); }
    static get [Symbol.species]() { return note("species", Uint16Array); }
    slice() { return note("slice", nothing); }
    subarray() { return note("subarray", nothing); }
    [Symbol.iterator]() { return note("iterator", [][Symbol.iterator]()); }
  }
  Object.defineProperty(Getters.prototype, "constructor",
    { get: () => note("constructor", Uint16Array) });
  const given = new Getters(text);
  const long = "Z".repeat(9000);
  assert.deepEqual(bits(victim.score(QUERY, [given, "Knives."])), expected);
  assert.equal(victim.rank(given, [given, long], { highlights: 1 }).length, 2);
  assert.equal(victim.rankTexts(given, [given, "Z"]).length, 2);
  assert.equal(victim.highlight(QUERY, given).sentences.length, 1);
  assert.deepEqual(victim.passages(given, { file_name: new Getters(text) }).map((each) => each.end),
    [text.length]);
  const whole = victim.encode(given).toBytes();
  assert.deepEqual(victim.encode([given])[0].toBytes(), ranker.encode(text).toBytes());
  assert.deepEqual(Document.fromBytes(new Getters(whole.buffer)).toBytes(), whole);
  const copied = model.buffer.slice(model.byteOffset, model.byteOffset + model.length);
  const loaded = await Reranker.load(new Getters(copied));
  assert.deepEqual(bits(loaded.score(QUERY, [text, "Knives."])), expected);
  loaded.free();
  assert.deepEqual(ran, []); // none of it is asked at all

  // What has only the look of bytes.
  const bare = [Object.create(Uint8Array.prototype), new Proxy(text, {}),
    Object.create(text), { __proto__: Uint8Array.prototype, length: 5, byteLength: -5 }];
  for (const each of bare) {
    assert.throws(() => victim.rank(QUERY, [each]), { name: "TypeError",
      message: /passages\[0\] is an object, not a string, Uint8Array or Document/ });
    assert.throws(() => victim.encode(each), TypeError);
    assert.throws(() => Document.fromBytes(each), { name: "TypeError", message: /bytes is/ });
  }
  assert.throws(() => Document.fromBytes({ [Symbol.toStringTag]: "ArrayBuffer", length: 2 ** 30 }),
    { name: "TypeError", message: /bytes is an object/ });

  // Values that are read later, and end what was read before.
  const documents = victim.encode(["a", "b"]);
  for (const call of [
    (ending) => victim.rank(QUERY, ["a"], { get top_k() { return ending(); } }),
    (ending) => victim.encode(["a"], { get timeout_ms() { return ending(); } }),
    (ending) => victim.passages("a", { get max_tokens() { return ending(); } }),
    (ending) => victim.highlight(QUERY, "a", { get words() { return ending(); } }),
    (ending) => victim.score(QUERY, { *[Symbol.iterator]() { yield "a"; ending(); } }),
  ]) {
    assert.throws(() => call(() => note("ending", 64)), failure("invalid_argument", /been freed/));
    victim = await Reranker.load(model);
  }
  const ends = { *[Symbol.iterator]() { yield* documents; documents[1].free(); } };
  assert.throws(() => victim.rank(QUERY, ends),
    failure("invalid_argument", /passages\[1\] has been freed/));
  assert.deepEqual(bits(ranker.score(QUERY, [text, "Knives."])), expected);
  victim.free();
});

test("bytes are copied when a call begins", async () => {
  const text = new TextEncoder().encode("Yeast gives off gas.");
  const expected = bits(ranker.score(QUERY, [text]));
  const shared = new Uint8Array(new SharedArrayBuffer(text.length + 3), 3);
  shared.set(text);
  const changing = { *[Symbol.iterator]() { yield shared; } };
  const options = { get activation() { shared.set(text); return "logit"; } };
  assert.deepEqual(bits(ranker.score(QUERY, changing, options)), expected);

  const memory = new SharedArrayBuffer(model.length);
  new Uint8Array(memory).set(model);
  const loading = Reranker.load(memory);
  new Uint8Array(memory).fill(0xff);
  const loaded = await loading;
  assert.deepEqual(bits(loaded.score(QUERY, [text])), expected);
  loaded.free();
  const own = model.buffer.slice(model.byteOffset, model.byteOffset + model.length);
  const moved = Reranker.load(own);
  const gone = new Uint8Array(own);
  structuredClone(own, { transfer: [own] });
  assert.equal(gone.length, 0);
  (await moved).free();

  const lost = { name: "TypeError",
    message: /^(passages\[0\]|bytes|query) has lost its bytes.*transferred or shrank/ };
  assert.throws(() => ranker.rank(QUERY, [gone]), lost);
  assert.throws(() => ranker.rank(gone, ["a"]), lost);
  assert.throws(() => ranker.encode(gone), lost);
  assert.throws(() => Document.fromBytes(gone), lost);
  assert.throws(() => Document.fromBytes(own), lost);
  assert.throws(() => Document.fromBytes(new DataView(new ArrayBuffer(8))), failure("format"));
  await assert.rejects(Reranker.load(gone), lost);
  const clone = Document.fromBytes(new DataView(ranker.encode(text).toBytes().buffer));
  assert.deepEqual(bits(ranker.score(QUERY, [clone])), expected);

  const resizable = new ArrayBuffer(text.length, { maxByteLength: 64 });
  if (resizable.resizable) { // Node 20 and newer
    const tracking = new Uint8Array(resizable);
    const fixed = new Uint8Array(resizable, 4, 8);
    tracking.set(text);
    const shrinks = { *[Symbol.iterator]() { yield tracking; } };
    const shrink = { get activation() { resizable.resize(text.length); return "logit"; } };
    assert.deepEqual(bits(ranker.score(QUERY, shrinks, shrink)), expected);
    resizable.resize(6);
    assert.equal(ranker.passages(tracking)[0].end, 5); // "Yeast ", cut at its last word
    assert.throws(() => ranker.rank(QUERY, [fixed]), lost);
  }
});

test("an object that mice did not make is refused by what it is not", () => {
  const document = ranker.encode("a");
  const fakes = [Object.create(Document.prototype), Object.create(Reranker.prototype),
    new Proxy(document, {}), new Proxy(ranker, {}), Object.create(document)];
  for (const fake of [...fakes, ranker]) {
    const of = (name) => Object.getOwnPropertyDescriptor(Document.prototype, name);
    for (const use of [() => of("toBytes").value.call(fake), () => of("tokens").get.call(fake),
      () => of("fingerprint").get.call(fake), () => of("free").value.call(fake)]) {
      assert.throws(use, { name: "TypeError", message: /not a Document .*encode.*fromBytes/ });
    }
    assert.throws(() => ranker.highlight("a", "b", { document: fake }),
      { name: "TypeError", message: /^document is an object, not a Document / });
    assert.throws(() => ranker.rank("a", [fake]), { name: "TypeError",
      message: /^passages\[0\] is an object, not a string, Uint8Array or Document/ });
    assert.throws(() => ranker.score("a", [document, fake]), { name: "TypeError",
      message: /^passages\[1\] is an object, not a Document that / });
  }
  for (const fake of [...fakes, document]) {
    const of = (name) => Object.getOwnPropertyDescriptor(Reranker.prototype, name);
    for (const use of [() => of("precision").get.call(fake), () => of("fingerprint").get.call(fake),
      () => of("rank").value.call(fake, "a", ["b"]), () => of("encode").value.call(fake, "a"),
      () => of("score").value.call(fake, "a", ["b"]), () => of("passages").value.call(fake, "a"),
      () => of("highlight").value.call(fake, "a", "b"),
      () => of("rankTexts").value.call(fake, "a", ["b"]),
      () => of("releaseMemory").value.call(fake), () => of("free").value.call(fake)]) {
      assert.throws(use, { name: "TypeError", message: /not a Reranker .*Reranker\.load/ });
    }
  }
  assert.equal(document.tokens, 3);
  document.free();
});

test("hostile models are refused", async () => {
  const kinds = ["io", "format", "config", "tensor", "tokenizer", "unsupported"];
  const header = Number(model.readBigUInt64LE(0));
  const refused = (bytes) => assert.rejects(Reranker.load(bytes), failure(kinds));
  const ends = [0, 1, 7, 8, 9, 8 + header - 1, 8 + header, 8 + header + 1, model.length >> 1,
    model.length - 1];
  for (const end of ends) {
    await refused(model.subarray(0, end));
  }
  await refused(Buffer.concat([model, Buffer.alloc(1)]));
  for (const size of [0n, 1n, BigInt(header - 1), BigInt(header + 1), 2n ** 31n, 2n ** 32n + 5n,
    2n ** 63n, 2n ** 64n - 1n]) {
    const changed = Buffer.from(model);
    changed.writeBigUInt64LE(size, 0);
    await refused(changed);
  }
  const deep = Buffer.alloc(8 + 400000, "[");
  deep.writeBigUInt64LE(400000n, 0);
  await refused(deep);
  const text = model.toString("latin1", 8, 8 + header);
  for (const [before, after] of [[/"shape":\[(\d)/, '"shape":[9$1'], [/"I8"/, '"F8"'],
    [/:\[0,/, ":[1,"], [/"data_offsets"/, '"data_offset5"'], [/\{/, "["]]) {
    let changed = text.replace(before, after);
    assert.notEqual(changed, text);
    changed = changed.length > header ? changed.trimEnd() : changed;
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(changed.length));
    const rest = model.subarray(8 + header);
    await refused(Buffer.concat([size, Buffer.from(changed, "latin1"), rest]));
  }
  // What 64-bit sizes can count, but not the module's.
  const large = text.replace(/(max_position_embeddings[^0-9]*)\d+/, "$140000");
  assert.notEqual(large, text);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(large.length));
  await assert.rejects(
    Reranker.load(Buffer.concat([size, Buffer.from(large, "latin1"), model.subarray(8 + header)])),
    failure("unsupported", /40000 positions .* 32 bits/));
  assert.ok(Number.isFinite(ranker.score("a", ["b"])[0]));
});

test("hostile documents are refused, or are documents", () => {
  const bytes = ranker.encode(BREAD).toBytes();
  const expected = bits(ranker.score(QUERY, [Document.fromBytes(bytes)]));
  let refused = 0;
  const use = (changed) => {
    try {
      const document = Document.fromBytes(changed);
      ranker.score(QUERY, [document]);
      document.free();
    } catch (error) {
      failure(["format", "mismatch", "unsupported", "tensor"])(error);
      ++refused;
    }
  };
  for (let end = 0; end < bytes.length; end += end < 200 ? 1 : 997) {
    const before = refused;
    use(bytes.subarray(0, end));
    assert.equal(refused, before + 1, `${end} bytes`);
  }
  for (let i = 0; i < bytes.length; i += i < 300 ? 1 : 991) {
    for (const flip of [1, 0x80, 0xff]) {
      const changed = bytes.slice();
      changed[i] ^= flip;
      use(changed);
    }
  }
  assert.ok(refused > 500, `${refused}`);
  assert.deepEqual(bits(ranker.score(QUERY, [Document.fromBytes(bytes.buffer)])), expected);
});

test("thousands of calls take no memory", async () => {
  const bytes = ranker.encode(BREAD).toBytes();
  const round = async (i) => {
    ranker.rank("bread", ["Bread.", "Knives."], { highlights: 2, top_k: 1 + i % 2 });
    const documents = ranker.encode(["Bread.", `Knives ${i}`]);
    ranker.rank("bread", documents, { highlights: 1, texts: ["Bread.", `Knives ${i}`] });
    documents.forEach((each) => each.free());
    const again = Document.fromBytes(bytes);
    again.toBytes();
    again.free();
    ranker.passages(BREAD);
    assert.throws(() => Document.fromBytes(bytes.subarray(0, 100)), MiceError);
    assert.throws(() => ranker.rank("\ud800", ["b"], { invalid_utf8: "refuse" }), MiceError);
    if (i % 100 === 0) {
      const other = await Reranker.load(model, { precision: "int8" });
      other.free();
      await assert.rejects(Reranker.load(model.subarray(0, model.length - 1)), MiceError);
    }
  };
  for (let i = 0; i < 101; ++i) {
    await round(i);
  }
  const before = memorySize();
  for (let i = 0; i < 300; ++i) {
    await round(i);
  }
  assert.equal(memorySize(), before);
});

test("what was forgotten is freed by the garbage collector", { skip: !globalThis.gc }, async () => {
  const bytes = ranker.encode(BREAD).toBytes();
  const lose = () => {
    for (let i = 0; i < 100; ++i) {
      Document.fromBytes(bytes);
    }
  };
  lose();
  const before = memorySize();
  for (let i = 0; i < 30; ++i) {
    lose();
    gc();
    await new Promise((done) => setTimeout(done, 1));
  }
  assert.ok(memorySize() - before < 2 ** 25, `${memorySize() - before}`);
});

test("no memory is an error, and the module lives on", async () => {
  const big = "x".repeat(2 ** 27);
  assert.throws(() => ranker.rank("a", Array(40).fill(big)), failure("out_of_memory"));

  const engine = new Engine(await WebAssembly.compile(readFileSync(join(folder, "mice.wasm"))));
  const at = engine.put(model, "the model");
  const out = engine.allocate(8, "results");
  engine.must("mice_reranker_load_memory", at, model.length, 0, out);
  const loaded = engine.u32(out);
  const text = engine.put(new TextEncoder().encode(BREAD.repeat(20)), "a text");
  const encode = () => {
    engine.must("mice_encode", loaded, text, BREAD.length * 20, 0, out);
    engine.call("mice_document_free", engine.u32(out));
  };
  encode();
  engine.call("mice_reranker_release_memory", loaded);
  const taken = [];
  for (let size = 2 ** 28; size >= 2 ** 10; size >>= 1) {
    for (let each; (each = engine.call("malloc", size) >>> 0) !== 0;) {
      taken.push(each);
    }
  }
  assert.ok(engine.memorySize > 2 ** 32 - 2 ** 20);
  assert.throws(encode, failure("out_of_memory"));
  assert.ok(!engine.broken);
  taken.forEach((each) => engine.release(each));
  encode();
});

test("a module that broke says so", async () => {
  const engine = new Engine(await WebAssembly.compile(readFileSync(join(folder, "mice.wasm"))));
  const out = engine.allocate(4, "a result");
  assert.throws(() => engine.must("mice_document_serialize", 0xfffffff0, out),
    failure("unexpected", /stopped in mice_document_serialize/));
  assert.ok(engine.broken);
  assert.throws(() => engine.call("mice_version"), failure("unexpected", /earlier failure/));
  engine.release(out); // nothing, and no error
});

test("a wrong module is an error, and the next call may bring the right one", async () => {
  const { init: begin } = await from("index.mjs?another"); // which has loaded nothing yet
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  for (const wasm of [Object.create(WebAssembly.Module.prototype), empty,
    await WebAssembly.compile(empty), empty.subarray(4)]) {
    await assert.rejects(begin({ wasm }), failure("unsupported"));
  }
  await assert.rejects(begin({ wasm: {} }), { name: "TypeError", message: /wasm is an object/ });
  await begin();
});

test("disposal, and a module from elsewhere", async () => {
  if (Symbol.dispose !== undefined) {
    const document = ranker.encode("a");
    document[Symbol.dispose]();
    assert.throws(() => document.tokens, MiceError);
  }
  await init(); // again is nothing
  assert.match(ranker.fingerprint, /^[0-9a-f]{32}$/);
  const document = ranker.encode(["a b c"])[0];
  assert.equal(document.fingerprint, ranker.fingerprint);
  assert.deepEqual([document.tokens, document.tokens_cut, document.replaced], [5, 0, 0]);
  assert.ok(ranker.stores_documents);
});
