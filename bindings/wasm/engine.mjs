// SPDX-License-Identifier: Apache-2.0
// The WebAssembly module: its start, its memory, its errors. index.mjs is what a program imports.

/** Codes of mice.h, in its order. */
const CODES = ["ok", "io", "format", "config", "tensor", "tokenizer", "unsupported",
  "invalid_argument", "encoding", "stopped", "mismatch", "out_of_memory", "unexpected"];

/** A failure of mice; the message says what is wrong, where, and what to do. */
export class MiceError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}
MiceError.prototype.name = "MiceError";

export const badArgument = (message) => new MiceError(message, "invalid_argument");

/** "of type number", or of what class, for messages. */
export function typeOf(value) {
  if (value === null) {
    return "null";
  }
  const type = typeof value;
  return type !== "object" ? `of type ${type}` : Array.isArray(value) ? "an array" : "an object";
}

export const outOfMemory = (size, what) => new MiceError(
  `no memory for ${what} (${size} bytes): a module has 4 GiB at most`, "out_of_memory");

const MOST_BYTES = 2 ** 32 - 1;
const SUCCESS = 0;
const BAD_FILE = 8; // of WASI

/** Bytes of a string in UTF-8; one for a lone surrogate. */
function utf8Size(text) {
  let size = text.length;
  let lone = 0;
  for (let i = 0; i < text.length; ++i) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      continue;
    }
    if (unit < 0x800) {
      size += 1;
    } else if ((unit & 0xf800) !== 0xd800) {
      size += 2;
    } else if (unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      size += 2; // two units, four bytes
      ++i;
    } else {
      ++lone;
    }
  }
  return { size, lone };
}

/** A lone surrogate has no UTF-8. It becomes a byte that is none either, which the engine replaces
 *  and counts, or refuses, as it does with invalid bytes. */
const LONE = 0xff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function encodeParts(text, into) {
  let at = 0;
  let begin = 0;
  const put = (end) => {
    at += encoder.encodeInto(text.slice(begin, end), into.subarray(at)).written;
  };
  for (let i = 0; i < text.length; ++i) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xf800) !== 0xd800) {
      continue;
    }
    if (unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      ++i;
      continue;
    }
    put(i);
    into[at++] = LONE;
    begin = i + 1;
  }
  put(text.length);
}

/** A started module. All objects that it makes live in its one memory. */
export class Engine {
  #exports;
  #bytes = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));
  #fault = null;
  #error = 0; // where functions put their error

  constructor(module) {
    const instance = new WebAssembly.Instance(module, this.#imports());
    this.#exports = instance.exports;
    this.#exports._initialize();
    this.#error = this.call("malloc", 8) >>> 0; // never freed
  }

  #imports() {
    const write = (_file, list, count, written) => {
      let size = 0; // what a library wants to print is dropped
      for (let i = 0; i < count; ++i) {
        size += this.u32((list >>> 0) + 8 * i + 4);
      }
      this.setU32(written >>> 0, size);
      return SUCCESS;
    };
    return {
      env: { emscripten_notify_memory_growth: () => {} },
      wasi_snapshot_preview1: {
        clock_time_get: (clock, _precision, result) => {
          const now = clock === 0 ? Date.now() : performance.now();
          this.#fresh();
          this.#view.setBigUint64(result >>> 0, BigInt(Math.round(now * 1e6)), true);
          return SUCCESS;
        },
        proc_exit: () => {
          throw new Error("abort");
        },
        environ_sizes_get: (count, size) => {
          this.setU32(count >>> 0, 0);
          this.setU32(size >>> 0, 0);
          return SUCCESS;
        },
        environ_get: () => SUCCESS,
        fd_write: write,
        fd_read: () => BAD_FILE,
        fd_seek: () => BAD_FILE,
        fd_close: () => BAD_FILE,
      },
    };
  }

  /** Whether a call ended in a way that it must not; nothing can be trusted then. */
  get broken() {
    return this.#fault !== null;
  }

  /** Calls a function of the module. Pointers that it returns need `>>> 0`. */
  call(name, ...given) {
    if (this.#fault !== null) {
      throw new MiceError(`this engine stopped at an earlier failure (${this.#fault.message}); ` +
        "load the model again", "unexpected");
    }
    try {
      return this.#exports[name](...given);
    } catch (failure) {
      this.#fault = failure instanceof Error ? failure : new Error(String(failure));
      throw new MiceError(`the engine stopped in ${name}: ${this.#fault.message}. ` +
        "Load the model again; please report this", "unexpected");
    }
  }

  /** Calls a function that gives a status and takes an error behind the other arguments. */
  must(name, ...given) {
    this.setU32(this.#error, 0);
    const status = this.call(name, ...given, this.#error);
    if (status !== SUCCESS) {
      const error = this.u32(this.#error);
      const text = this.text(this.call("mice_error_message", error) >>> 0);
      this.call("mice_error_free", error);
      throw new MiceError(text, CODES[status] ?? "unexpected");
    }
  }

  // ---- memory ----

  #fresh() {
    const buffer = this.#exports.memory.buffer;
    if (this.#view.buffer !== buffer) { // it grew
      this.#bytes = new Uint8Array(buffer);
      this.#view = new DataView(buffer);
    }
  }

  /** Valid until something is allocated. */
  get bytes() {
    this.#fresh();
    return this.#bytes;
  }
  get memorySize() {
    return this.#exports.memory.buffer.byteLength;
  }
  u32(at) {
    this.#fresh();
    return this.#view.getUint32(at, true);
  }
  u64(at) {
    return this.u32(at) + 2 ** 32 * this.u32(at + 4);
  }
  f32(at) {
    this.#fresh();
    return this.#view.getFloat32(at, true);
  }
  setU32(at, value) {
    this.#fresh();
    this.#view.setUint32(at, value, true);
  }

  /** The text up to its 0, or of that size. */
  text(at, size = this.bytes.indexOf(0, at) - at) {
    return at === 0 ? "" : decoder.decode(this.bytes.subarray(at, at + size));
  }

  allocate(size, what) {
    const at = size <= MOST_BYTES ? this.call("malloc", Math.max(size, 1)) >>> 0 : 0;
    if (at === 0) {
      throw outOfMemory(size, what);
    }
    return at;
  }
  release(at) {
    if (at !== 0 && !this.broken) {
      this.call("free", at);
    }
  }

  /** Copies a Uint8Array in, which is not a caller's own; who calls releases it. */
  put(bytes, what) {
    const at = this.allocate(bytes.byteLength, what);
    this.bytes.set(bytes, at);
    return at;
  }
}

/** Texts in the module's memory: their bytes, an array of pointers and one of sizes. */
export class Texts {
  #engine;
  #given;
  #at = 0;
  #places = [];

  /** Of strings and of Uint8Arrays that are not a caller's own: see options.mjs. */
  constructor(engine, given, what) {
    this.#engine = engine;
    this.#given = given;
    const least = given.reduce((sum, each) => sum + each.length, 0);
    if (least > MOST_BYTES) { // before all of them are read
      throw outOfMemory(least, what);
    }
    const sizes = given.map((each) => typeof each === "string"
      ? utf8Size(each) : { size: each.byteLength, lone: 0 });
    const total = sizes.reduce((sum, each) => sum + each.size, 0);
    this.#at = engine.allocate(total + 8 * given.length, what);
    const bytes = engine.bytes;
    let next = this.#at + 8 * given.length;
    given.forEach((each, i) => {
      const { size, lone } = sizes[i];
      const into = bytes.subarray(next, next + size);
      if (typeof each !== "string") {
        into.set(each);
      } else if (lone === 0) {
        encoder.encodeInto(each, into);
      } else {
        encodeParts(each, into);
      }
      engine.setU32(this.#at + 4 * i, next);
      engine.setU32(this.#at + 4 * (given.length + i), size);
      this.#places.push({ at: next, size });
      next += size;
    });
  }

  get pointers() {
    return this.#at;
  }
  get sizes() {
    return this.#at + 4 * this.#given.length;
  }
  get count() {
    return this.#given.length;
  }
  at(i) {
    return this.#places[i].at;
  }
  size(i) {
    return this.#places[i].size;
  }

  /** Gives a function from bytes of text i to places in what was given: UTF-16 units of a string.
   *  It is fastest for places in ascending order. */
  placer(i) {
    const given = this.#given[i];
    const { at, size } = this.#places[i];
    if (typeof given !== "string" || given.length === size) {
      return (byte) => byte;
    }
    let units = 0;
    let seen = 0;
    return (byte) => {
      if (byte < seen) {
        units = 0;
        seen = 0;
      }
      const bytes = this.#engine.bytes;
      for (; seen < byte && seen < size; ++seen) {
        const lead = bytes[at + seen];
        units += (lead & 0xc0) === 0x80 ? 0 : lead >= 0xf0 && lead !== LONE ? 2 : 1;
      }
      return units;
    };
  }

  free() {
    this.#engine.release(this.#at);
    this.#at = 0;
  }
}
