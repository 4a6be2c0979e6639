// SPDX-License-Identifier: Apache-2.0
// Arguments and options of calls, checked before anything is allocated: errors name them.
import { badArgument, outOfMemory, typeOf } from "./engine.mjs";

const MOST = 2 ** 32 - 1; // of the module's numbers; for a list's length as good as infinity

export function count(value, name, least = 0) {
  if (!Number.isInteger(value)) {
    throw new TypeError(`${name} is a whole number, not ${
      typeof value === "number" ? value : typeOf(value)}`);
  }
  if (value < least) {
    throw badArgument(`${name} is at least ${least}, not ${value}`);
  }
  return Math.min(value, MOST);
}

export function oneOf(value, name, choices) {
  const place = choices.indexOf(value);
  if (place < 0) {
    const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : typeOf(value);
    const known = choices.map((each) => `"${each}"`).join(" or ");
    throw badArgument(`${name} is ${known}, not ${shown}`);
  }
  return place;
}

// What an array of bytes says of itself may be the caller's code, which can end what a call has
// begun with. So nothing of it is asked: these read the language's own fields.
const { apply } = Reflect;
const { isView } = ArrayBuffer;
const TYPED = Object.getPrototypeOf(Uint8Array.prototype);
function getter(prototype, name) {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (value) => apply(get, value, []);
}
const fieldsOf = (prototype) => ["buffer", "byteOffset", "byteLength"]
  .map((name) => getter(prototype, name));
const TYPED_FIELDS = fieldsOf(TYPED);
const DATA_FIELDS = fieldsOf(DataView.prototype);
const typeOfArray = getter(TYPED, Symbol.toStringTag); // undefined for what is none
const BUFFER_SIZES = [ArrayBuffer, globalThis.SharedArrayBuffer]
  .filter((each) => each !== undefined)
  .map((each) => getter(each.prototype, "byteLength"));
const { keys, set } = TYPED;

/** A copy of bytes of a buffer, which other threads may change and resize meanwhile. */
function copyOf(buffer, offset, size, name) {
  let copy = null;
  try {
    copy = size <= MOST ? new Uint8Array(size) : null;
  } catch {
    // Told below.
  }
  if (copy === null) {
    throw outOfMemory(size, name);
  }
  apply(set, copy, [new Uint8Array(buffer, offset, size)]);
  return copy;
}

function copyOfView(value, [bufferOf, offsetOf, sizeOf], name) {
  try {
    if (typeOfArray(value) !== undefined) {
      apply(keys, value, []); // which fails where the size would be 0: the memory is gone
    }
    const size = sizeOf(value);
    return copyOf(bufferOf(value), offsetOf(value), size, name);
  } catch (failure) {
    if (failure instanceof TypeError || failure instanceof RangeError) {
      throw lost(name);
    }
    throw failure;
  }
}

const lost = (name) => new TypeError(`${name} has lost its bytes: their ArrayBuffer was ` +
  "transferred or shrank");

/** A copy of the bytes of a buffer or of a view of one. */
export function bytesOf(value, name) {
  if (isView(value)) {
    return copyOfView(value, typeOfArray(value) === undefined ? DATA_FIELDS : TYPED_FIELDS, name);
  }
  for (const sizeOf of BUFFER_SIZES) {
    let size;
    try {
      size = sizeOf(value);
    } catch {
      continue; // no such buffer
    }
    return copyOfView(value, [(buffer) => buffer, () => 0, () => size], name);
  }
  throw new TypeError(`${name} is ${typeOf(value)}, not a Uint8Array or ArrayBuffer`);
}

/** Whether that is a Uint8Array, and not only an object that looks like one. */
export const isBytes = (value) => typeOfArray(value) === "Uint8Array";

/** A string, or a copy of the bytes of one in UTF-8. */
export function textOf(value, name, wanted = "a string or Uint8Array") {
  if (typeof value === "string") {
    return value;
  }
  if (isBytes(value)) {
    return copyOfView(value, TYPED_FIELDS, name);
  }
  throw new TypeError(`${name} is ${typeOf(value)}, not ${wanted}`);
}

export function listOf(value, name) {
  if (typeof value === "string" || typeof value?.[Symbol.iterator] !== "function" ||
      isView(value)) {
    throw new TypeError(`${name} is ${typeOf(value)}, not a list of texts`);
  }
  return [...value];
}

export function textsOf(value, name) {
  return listOf(value, name).map((each, i) => textOf(each, `${name}[${i}]`));
}

const COMMON = {
  special_tokens: (value, name) =>
    ["mice_options_set_specials", oneOf(value, name, ["plain", "parse"])],
  invalid_utf8: (value, name) =>
    ["mice_options_set_invalid_utf8", oneOf(value, name, ["replace", "refuse"])],
};
const TIMED = {
  timeout_ms: (value, name) =>
    ["mice_options_set_time_limit", BigInt(count(value, name, 1))],
};
const SCORED = {
  ...COMMON,
  ...TIMED,
  activation: (value, name) =>
    ["mice_options_set_score_form", oneOf(value, name, ["logit", "sigmoid"])],
};
const SHOWN = { highlights: null, words: null };
const RANKED = {
  ...SCORED,
  ...SHOWN,
  top_k: (value, name) => ["mice_options_set_top_k", count(value, name, 1)],
};
const CUT = { max_tokens: null, overlap_tokens: null, overlap_sentences: null };

/** What each kind of call takes. null: below. */
export const OPTIONS = {
  load: {
    precision: (value, name) => ["mice_options_set_precision",
      oneOf(value, name, ["automatic", "f32", "bf16", "int8"])],
    wasm: null,
  },
  score: SCORED,
  rank: { ...RANKED, texts: null },
  rankTexts: {
    ...RANKED,
    max_tokens: null,
    text_score: (value, name) => ["mice_options_set_text_score",
      oneOf(value, name, ["max", "soft_max"]), 0.5, 0.5, 1],
  },
  highlight: { ...COMMON, sentences: null, words: null, document: null },
  passages: { ...CUT, kind: null, file_name: null },
  encodeAll: { ...COMMON, ...TIMED },
};

/** The values that are given, with the calls that set them: {values, calls}. An unknown name is
 *  a mistake. */
export function optionsOf(given, kind) {
  const known = OPTIONS[kind];
  if (given === undefined || given === null) {
    given = {};
  }
  if (typeof given !== "object" || Array.isArray(given)) {
    throw new TypeError(`options is ${typeOf(given)}, not an object such as {top_k: 10}`);
  }
  const values = {};
  const calls = [["mice_options_set_threads", 1]];
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, name)) {
      throw new TypeError(`there is no option ${JSON.stringify(name.slice(0, 40))}; there are ${
        Object.keys(known).join(", ")}`);
    }
    if (value === undefined || value === null) {
      continue;
    }
    values[name] = value;
    if (known[name] !== null) {
      calls.push(known[name](value, name));
    }
  }
  const words = values.words === undefined ? 3 : count(values.words, "words");
  if (kind === "highlight") {
    values.highlights = values.sentences === undefined ? 1 : count(values.sentences, "sentences");
    calls.push(["mice_options_set_highlights", values.highlights, words]);
  } else if (values.highlights !== undefined && values.highlights !== false) {
    values.highlights = values.highlights === true ? 1 : count(values.highlights, "highlights", 1);
    calls.push(["mice_options_set_highlights", values.highlights, words]);
  } else {
    values.highlights = 0;
  }
  const cut = ["max_tokens", "overlap_tokens", "overlap_sentences"]
    .map((name) => values[name] === undefined ? 0 : count(values[name], name));
  if (cut.some((each) => each > 0)) {
    calls.push(["mice_options_set_passages", ...cut]);
  }
  return { values, calls };
}
