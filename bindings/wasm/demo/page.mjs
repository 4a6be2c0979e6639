// SPDX-License-Identifier: Apache-2.0
// The page: a file, a question, passages with marks. The work is done in worker.mjs.
const MOST_BYTES = 10_000_000;

const [form, file, question, status, progress, results] =
  ["form", "file", "question", "status", "progress", "results"]
    .map((id) => document.getElementById(id));
const worker = new Worker("worker.mjs", { type: "module" });

let about = null; // {name, passages} of the text that was read
let asked = null; // the question whose answer is awaited

function say(text, failed = false) {
  status.textContent = text;
  status.classList.toggle("failed", failed);
}

function element(name, text, ...classes) {
  const made = document.createElement(name);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

/** Text with marks: pieces {begin, end, inside} that do not overlap. Nothing in it is markup. */
function marked(into, text, begin, end, pieces) {
  let at = begin;
  for (const piece of [...pieces].sort((a, b) => a.begin - b.begin)) {
    if (piece.begin < at || piece.end > end) {
      continue;
    }
    into.append(text.slice(at, piece.begin));
    marked(into.appendChild(document.createElement("mark")), text, piece.begin, piece.end,
      piece.words ?? []);
    at = piece.end;
  }
  into.append(text.slice(at, end));
}

function show({ hits }) {
  results.replaceChildren(...hits.map((hit) => {
    const item = document.createElement("li");
    item.append(element("p", [...hit.headings, `line ${hit.line}`].join(" › "), "place"));
    const text = element("p", "", "text");
    marked(text, hit.text, 0, hit.text.length, hit.sentences);
    item.append(text);
    return item;
  }));
}

/** Asks what stands in the field, one question at a time. */
function ask() {
  const text = question.value.trim();
  if (about === null || asked !== null) {
    return;
  }
  if (text === "") {
    results.replaceChildren();
    say(`${about.name}: ${about.passages} passages.`);
    return;
  }
  asked = text;
  results.setAttribute("aria-busy", "true");
  worker.postMessage({ kind: "question", question: text });
}

const HEARD = {
  ready() {
    file.disabled = false;
    say("Choose a file.");
    file.focus();
  },
  progress({ done, total }) {
    progress.hidden = false;
    progress.value = done / total;
    say(`Reading: ${done} of ${total} passages.`);
  },
  read({ passages }) {
    progress.hidden = true;
    about = { name: file.files[0]?.name ?? "The text", passages };
    question.disabled = false;
    question.focus();
    say(`${about.name}: ${passages} passages.`);
    ask();
  },
  answer(answer) {
    const now = asked;
    asked = null;
    results.setAttribute("aria-busy", "false");
    if (about === null) { // another text is being read
      return;
    }
    show(answer);
    say(`${about.passages} passages ranked in ${Math.round(answer.milliseconds)} ms.`);
    if (question.value.trim() !== now) {
      ask();
    }
  },
  failed({ why }) {
    asked = null;
    progress.hidden = true;
    results.setAttribute("aria-busy", "false");
    say(why, true);
  },
};
worker.addEventListener("message", ({ data }) => HEARD[data.kind](data));
worker.addEventListener("error", (event) => HEARD.failed({ why: event.message || "No worker." }));

file.addEventListener("change", async () => {
  const [chosen] = file.files;
  if (chosen === undefined) {
    return;
  }
  if (chosen.size > MOST_BYTES) {
    say(`${chosen.name} has ${chosen.size} bytes; this page reads ${MOST_BYTES} at most.`, true);
    return;
  }
  about = null;
  question.disabled = true;
  results.replaceChildren();
  try {
    worker.postMessage({ kind: "text", name: chosen.name, text: await chosen.text() });
  } catch (failure) {
    say(`${chosen.name} cannot be read: ${failure.message}`, true);
  }
});
question.addEventListener("input", ask);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
