// SPDX-License-Identifier: Apache-2.0
// Ranks in a thread of its own, so that the page stays awake while it works. It is told of a text
// and of questions, and tells of its progress and of answers.
import { Reranker } from "./index.mjs";

const MOST_HITS = 10;
const AT_ONCE = 8; // passages that are encoded before messages are looked at

const tell = (kind, values = {}) => postMessage({ kind, ...values });

async function load() {
  const answer = await fetch("model.safetensors");
  if (!answer.ok) {
    throw new Error(`model.safetensors cannot be loaded: HTTP ${answer.status}`);
  }
  return Reranker.load(await answer.arrayBuffer());
}

const loading = load();
loading.then(() => tell("ready"), (failure) => tell("failed", { why: failure.message }));

let stored = { texts: [], places: [], documents: [] };
let newest = 0; // number of the text that was given last

/** Lets messages in that came meanwhile. */
const breathe = () => new Promise((done) => setTimeout(done, 0));

async function read({ text, name }, number) {
  const ranker = await loading;
  stored.documents.forEach((each) => each.free());
  stored = { texts: [], places: [], documents: [] };
  const now = { texts: [], places: [], documents: [] };
  const places = ranker.passages(text, { file_name: name });
  for (let i = 0; i < places.length; i += AT_ONCE) {
    const part = places.slice(i, i + AT_ONCE);
    const texts = part.map(({ begin, end }) => text.slice(begin, end));
    now.documents.push(...ranker.encode(texts));
    now.texts.push(...texts);
    now.places.push(...part);
    tell("progress", { done: now.texts.length, total: places.length });
    await breathe();
    if (number !== newest) { // another text was chosen
      now.documents.forEach((each) => each.free());
      return;
    }
  }
  stored = now;
  tell("read", { passages: places.length });
}

async function ask({ question }) {
  const ranker = await loading;
  const { texts, places, documents } = stored;
  const begin = performance.now();
  const found = ranker.rank(question, documents, { top_k: MOST_HITS, highlights: 1, texts });
  tell("answer", {
    question,
    milliseconds: performance.now() - begin,
    hits: found.map(({ index, score, highlights }) => ({
      text: texts[index],
      score,
      line: places[index].first_line,
      headings: places[index].headings,
      sentences: highlights?.sentences ?? [],
    })),
  });
}

addEventListener("message", async ({ data }) => {
  try {
    await (data.kind === "text" ? read(data, ++newest) : ask(data));
  } catch (failure) {
    tell("failed", { why: failure.message });
  }
});
