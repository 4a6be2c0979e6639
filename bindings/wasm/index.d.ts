// SPDX-License-Identifier: Apache-2.0

/** A string, or the bytes of one in UTF-8. Places in a string are counted in UTF-16 units, as
 *  `slice` takes them; those in bytes in bytes. */
export type Text = string | Uint8Array;
export type Bytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;
export type Precision = "f32" | "bf16" | "int8";

/** A failure of mice; the message says what is wrong, where, and what to do. Arguments of a wrong
 *  type are a TypeError that names them. */
export class MiceError extends Error {
  readonly code: "io" | "format" | "config" | "tensor" | "tokenizer" | "unsupported" |
    "invalid_argument" | "encoding" | "stopped" | "mismatch" | "out_of_memory" | "unexpected";
}

export type WasmSource = string | URL | Bytes | Response | WebAssembly.Module;

export interface LoadOptions {
  /** What it computes in; "automatic", the default, is f32, the fastest in WebAssembly. */
  precision?: Precision | "automatic";
  /** Where or what mice.wasm is, if it does not lie beside index.mjs. */
  wasm?: WasmSource | Promise<WasmSource>;
}

export interface TextOptions {
  /** Whether "[SEP]" in a text is plain text, the default, or the token. */
  special_tokens?: "plain" | "parse";
  /** Lone surrogates and invalid bytes become U+FFFD and are counted, or are an error. */
  invalid_utf8?: "replace" | "refuse";
}

export interface TimedOptions extends TextOptions {
  /** Milliseconds, at least 1. A ranking holds what is done by then; encode() throws "stopped". */
  timeout_ms?: number;
}

export interface ScoreOptions extends TimedOptions {
  /** Any real number, the default, or from 0 to 1. */
  activation?: "logit" | "sigmoid";
}

export interface RankOptions extends ScoreOptions {
  /** Hits at most; all by default. */
  top_k?: number;
  /** Sentences to show of each hit; true: 1. */
  highlights?: boolean | number;
  /** Words to show of each of these sentences; 3 by default. */
  words?: number;
}

export interface RankDocumentsOptions extends RankOptions {
  /** The texts of documents, which highlights need. */
  texts?: Iterable<Text>;
}

export interface RankTextsOptions extends RankOptions {
  /** Tokens of a passage at most; 0, the default: what the model reads. */
  max_tokens?: number;
  /** The score of a text: that of its best passage, or of all. */
  text_score?: "max" | "soft_max";
}

export interface HighlightOptions extends TextOptions {
  /** The text as it was encoded: nothing is encoded again then. */
  document?: Document;
  /** How many at most: 1, and 3 words, by default; 0: all, and none. */
  sentences?: number;
  words?: number;
}

export interface PassageOptions {
  /** Tokens of a passage at most; 0, the default: what the model reads. */
  max_tokens?: number;
  /** What a passage repeats of the one before it; one of the two. */
  overlap_tokens?: number;
  overlap_sentences?: number;
  kind?: "automatic" | "plain" | "markdown" | "code" | "log";
  /** Its ending tells an automatic kind. */
  file_name?: string;
}

export interface HighlightedWord {
  begin: number;
  end: number;
  score: number;
}

export interface HighlightedSentence extends HighlightedWord {
  /** Counted from 1. */
  line: number;
  /** Best first. */
  words: HighlightedWord[];
}

export interface Highlights {
  /** Best first. */
  sentences: HighlightedSentence[];
  /** What could not be had, and why; "": nothing. */
  note: string;
}

export interface Hit {
  /** Place in the list that was given. */
  index: number;
  score: number;
  tokens_seen: number;
  /** Tokens beyond the model's limit. */
  tokens_cut: number;
  /** Lone surrogates and invalid bytes that became U+FFFD. */
  replaced: number;
  /** Where they were asked for; null where there was no time. */
  highlights?: Highlights | null;
}

export interface TextHit extends Hit {
  /** How many the text has. */
  passages: number;
  best: {
    index: number;
    score: number;
    begin: number;
    end: number;
    first_line: number;
    last_line: number;
  };
}

/** Hits, best first, and what was left out. */
export type Ranking<Each extends Hit = Hit> = Each[] & {
  /** false: a timeout left some out, or without highlights. */
  readonly complete: boolean;
  readonly unscored: number;
  readonly query_tokens_seen: number;
  readonly query_tokens_cut: number;
  readonly query_replaced: number;
};

export interface Passage {
  index: number;
  begin: number;
  end: number;
  /** Counted from 1. */
  first_line: number;
  last_line: number;
  /** The model's markers included. */
  tokens: number;
  /** Above it, the outermost first. */
  headings: string[];
}

/** A document that was encoded once. */
export class Document {
  private constructor();
  /** Of what toBytes() gave. Trusts nothing in it. The module has to be loaded: init(). */
  static fromBytes(bytes: Bytes): Document;
  /** To store. */
  toBytes(): Uint8Array;
  readonly tokens: number;
  readonly tokens_cut: number;
  readonly replaced: number;
  /** Of the model that encoded it. */
  readonly fingerprint: string;
  /** Gives its memory back; it cannot be used any more. Symbol.dispose, too. */
  free(): void;
}

/** A loaded model. */
export class Reranker {
  private constructor();
  /** Of a model file's bytes, which are copied before the call returns. */
  static load(bytes: Bytes, options?: LoadOptions): Promise<Reranker>;
  readonly precision: Precision;
  /** Names its weights: documents with the same one fit it. */
  readonly fingerprint: string;
  /** Of a document, the model's markers included. */
  readonly max_tokens: number;
  readonly stores_documents: boolean;

  /** Ranks texts or documents: best first, equal scores in their order. */
  rank(query: Text, passages: Iterable<Text>, options?: RankOptions): Ranking;
  rank(query: Text, documents: Iterable<Document>, options?: RankDocumentsOptions): Ranking;
  /** Ranks texts of any length by their passages. */
  rankTexts(query: Text, texts: Iterable<Text>, options?: RankTextsOptions): Ranking<TextHit>;
  /** Scores in the order of the list; NaN where the time ran out. */
  score(query: Text, passages: Iterable<Text> | Iterable<Document>,
        options?: ScoreOptions): Float32Array;
  /** The sentences of a text that answer the query, and words in them. */
  highlight(query: Text, text: Text, options?: HighlightOptions): Highlights;
  /** Cuts a text into passages that the model reads whole. */
  passages(text: Text, options?: PassageOptions): Passage[];
  /** Encodes for later: rank() then runs the last layers alone. */
  encode(text: Text, options?: TimedOptions): Document;
  encode(texts: Iterable<Text>, options?: TimedOptions): Document[];
  /** Frees the work memory that finished calls left for the next ones. */
  releaseMemory(): void;
  /** Gives the model's memory back; it cannot be used any more. Symbol.dispose, too. */
  free(): void;
}

/** Loads the module, as Reranker.load does. */
export function init(options?: Pick<LoadOptions, "wasm">): Promise<void>;
/** Bytes of the module's memory, which grows as needed and never shrinks. */
export function memorySize(): number;
