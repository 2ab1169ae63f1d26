// The events of a run: a virtual list, payloads when a line is opened, filter, search, folding, and new events.

import "./answer.js";
import { follow } from "./follow.js";
import { AllLines, FilteredLines } from "./lines.js";
import { mark, unmark } from "./marks.js";
import { openPayload } from "./opened.js";
import { isTyping } from "./page.js";
import { row } from "./row.js";
import { openEvents, preference, rememberOpen, setPreference } from "./state.js";
import { Structure } from "./structure.js";
import { element } from "./text.js";
import { toolbar } from "./toolbar.js";
import { showUsage } from "./usage.js";
import { VirtualList } from "./virtual_list.js";

const root = document.getElementById("events");
const { api, page } = root.dataset;
const count = Number(root.dataset.count);
const types = new URLSearchParams(location.search).getAll("type");
const lines = types.length ? new FilteredLines(api, types) : new AllLines(api, count);
const structure = new Structure(api, count);
const opened = new Map(); // by number: the element with the payload
const remembered = new Set(openEvents(page));
const list = new VirtualList(root, makeRow, loadSoon);
const tools = toolbar({ api, types, count, goTo, lineAt: () => lines.get(selected)?.seq ?? -1, showHits, structure });
let isFolded = false;
let selected = -1;
let wanted = null;

// Loads the range that is in view a moment later: while the page is scrolled fast, most ranges are passed over.
function loadSoon(from, to) {
  if (wanted === null) setTimeout(() => { const range = wanted; wanted = null; void load(...range); }, 60);
  wanted = [from, to];
}

// Fetches the lines of the rows in view, and shows them; then which of them belong together.
async function load(from, to) {
  try {
    const hasNew = await lines.ensure(from, to);
    showWhetherEmpty();
    if (hasNew) {
      list.setLength(lines.length);
      for (const [index, made] of list.rows) if (made.classList.contains("blank")) list.refresh(index);
    }
    const first = lines.get(from)?.seq ?? 0;
    const last = lines.get(Math.min(to, lines.length) - 1)?.seq ?? first;
    if (await structure.ensurePairs(types.length ? first : from, (types.length ? last : to) + 1) || hasNew) showPairs();
  } catch (error) {
    showProblem(error.message);
  }
}

function showPairs() {
  for (const [index, made] of list.rows) {
    const seq = lines.get(index)?.seq;
    if (seq !== undefined && made.querySelector("span.partner") && structure.pair(seq)) list.refresh(index);
  }
}

function showWhetherEmpty() {
  if (lines.length > 0) delete root.dataset.empty;
  else root.dataset.empty = types.length ? "No event has this type." : "No events are stored yet.";
}

function showProblem(text) {
  document.getElementById("live").textContent = text;
  document.getElementById("live").className = "live lost";
  setTimeout(() => list.draw(), 3000);
}

function makeRow(index) {
  const line = lines.get(index);
  if (line && remembered.delete(line.seq)) setTimeout(() => toggle(index, true));
  const content = line && opened.get(line.seq);
  const pair = line && structure.pair(line.seq);
  const made = row(line, { pair, isOpen: content !== undefined, onToggle: () => { select(index); toggle(index); } });
  if (index === selected) made.classList.add("selected");
  if (line && tools.search?.has(line.seq)) { made.classList.add("hit"); mark(made, tools.search.text); }
  if (content) { made.classList.add("open"); made.append(content); }
  return made;
}

// Opens or closes a row; with `isOpen`, opens it only. A folded request shows its answer too.
function toggle(index, isOpen = false) {
  const line = lines.get(index);
  if (!line || (isOpen && opened.has(line.seq))) return;
  if (opened.delete(line.seq)) {
    list.refresh(index);
    list.close(index);
  } else {
    opened.set(line.seq, contentOf(line, index));
    list.refresh(index);
  }
  rememberOpen(page, opened.keys());
}

function contentOf(line, index) {
  const content = openPayload({ api, page }, line, (isFilled) => {
    if (!isFilled) opened.delete(line.seq); // so that the next click tries again
    else if (tools.search) mark(content, tools.search.text);
  });
  content.addEventListener("toggle", () => { if (tools.search) mark(content, tools.search.text); }, true);
  const pair = structure.pair(line.seq);
  if (!isFolded || pair?.request !== line.seq || !list.isHidden(index + pair.answer - pair.request)) return content;
  const answer = openPayload({ api, page }, { seq: pair.answer, type: "answer" }, () => {
    if (tools.search) mark(answer, tools.search.text);
  });
  return element("div", "both", content, element("p", "part", `Answer, event ${pair.answer}`), answer);
}

function select(index, step = 1) {
  if (lines.length === 0) return;
  const before = selected;
  const inside = Math.max(0, Math.min(index, lines.length - 1));
  selected = list.visible(inside, step) < lines.length ? Math.max(0, list.visible(inside, step)) : list.visible(inside, -1);
  list.rows.get(before)?.classList.remove("selected");
  list.scrollTo(selected);
  const made = list.rows.get(selected);
  made?.classList.add("selected");
  if (!tools.isSearching) made?.focus({ preventScroll: true }); // Enter in the search goes to the next hit
  showPartner();
}

// Marks the other side of the selected call: calls that run in parallel interleave.
function showPartner() {
  const seq = lines.get(selected)?.seq;
  const pair = seq === undefined ? undefined : structure.pair(seq);
  const other = pair && (seq === pair.request ? pair.answer : pair.request);
  for (const [index, made] of list.rows) {
    made.classList.toggle("related", other !== undefined && lines.get(index)?.seq === other);
  }
}

let shown = null; // the event that was opened to be shown; it closes when the next one is shown

// Shows the event `seq`: scrolls to it, selects it, and opens it.
async function goTo(seq) {
  await lines.reach(seq);
  if (shown !== null && shown !== seq && opened.has(shown)) toggle(lines.indexOf(shown));
  shown = opened.has(seq) ? null : seq;
  const index = lines.indexOf(seq);
  if (index < 0 || index >= lines.length) return;
  if (list.isHidden(index)) await fold(false);
  list.scrollTo(index, "center");
  await load(index, index + 1);
  toggle(index, true);
  select(index);
}

function showHits() {
  for (const content of opened.values()) {
    unmark(content);
    if (tools.search) mark(content, tools.search.text);
  }
  for (const index of [...list.rows.keys()]) list.refresh(index);
}

async function fold(isOn) {
  isFolded = isOn;
  tools.showFolded(isOn);
  if (isOn) await structure.ensureAll();
  if (isOn === isFolded) list.setHidden(isOn ? structure.foldable() : []);
}

const keys = {
  j: () => select(selected + 1),
  k: () => select(selected - 1, -1),
  g: () => select(0),
  G: () => select(lines.length - 1, -1),
  e: () => tools.goToFailure(1),
  E: () => tools.goToFailure(-1),
  n: () => tools.goToHit(1),
  p: () => tools.goToHit(-1),
  f: () => tools.fold?.click(),
};

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const isOnRow = event.target === document.body || event.target.matches(".event, .events, main");
  if (keys[event.key]) keys[event.key]();
  else if (event.key === "Enter" && isOnRow && selected >= 0) toggle(selected);
  else if (event.key === "Escape" && opened.has(lines.get(selected)?.seq)) toggle(selected);
  else return;
  event.preventDefault();
});

document.getElementById("types").addEventListener("change", (event) => {
  const query = new URLSearchParams(event.target.value.split(" ").filter(Boolean).map((type) => ["type", type]));
  location.assign(query.size ? `?${query}` : location.pathname);
});

tools.fold?.addEventListener("click", () => { setPreference("fold", !isFolded); void fold(!isFolded); });

// Opens the event that the address names.
async function showTarget() {
  const seq = /^#(\d+)$/.exec(location.hash)?.[1];
  if (seq !== undefined) await goTo(Number(seq));
}

const toEnd = document.getElementById("to-end");
let unseen = 0;

function addLines(events) {
  const before = lines.length;
  const wasAtEnd = before > 0 && list.isAtEnd;
  lines.add(events);
  structure.add(events);
  list.setLength(lines.length);
  if (isFolded) list.setHidden(structure.foldable());
  for (const event of events) {
    const pair = structure.pair(event.seq);
    for (const seq of pair ? [pair.request, pair.answer] : [event.seq]) {
      const index = lines.indexOf(seq);
      if (index >= 0) list.refresh(index);
    }
  }
  if (lines.length === before) return;
  showWhetherEmpty();
  if (wasAtEnd) { list.scrollTo(lines.length - 1); return; }
  unseen += lines.length - before;
  toEnd.textContent = unseen === 1 ? "1 new event ↓" : `${unseen} new events ↓`;
  toEnd.hidden = false;
}

toEnd.addEventListener("click", () => { hideUnseen(); list.scrollTo(lines.length - 1); });
addEventListener("scroll", () => { if (list.isAtEnd) hideUnseen(); }, { passive: true });

function hideUnseen() {
  unseen = 0;
  toEnd.hidden = true;
}

list.setLength(lines.length);
follow(`${api}/events/stream`, count - 1, addLines);
addEventListener("hashchange", () => void showTarget());
await load(0, 50);
if (tools.fold && preference("fold")) await fold(true);
await showTarget();
await tools.start();
await showUsage();
