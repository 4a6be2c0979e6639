// SPDX-License-Identifier: Apache-2.0
// mice in JavaScript: ranks texts by how well they answer a query, in a browser or in Node.
import { Engine, MiceError, Texts, badArgument, typeOf } from "./engine.mjs";
import { bytesOf, isBytes, listOf, oneOf, optionsOf, textOf, textsOf } from "./options.mjs";

export { MiceError };

const PRECISIONS = ["automatic", "f32", "bf16", "int8"];
const KINDS = ["automatic", "plain", "markdown", "code", "log"];
const MADE_HERE = Symbol("made by mice");

// ---- the module: compiled once, started again only after a failure that broke it ----

let compiled; // a promise
let running;

async function compile(wasm) {
  const source = await (wasm ?? new URL("./mice.wasm", import.meta.url));
  if (source instanceof WebAssembly.Module) {
    return source;
  }
  let bytes;
  if (source instanceof URL || typeof source === "string") {
    const node = typeof process === "object" && process?.versions?.node !== undefined;
    if (node && !/^(https?|data|blob):/.test(String(source))) {
      const { readFile } = await import("node:fs/promises");
      bytes = await readFile(source);
    } else {
      const response = await fetch(source);
      if (!response.ok) {
        throw new MiceError(`${source} cannot be loaded: HTTP ${response.status}`, "io");
      }
      bytes = await response.arrayBuffer();
    }
  } else if (typeof Response === "function" && source instanceof Response) {
    bytes = await source.arrayBuffer();
  } else {
    bytes = bytesOf(source, "wasm");
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (failure) {
    throw new MiceError(`this JavaScript engine cannot compile mice.wasm, which needs SIMD and ` +
      `exceptions of WebAssembly: ${failure.message}`, "unsupported");
  }
}

function started(module) {
  try {
    return new Engine(module);
  } catch (failure) {
    throw new MiceError(`wasm cannot be started as mice.wasm of this version: ${failure.message}`,
      failure instanceof RangeError ? "out_of_memory" : "unsupported");
  }
}

/** Loads the module; Reranker.load does it, too. `wasm`: where or what it is, if not beside this
 *  file. The first call decides. */
export async function init({ wasm } = {}) {
  compiled ??= compile(wasm);
  const mine = compiled;
  try {
    const module = await mine;
    if (running === undefined || running.broken) {
      running = started(module);
    }
  } catch (failure) {
    if (compiled === mine) {
      compiled = undefined; // so that another call may try again
    }
    throw failure;
  }
  return undefined;
}

function engineNow() {
  if (running === undefined) {
    throw badArgument("the module is not loaded yet: await init() or Reranker.load() first");
  }
  return running;
}

/** Bytes of the module's memory, which grows as needed and never shrinks. */
export function memorySize() {
  return running === undefined ? 0 : running.memorySize;
}

// ---- objects in the module's memory ----

const held = new WeakMap(); // object -> {kind, engine, pointer, free()}
const forgotten = new FinalizationRegistry((resource) => resource.free());

/** Ties an object to what it has in the module's memory: pairs of function and pointer. */
function hold(object, kind, engine, pointers) {
  const resource = {
    kind,
    engine,
    pointer: pointers[0][1],
    free() {
      if (this.pointer !== 0 && !engine.broken) {
        pointers.forEach(([name, pointer]) => engine.call(name, pointer));
      }
      this.pointer = 0;
    },
  };
  held.set(object, resource);
  forgotten.register(object, resource, object);
}

const ORIGINS = {
  Document: "that reranker.encode() or Document.fromBytes() made",
  Reranker: "that Reranker.load() made",
};

/** Asks what mice knows of the object, and not the object. */
const isA = (kind, object) => held.get(object)?.kind === kind;

function heldOf(object, kind, name) {
  if (!isA(kind, object)) {
    throw new TypeError(
      `${name} is ${typeOf(object)}, not a ${kind} ${ORIGINS[kind]} (a Proxy of one is none)`);
  }
  return held.get(object);
}

/** Comes after the last argument of a call was read: reading may be the caller's code, which may
 *  free the object. */
function resourceOf(object, kind, name) {
  const resource = heldOf(object, kind, name);
  if (resource.pointer === 0) {
    throw badArgument(`${name} has been freed`);
  }
  return resource;
}
const documentOf = (object, name = "the document") => resourceOf(object, "Document", name);
const rerankerOf = (object) => resourceOf(object, "Reranker", "the reranker");

function release(object, kind, name) {
  const resource = heldOf(object, kind, name);
  forgotten.unregister(object);
  resource.free();
}

/** Runs work(keep): what it gives to keep() is freed when it ends. */
function scoped(work) {
  const kept = [];
  const keep = (release) => kept.push(release);
  try {
    return work(keep);
  } finally {
    while (kept.length > 0) {
      kept.pop()();
    }
  }
}

function putTexts(engine, keep, texts, what) {
  const made = new Texts(engine, texts, what);
  keep(() => made.free());
  return made;
}

/** Calls a function that makes an object, whose pointer it returns; `free` names its end. */
function make(engine, keep, free, name, ...given) {
  const place = engine.allocate(4, "a result");
  keep(() => engine.release(place));
  engine.must(name, ...given, place);
  const made = engine.u32(place);
  if (free !== null) {
    keep(() => engine.broken || engine.call(free, made));
  }
  return made;
}

function makeOptions(engine, keep, { calls }) {
  const options = make(engine, keep, "mice_options_free", "mice_options_create");
  for (const [name, ...values] of calls) {
    engine.must(name, options, ...values);
  }
  return options;
}

/** Room for numbers that a function writes. */
function room(engine, keep, size) {
  const at = engine.allocate(size, "a result");
  keep(() => engine.release(at));
  return at;
}

// ---- results ----

function readHighlights(engine, out, from, place) {
  const sentences = [];
  for (let i = 0, n = engine.call("mice_highlights_size", from) >>> 0; i < n; ++i) {
    engine.must("mice_highlights_sentence", from, i, out, out + 4, out + 8, out + 12);
    const [begin, end, line] = [0, 4, 8].map((at) => engine.u32(out + at));
    const sentence = { begin: place(begin), end: place(end), line, score: engine.f32(out + 12),
      words: [] };
    for (let j = 0, m = engine.call("mice_highlights_words", from, i) >>> 0; j < m; ++j) {
      engine.must("mice_highlights_word", from, i, j, out, out + 4, out + 8);
      const [first, last] = [engine.u32(out), engine.u32(out + 4)];
      sentence.words.push({ begin: place(first), end: place(last), score: engine.f32(out + 8) });
    }
    sentences.push(sentence);
  }
  const note = engine.call("mice_highlights_note", from, out) >>> 0;
  return { sentences, note: engine.text(note, engine.u32(out)) };
}

function readRanking(engine, keep, ranking, texts, shown, ofTexts) {
  const out = room(engine, keep, 48);
  const hits = [];
  for (let i = 0, n = engine.call("mice_ranking_size", ranking) >>> 0; i < n; ++i) {
    const index = engine.call("mice_ranking_index", ranking, i) >>> 0;
    engine.must("mice_ranking_tokens", ranking, i, out, out + 4, out + 8);
    const hit = {
      index,
      score: engine.call("mice_ranking_score", ranking, i),
      tokens_seen: engine.u32(out),
      tokens_cut: engine.u32(out + 4),
      replaced: engine.u32(out + 8),
    };
    const place = texts === null ? null : texts.placer(index);
    if (ofTexts) {
      const at = [0, 4, 8, 16, 24, 32, 40].map((each) => out + each);
      engine.must("mice_ranking_passage", ranking, i, ...at);
      hit.passages = engine.u32(at[0]);
      hit.best = {
        index: engine.u32(at[1]),
        score: engine.f32(at[2]),
        begin: place(engine.u64(at[3])),
        end: place(engine.u64(at[4])),
        first_line: engine.u64(at[5]),
        last_line: engine.u64(at[6]),
      };
    }
    if (shown > 0) {
      const from = engine.call("mice_ranking_highlights", ranking, i) >>> 0;
      hit.highlights = from === 0 ? null
        : readHighlights(engine, out, from, place ?? ((byte) => byte));
    }
    hits.push(hit);
  }
  engine.must("mice_ranking_query", ranking, out, out + 4, out + 8);
  return Object.assign(hits, {
    complete: engine.call("mice_ranking_complete", ranking) !== 0,
    unscored: engine.call("mice_ranking_unscored", ranking) >>> 0,
    query_tokens_seen: engine.u32(out),
    query_tokens_cut: engine.u32(out + 4),
    query_replaced: engine.u32(out + 8),
  });
}

function readScores(engine, keep, ranking) {
  const n = engine.call("mice_ranking_size", ranking) >>> 0;
  const at = room(engine, keep, 4 * n);
  engine.must("mice_ranking_copy_scores", ranking, at, n);
  return new Float32Array(engine.bytes.slice(at, at + 4 * n).buffer);
}

// ---- documents ----

/** How many it has (0), how many were cut (1), or characters that were replaced (2). */
function tokensOf(document, which) {
  const { engine, pointer } = documentOf(document);
  return scoped((keep) => {
    const out = room(engine, keep, 12);
    engine.must("mice_document_tokens", pointer, out, out + 4, out + 8);
    return engine.u32(out + 4 * which);
  });
}

/** A document that was encoded once. */
export class Document {
  constructor(made, engine, pointer) {
    if (made !== MADE_HERE) {
      throw new TypeError("a Document comes from reranker.encode() or Document.fromBytes()");
    }
    hold(this, "Document", engine, [["mice_document_free", pointer]]);
  }

  /** Of what toBytes() gave. Trusts nothing in it. */
  static fromBytes(bytes) {
    const given = bytesOf(bytes, "bytes");
    const engine = engineNow();
    return scoped((keep) => {
      const size = given.byteLength;
      const at = engine.put(given, "a document");
      keep(() => engine.release(at));
      return new Document(MADE_HERE, engine,
        make(engine, keep, null, "mice_document_deserialize", at, size));
    });
  }

  /** A Uint8Array to store. */
  toBytes() {
    const { engine, pointer } = documentOf(this);
    return scoped((keep) => {
      const made = make(engine, keep, "mice_bytes_free", "mice_document_serialize", pointer);
      const out = room(engine, keep, 4);
      const at = engine.call("mice_bytes_data", made, out) >>> 0;
      return engine.bytes.slice(at, at + engine.u32(out));
    });
  }

  get tokens() {
    return tokensOf(this, 0);
  }
  get tokens_cut() {
    return tokensOf(this, 1);
  }
  get replaced() {
    return tokensOf(this, 2);
  }
  get fingerprint() {
    const { engine, pointer } = documentOf(this);
    return engine.text(engine.call("mice_document_fingerprint", pointer, 0) >>> 0);
  }

  /** Gives its memory back; it cannot be used any more. */
  free() {
    release(this, "Document", "the document");
  }
}

// ---- the reranker ----

/** A list of texts, or one of documents. */
function passagesOf(value, name) {
  const list = listOf(value, name);
  if (list.length > 0 && isA("Document", list[0])) {
    list.forEach((each, i) => heldOf(each, "Document", `${name}[${i}]`));
    return { documents: list };
  }
  return { texts: list.map((each, i) => textOf(each, `${name}[${i}]`,
    i === 0 ? "a string, Uint8Array or Document" : undefined)) };
}

/** A call that has a query; its arguments were read. */
function ranked(reranker, question, asked, work) {
  const { engine, pointer } = rerankerOf(reranker);
  return scoped((keep) => work(engine, keep, pointer,
    putTexts(engine, keep, [question], "the query"), makeOptions(engine, keep, asked)));
}

/** A loaded model. */
export class Reranker {
  constructor(made, engine, pointer, bytes) {
    if (made !== MADE_HERE) {
      throw new TypeError("a Reranker comes from await Reranker.load(bytes)");
    }
    hold(this, "Reranker", engine, [["mice_reranker_free", pointer], ["free", bytes]]);
  }

  /** Of a model file's bytes, which are copied before the call returns. */
  static async load(bytes, options) {
    const given = bytesOf(bytes, "bytes");
    const asked = optionsOf(options, "load");
    await init(asked.values);
    const engine = engineNow();
    return scoped((keep) => {
      const size = given.byteLength;
      let at = engine.put(given, "the model");
      keep(() => engine.release(at));
      const made = make(engine, keep, null, "mice_reranker_load_memory", at, size,
        makeOptions(engine, keep, asked));
      const reranker = new Reranker(MADE_HERE, engine, made, at);
      at = 0; // it has the bytes
      return reranker;
    });
  }

  get precision() {
    const { engine, pointer } = rerankerOf(this);
    return PRECISIONS[engine.call("mice_reranker_precision", pointer)];
  }
  get fingerprint() {
    const { engine, pointer } = rerankerOf(this);
    return engine.text(engine.call("mice_reranker_fingerprint", pointer, 0) >>> 0);
  }
  get max_tokens() {
    const { engine, pointer } = rerankerOf(this);
    return engine.call("mice_reranker_max_tokens", pointer) >>> 0;
  }
  get stores_documents() {
    const { engine, pointer } = rerankerOf(this);
    return engine.call("mice_reranker_stores_documents", pointer) !== 0;
  }

  /** Ranks texts or documents: hits, best first, equal scores in their order. */
  rank(query, passages, options) {
    const question = textOf(query, "query");
    const asked = optionsOf(options, "rank");
    const { documents, texts } = passagesOf(passages, "passages");
    const named = asked.values.texts;
    if (named !== undefined && documents === undefined) {
      throw badArgument("texts are those of documents, and passages are texts already");
    }
    const shown = named === undefined ? texts : textsOf(named, "texts");
    if (documents !== undefined && shown !== undefined && shown.length !== documents.length) {
      throw badArgument(`there are ${documents.length} documents and ${shown.length} texts`);
    }
    return ranked(this, question, asked, (engine, keep, pointer, asks, settings) => {
      const list = shown === undefined ? null : putTexts(engine, keep, shown, "the texts");
      const ranking = documents === undefined
        ? make(engine, keep, "mice_ranking_free", "mice_rank", pointer, asks.at(0), asks.size(0),
          list.pointers, list.sizes, list.count, settings)
        : make(engine, keep, "mice_ranking_free", "mice_rank_documents", pointer, asks.at(0),
          asks.size(0), putDocuments(engine, keep, documents), documents.length,
          list?.pointers ?? 0, list?.sizes ?? 0, settings);
      return readRanking(engine, keep, ranking, list, asked.values.highlights, false);
    });
  }

  /** Ranks texts of any length by their passages; hits say where the best one is. */
  rankTexts(query, texts, options) {
    const question = textOf(query, "query");
    const asked = optionsOf(options, "rankTexts");
    const given = textsOf(texts, "texts");
    return ranked(this, question, asked, (engine, keep, pointer, asks, settings) => {
      const list = putTexts(engine, keep, given, "the texts");
      const ranking = make(engine, keep, "mice_ranking_free", "mice_rank_texts", pointer,
        asks.at(0), asks.size(0), list.pointers, list.sizes, list.count, settings);
      return readRanking(engine, keep, ranking, list, asked.values.highlights, true);
    });
  }

  /** Scores of texts or documents, in their order; NaN where the time ran out. */
  score(query, passages, options) {
    const question = textOf(query, "query");
    const asked = optionsOf(options, "score");
    const { documents, texts } = passagesOf(passages, "passages");
    return ranked(this, question, asked, (engine, keep, pointer, asks, settings) => {
      let ranking;
      if (documents !== undefined) {
        ranking = make(engine, keep, "mice_ranking_free", "mice_score_documents", pointer,
          asks.at(0), asks.size(0), putDocuments(engine, keep, documents), documents.length,
          settings);
      } else {
        const list = putTexts(engine, keep, texts, "the texts");
        ranking = make(engine, keep, "mice_ranking_free", "mice_score", pointer, asks.at(0),
          asks.size(0), list.pointers, list.sizes, list.count, settings);
      }
      return readScores(engine, keep, ranking);
    });
  }

  /** The sentences of a text that answer the query, and words in them. */
  highlight(query, text, options) {
    const question = textOf(query, "query");
    const asked = optionsOf(options, "highlight");
    const given = textOf(text, "text");
    const { document } = asked.values;
    if (document !== undefined) {
      documentOf(document, "document");
    }
    return ranked(this, question, asked, (engine, keep, pointer, asks, settings) => {
      const list = putTexts(engine, keep, [given], "the text");
      const name = document === undefined ? "mice_highlight_text" : "mice_highlight_document";
      const of = document === undefined ? [] : [pointerOf(engine, document, "document")];
      const found = make(engine, keep, "mice_highlights_free", name, pointer, asks.at(0),
        asks.size(0), ...of, list.at(0), list.size(0), settings);
      return readHighlights(engine, room(engine, keep, 16), found, list.placer(0));
    });
  }

  /** Cuts a text into passages that the model reads whole. */
  passages(text, options) {
    const asked = optionsOf(options, "passages");
    const given = textOf(text, "text");
    const kind = oneOf(asked.values.kind ?? "automatic", "kind", KINDS);
    const file = textOf(asked.values.file_name ?? "", "file_name");
    const { engine, pointer } = rerankerOf(this);
    return scoped((keep) => {
      const settings = makeOptions(engine, keep, asked);
      const list = putTexts(engine, keep, [given, file], "the text");
      engine.must("mice_options_set_text_kind", settings, kind, list.at(1), list.size(1));
      const cut = make(engine, keep, "mice_passages_free", "mice_passages_cut", pointer,
        list.at(0), list.size(0), settings);
      const out = room(engine, keep, 40);
      const place = list.placer(0);
      return Array.from({ length: engine.call("mice_passages_size", cut) >>> 0 }, (_, index) => {
        const at = [0, 8, 16, 24, 32].map((each) => out + each);
        engine.must("mice_passages_place", cut, index, ...at);
        const [begin, end, first_line, last_line] = at.slice(0, 4).map((each) => engine.u64(each));
        const tokens = engine.u32(at[4]);
        const count = engine.call("mice_passages_headings", cut, index) >>> 0;
        const headings = Array.from({ length: count }, (__, i) => {
          const heading = engine.call("mice_passages_heading", cut, index, i, out) >>> 0;
          return engine.text(heading, engine.u32(out));
        });
        return { index, begin: place(begin), end: place(end), first_line, last_line, tokens,
          headings };
      });
    });
  }

  /** Encodes a text, or a list of texts, for later: rank() then runs the last layers alone. */
  encode(passages, options) {
    const asked = optionsOf(options, "encodeAll");
    const one = typeof passages === "string" || isBytes(passages);
    const given = textsOf(one ? [passages] : passages, "passages");
    const { engine, pointer } = rerankerOf(this);
    const made = scoped((keep) => {
      const list = putTexts(engine, keep, given, "the texts");
      const out = room(engine, keep, 4 * given.length);
      engine.must("mice_encode_all", pointer, list.pointers, list.sizes, list.count,
        makeOptions(engine, keep, asked), out);
      return given.map((_, i) => new Document(MADE_HERE, engine, engine.u32(out + 4 * i)));
    });
    return one ? made[0] : made;
  }

  /** Frees the work memory that finished calls left for the next ones. */
  releaseMemory() {
    const { engine, pointer } = rerankerOf(this);
    engine.call("mice_reranker_release_memory", pointer);
  }

  /** Gives the model's memory back; it cannot be used any more. Documents stay. */
  free() {
    release(this, "Reranker", "the reranker");
  }
}

function pointerOf(engine, document, name) {
  const resource = documentOf(document, name);
  if (resource.engine !== engine) {
    throw new MiceError(`${name} belongs to an engine that stopped: make it from its bytes again`,
      "mismatch");
  }
  return resource.pointer;
}

function putDocuments(engine, keep, documents) {
  const at = room(engine, keep, 4 * documents.length);
  documents.forEach((each, i) =>
    engine.setU32(at + 4 * i, pointerOf(engine, each, `passages[${i}]`)));
  return at;
}

if (Symbol.dispose !== undefined) {
  for (const each of [Document, Reranker]) {
    Object.defineProperty(each.prototype, Symbol.dispose, {
      value() {
        this.free();
      },
      configurable: true,
      writable: true,
    });
  }
}
