// SPDX-License-Identifier: Apache-2.0
// Everything that comes from files becomes text nodes: nothing here makes elements of text.

const element = (id) => document.getElementById(id);
const question = element("question"), kind = element("kind"), place = element("place");
const list = element("results"), preview = element("preview"), lines = element("lines");

const token_name = "mice-find-token";
const pause_for_words = 40, pause_for_model = 120; // milliseconds after the last change
const few = 10, many_results = 100; // at first; after "More results"
const lines_at_once = 600, lines_before = 150;

const state = {
  results: [], many: few, active: -1, changes: 0, turn: 0, timer: 0, shown: null, roots: new Map(),
  page: crypto.randomUUID(), can_open: false, summary: "",
};

// ---- asking ----

/** The token is in the address that mice-find printed, behind "#", which no browser sends. */
function take_token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    localStorage.setItem(token_name, given);
  }
  const asked = new URLSearchParams(location.search).get("q");
  if (given || asked !== null) {
    history.replaceState(null, "", "/"); // neither belongs into the browser's history
  }
  return asked;
}

class refusal extends Error {}

/** The JSON of an answer; null where a newer search took the place of this one. */
async function ask(path, parameters, method = "GET") {
  let answer;
  try {
    answer = await fetch(`/api/${path}?${new URLSearchParams(parameters)}`, {
      method, cache: "no-store", credentials: "omit",
      headers: { Authorization: `Bearer ${localStorage.getItem(token_name) ?? "none"}` },
    });
  } catch {
    throw new refusal("mice-find does not answer any more. Start it again: mice-find serve");
  }
  if (answer.status === 204) {
    return null;
  }
  const found = await answer.json();
  if (!answer.ok) {
    throw new refusal(found.error);
  }
  return found;
}

function say(text) {
  element("status").textContent = text;
}

function busy(is) {
  list.setAttribute("aria-busy", String(is));
}

function report(problem) {
  busy(false);
  say(problem.message.replace(/^./u, (first) => first.toUpperCase()));
  if (!(problem instanceof refusal)) {
    throw problem;
  }
}

function number_of(many, what) {
  return `${many.toLocaleString("en")} ${what}${many === 1 ? "" : "s"}`;
}

function parameters_of_search(extra) {
  const asked = [["q", question.value], ["n", state.many], ["page", state.page],
    ["turn", ++state.turn], ...extra];
  if (kind.value) {
    asked.push(["kind", kind.value]);
  }
  if (place.value) {
    const [collection, folder] = JSON.parse(place.value);
    asked.push(["c", collection], ["folder", folder]);
  }
  return asked;
}

/** Words answer at once; the model ranks when nobody types for a moment. */
function changed() {
  clearTimeout(state.timer);
  const mine = ++state.changes;
  activate(-1, false);
  state.many = few;
  if (!question.value.trim()) {
    show_results([], false);
    busy(false);
    say(state.summary);
    return;
  }
  busy(true);
  state.timer = setTimeout(() => search(mine, true).catch(report), pause_for_words);
}

async function search(mine, by_words) {
  const found = await ask("search", parameters_of_search(by_words ? [["words", "1"]] : []));
  if (!found || mine !== state.changes) {
    return;
  }
  show_results(found.results, found.reranked);
  const times = found.milliseconds;
  const took = Math.round(times.words + times.load + times.rank + times.highlights);
  const many = found.results.length;
  const count = number_of(many, "document");
  if (found.no_words) {
    say("Type a word to look for.");
  } else if (many === 0) {
    say("Nothing was found.");
  } else if (by_words) {
    say(`${count} by words; ranking ...`);
  } else {
    say(`${count}; ${number_of(found.candidates, "passage")} ranked in ${took} ms`);
  }
  busy(by_words && many > 0);
  if (by_words && many > 0) {
    state.timer = setTimeout(() => search(mine, false).catch(report), pause_for_model);
  }
}

// ---- texts with marks ----

/** From bytes of UTF-8 to places in a string. */
function places_of(text) {
  const places = new Map([[0, 0]]);
  let byte = 0, at = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += character.length;
    places.set(byte, at);
  }
  return places;
}

/** What is marked in a result's passage: [begin, end, class], words over sentences. */
function marks_of(result) {
  const places = places_of(result.snippet);
  const range = (begin, end, name) => [places.get(begin), places.get(end), name];
  const marks = (result.words ?? []).map(([begin, end]) => range(begin, end, "word"));
  for (const sentence of result.highlights) {
    marks.push(range(sentence.begin, sentence.end, "sentence"));
    marks.push(...sentence.words.map((word) => range(word.begin, word.end, "word")));
  }
  return marks.filter(([begin, end]) => begin < end);
}

/** Appends a part of a text with its marks; equal neighbours are one element. */
function append_marked(parent, text, begin, end, marks) {
  const borders = new Set([begin, end]);
  const inside = marks.filter((each) => each[0] < end && each[1] > begin);
  for (const [from, to] of inside) {
    borders.add(Math.max(from, begin)).add(Math.min(to, end));
  }
  const sorted = [...borders].sort((a, b) => a - b);
  for (let i = 0; i + 1 < sorted.length; ++i) {
    const names = inside.filter((each) => each[0] <= sorted[i] && each[1] >= sorted[i + 1])
      .map((each) => each[2]);
    const part = document.createTextNode(text.slice(sorted[i], sorted[i + 1]));
    if (names.length === 0) {
      parent.append(part);
      continue;
    }
    const mark = document.createElement("mark");
    mark.className = names.includes("word") ? "word" : names[0];
    mark.append(part);
    parent.append(mark);
  }
}

/** The part of a passage that a list shows: around what is marked. */
function excerpt_of(text, marks) {
  const most = 300, before = 80;
  const first = marks.length ? Math.min(...marks.map((each) => each[0])) : 0;
  const border = (at) => { // not inside a word
    const space = text.slice(0, at).search(/\s\S*$/u);
    return space > at - 40 && space >= 0 ? space + 1 : at;
  };
  const line = text.lastIndexOf("\n", first) + 1;
  const begin = first - line <= before ? line : border(first - before);
  const end = begin + most >= text.length ? text.length : border(begin + most);
  return [begin, end];
}

/** A name for people: control characters and those that turn its direction are seen. */
function shown_name(name) {
  return name.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, "\ufffd");
}

function added(parent, tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  parent.append(made);
  return made;
}

// ---- the list ----

function place_of(result) {
  const root = state.roots.get(result.collection);
  const inside = root && result.file.startsWith(`${root}/`)
    ? `${result.collection}/${result.file.slice(root.length + 1)}` : result.file;
  const where = [result.page ? `page ${result.page}` : result.line ? `line ${result.line}` : "",
    result.member ?? ""].filter(Boolean).join(", ");
  return shown_name(inside) + (where ? `, ${shown_name(where)}` : "");
}

function item_of(result, number, reranked) {
  const item = document.createElement("div");
  item.className = "result";
  item.id = `result-${number}`;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  const head = added(item, "div", "head", "");
  added(head, "span", "name", shown_name(result.title));
  if (reranked) {
    const score = added(head, "span", "score", result.score.toFixed(2));
    score.title = "How well it answers, from 0 to 1";
  }
  added(item, "div", "place", place_of(result));
  if (result.heading && result.heading !== result.title) {
    added(item, "div", "heading", shown_name(result.heading));
  }
  const snippet = added(item, "p", "snippet", "");
  const marks = marks_of(result);
  const [begin, end] = excerpt_of(result.snippet, marks);
  snippet.append(begin > 0 && result.snippet[begin - 1] !== "\n" ? "... " : "");
  append_marked(snippet, result.snippet, begin, end, marks);
  snippet.append(end < result.snippet.length ? " ..." : "");
  item.addEventListener("click", () => {
    activate(number);
    open_preview(true).catch(report);
  });
  return item;
}

async function more_results() {
  state.many = many_results;
  busy(true);
  const first = state.results.length;
  await search(++state.changes, false);
  activate(Math.min(first, state.results.length - 1));
  question.focus();
}

/** What was chosen stays chosen where it is still there. */
function show_results(results, reranked) {
  const chosen = state.results[state.active]?.docid;
  state.results = results;
  list.replaceChildren(...results.map((each, i) => item_of(each, i, reranked)));
  question.setAttribute("aria-expanded", String(results.length > 0));
  activate(results.findIndex((each) => each.docid === chosen), false);
  if (state.active < 0) {
    element("found").scrollTop = 0;
  }
  element("more").hidden = !reranked || results.length < state.many || state.many > few;
}

function activate(number, scroll = true) {
  list.children[state.active]?.setAttribute("aria-selected", "false");
  state.active = number;
  const item = list.children[number];
  if (!item) {
    question.removeAttribute("aria-activedescendant");
    return;
  }
  item.setAttribute("aria-selected", "true");
  question.setAttribute("aria-activedescendant", item.id);
  if (scroll) {
    item.scrollIntoView({ block: "nearest" });
  }
}

function move(step) {
  const many = state.results.length;
  if (many > 0) {
    activate(Math.min(many - 1, Math.max(0, state.active + step)));
    if (!preview.hidden) {
      open_preview(false).catch(report);
    }
  }
}

// ---- the text of a document ----

function line_of(number, text, begin, end, shown) {
  const line = document.createElement("div");
  line.className = begin < shown.end && end > shown.begin ? "line answer" : "line";
  line.dataset.number = number;
  append_marked(added(line, "span", "", ""), text, begin, end, shown.marks);
  return line;
}

/** Lines of a text, the passage in it and its words marked. */
function lines_of(found, result) {
  const text = found.body;
  let from = 0;
  for (let i = found.start_line; i < result.start_line && from >= 0; ++i) {
    from = text.indexOf("\n", from) + 1 || -1;
  }
  const begin = from < 0 ? -1 : text.indexOf(result.snippet, from);
  const shown = begin < 0 ? { begin: 0, end: 0, marks: [] } : {
    begin, end: begin + result.snippet.length,
    marks: marks_of(result).map(([a, b, name]) => [a + begin, b + begin, name]),
  };
  const made = [];
  for (let at = 0, number = found.start_line; at < text.length; ++number) {
    const stop = text.indexOf("\n", at);
    const end = stop < 0 ? text.length : stop;
    made.push(line_of(number, text, at, end, shown));
    at = end + 1;
  }
  return made;
}

async function document_of(result, from, count) {
  return ask("document", [["id", result.docid], ["from", from], ["lines", count]]);
}

function show_borders(found) {
  const shown = state.shown;
  element("earlier").hidden = shown.from <= 1;
  element("later").hidden = shown.to >= found.lines || found.cut;
  const notes = [found.notes ?? "",
    found.truncated ? "The file has more text than the index keeps." : "",
    found.cut ? "The text is too long to be shown whole." : ""].filter(Boolean);
  element("note").hidden = notes.length === 0;
  element("note").textContent = notes.join(" ");
}

async function open_preview(focus) {
  const result = state.results[Math.max(0, state.active)];
  if (!result) {
    return;
  }
  const from = Math.max(1, result.start_line - lines_before);
  const shown = { result, from, to: from + lines_at_once - 1 };
  state.shown = shown;
  const found = await document_of(result, from, lines_at_once);
  if (!found || state.shown !== shown) {
    return; // another one was chosen meanwhile
  }
  element("title").textContent = shown_name(found.title);
  element("path").textContent = shown_name(result.file);
  element("text").className = found.kind === "code" ? "code" : "";
  lines.replaceChildren(...lines_of(found, result));
  show_borders(found);
  preview.hidden = false;
  document.body.classList.add("previewing");
  const answer = lines.querySelector("mark") ?? lines.querySelector(".answer");
  if (focus) {
    element("text").focus({ preventScroll: true });
  }
  if (answer) {
    answer.scrollIntoView({ block: "center" });
  } else {
    element("text").scrollTop = 0;
  }
  list.children[state.active]?.scrollIntoView({ block: "nearest" });
}

async function more_lines(earlier) {
  const shown = state.shown;
  const count = earlier ? Math.min(lines_at_once, shown.from - 1) : lines_at_once;
  const from = earlier ? shown.from - count : shown.to + 1;
  const found = await document_of(shown.result, from, count);
  if (!found || state.shown !== shown) {
    return;
  }
  const made = lines_of(found, { ...shown.result, snippet: "\0" });
  if (earlier) {
    shown.from = from;
    const first = lines.firstElementChild;
    lines.prepend(...made);
    first?.scrollIntoView({ block: "start" });
  } else {
    shown.to = from + count - 1;
    lines.append(...made);
  }
  show_borders(found);
}

function close_preview() {
  state.shown = null;
  preview.hidden = true;
  document.body.classList.remove("previewing");
  lines.replaceChildren();
  question.focus();
  list.children[state.active]?.scrollIntoView({ block: "nearest" });
}

// ---- files ----

/** A path with control characters would do things in a terminal: its address is copied. */
async function copy_path(result) {
  const text = /\p{Cc}|\ufffd/u.test(result.file) ? result.address : result.file;
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied: ${shown_name(text)}`);
  } catch {
    getSelection().selectAllChildren(element("path"));
    say("The browser does not let the page copy; the path is selected.");
  }
}

async function open_file(result) {
  const done = await ask("open", [["id", result.docid]], "POST");
  if (done) {
    say(`Opened: ${shown_name(done.opened)}`);
  }
}

function use_file() {
  const result = state.shown?.result ?? state.results[Math.max(0, state.active)];
  if (result) {
    (state.can_open ? open_file(result) : copy_path(result)).catch(report);
  }
}

// ---- keys ----

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
    return;
  }
  const asks = event.target === question;
  const controls = event.target.closest("select, button") !== null;
  const reads = preview.contains(event.target);
  const used = {
    "/": () => !asks && !controls && (question.focus(), question.select(), true),
    o: () => !asks && !controls && (use_file(), true),
    ArrowDown: () => !controls && !reads && (move(1), true),
    ArrowUp: () => !controls && !reads && (move(-1), true),
    Enter: () => !controls && !reads && (open_preview(true).catch(report), true),
    Escape: () => {
      if (!preview.hidden) {
        close_preview();
      } else if (asks) {
        question.value = "";
        changed();
      } else {
        question.focus();
      }
      return true;
    },
  }[event.key]?.();
  if (used) {
    event.preventDefault();
  }
}

// ---- the beginning ----

const kind_names = {
  text: "text", markdown: "Markdown", html: "HTML", code: "code", mail: "mail", pdf: "PDF",
  office: "office documents", epub: "EPUB", archive: "archives",
};

function option_of(parent, value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  parent.append(made);
}

async function begin() {
  const asked = take_token();
  const status = await ask("status", []);
  for (const each of status.kinds) {
    option_of(kind, each.kind, `${kind_names[each.kind] ?? each.kind} (${each.files})`);
  }
  for (const each of status.collections) {
    state.roots.set(each.name, each.path);
    option_of(place, JSON.stringify([each.name, ""]), `${shown_name(each.name)} (${each.files})`);
    for (const inside of status.folders.filter((folder) => folder.collection === each.name)) {
      option_of(place, JSON.stringify([each.name, inside.folder]),
        `\u2003${shown_name(inside.folder)}/ (${inside.files})`);
    }
  }
  state.can_open = status.open_files;
  element("open").hidden = !state.can_open;
  element("key-o").textContent = state.can_open ? "open file" : "copy path";
  state.summary = status.files === 0
    ? "Nothing is indexed yet: mice-find add FOLDER"
    : `${number_of(status.files, "file")}, ${number_of(status.passages, "passage")}`;
  say(state.summary);
  question.value = asked ?? question.value;
  question.focus();
  changed();
}

question.addEventListener("input", changed);
kind.addEventListener("change", changed);
place.addEventListener("change", changed);
element("form").addEventListener("submit", (event) => event.preventDefault());
element("copy").addEventListener("click", () => copy_path(state.shown.result).catch(report));
element("open").addEventListener("click", () => open_file(state.shown.result).catch(report));
element("close").addEventListener("click", close_preview);
element("earlier").addEventListener("click", () => more_lines(true).catch(report));
element("more").addEventListener("click", () => more_results().catch(report));
element("later").addEventListener("click", () => more_lines(false).catch(report));
document.addEventListener("keydown", keys);
begin().catch(report);
