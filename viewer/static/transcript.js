// The events of a run: a virtual list, payloads when a line is opened, a filter by type, and new events as they come.

import "./answer.js";
import { getText } from "./api.js";
import { eventLinks } from "./event_links.js";
import { follow } from "./follow.js";
import { AllLines, FilteredLines } from "./lines.js";
import { isTyping } from "./page.js";
import { parse, payload } from "./payload.js";
import { element } from "./text.js";
import { VirtualList } from "./virtual_list.js";

const root = document.getElementById("events");
const { api, page } = root.dataset;
const types = new URLSearchParams(location.search).getAll("type");
const lines = types.length ? new FilteredLines(api, types) : new AllLines(api, Number(root.dataset.count));
const opened = new Map(); // by number: the element with the payload
const list = new VirtualList(root, makeRow, loadSoon);
let selected = -1;
let wanted = null;

// Loads the range that is in view a moment later: while the page is scrolled fast, most ranges are passed over.
function loadSoon(from, to) {
  if (wanted === null) setTimeout(() => { const range = wanted; wanted = null; void load(...range); }, 60);
  wanted = [from, to];
}

// Fetches the lines of the rows in view, and shows them.
async function load(from, to) {
  try {
    const hasNew = await lines.ensure(from, to);
    showWhetherEmpty();
    if (!hasNew) return;
  } catch (error) {
    showProblem(error.message);
    return;
  }
  list.setLength(lines.length);
  for (const [index, row] of list.rows) if (row.classList.contains("blank")) list.refresh(index);
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
  const row = element("div", "event blank");
  row.setAttribute("role", "listitem");
  row.tabIndex = -1;
  if (!line) return row;
  const kind = line.type.split("_")[0];
  row.className = `event ${["llm", "tool", "run", "input"].includes(kind) ? kind : "other"}`;
  if (line.type.endsWith("_failed")) row.classList.add("failed");
  if (line.type === "events_dropped") row.classList.add("dropped");
  if (line.type === "run_completed") row.classList.add("completed");
  if (index === selected) row.classList.add("selected");
  const content = opened.get(line.seq);
  row.append(head(line, index, content !== undefined));
  if (content) { row.classList.add("open"); row.append(content); }
  return row;
}

function head(line, index, isOpen) {
  const at = new Date(line.created_at);
  const time = element("time", "", at.toISOString().slice(11, 23));
  time.dateTime = ""; // not replaced by the time since then
  time.title = at.toISOString();
  const number = element("a", "seq", line.seq);
  number.href = `#${line.seq}`;
  number.title = "Link to this event";
  const toggle = element("button", "toggle", element("span", "type", line.type), element("span", "says", line.summary));
  toggle.type = "button";
  toggle.setAttribute("aria-expanded", String(isOpen));
  toggle.addEventListener("click", () => void open(index));
  return element("div", "line", number, time, toggle, element("span", "size", sizeText(line.size)));
}

function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

async function open(index) {
  const line = lines.get(index);
  select(index);
  if (!line) return;
  if (opened.has(line.seq)) {
    opened.delete(line.seq);
    list.refresh(index);
    list.close(index);
    return;
  }
  const content = element("div", "payload", element("p", "dim", "Loading…"));
  opened.set(line.seq, content);
  list.refresh(index);
  try {
    const text = await getText(`${api}/events/${line.seq}`);
    content.replaceChildren(eventLinks(line, page, api), payload(message(parse(text))));
  } catch (error) {
    content.replaceChildren(element("p", "problem", error.message));
    opened.delete(line.seq); // so that the next click tries again
  }
}

// What is worth showing of an event: its message, without what its line has.
function message(document) {
  if (document.event === null) return document;
  const { type, parent_event_id: parent, ...rest } = document.event;
  const record = `partition ${document.partition}, offset ${document.offset}`;
  return { ...rest, ...(parent === null ? {} : { parent_event_id: parent }), record };
}

function select(index) {
  if (lines.length === 0) return;
  const before = selected;
  selected = Math.max(0, Math.min(index, lines.length - 1));
  list.rows.get(before)?.classList.remove("selected");
  list.scrollTo(selected);
  const row = list.rows.get(selected);
  row?.classList.add("selected");
  row?.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const isOnRow = event.target === document.body || event.target.matches(".event, .events, main");
  if (event.key === "j") select(selected + 1);
  else if (event.key === "k") select(selected - 1);
  else if (event.key === "g") select(0);
  else if (event.key === "G") select(lines.length - 1);
  else if (event.key === "Enter" && isOnRow && selected >= 0) void open(selected);
  else if (event.key === "Escape" && opened.has(lines.get(selected)?.seq)) void open(selected);
  else return;
  event.preventDefault();
});

document.getElementById("types").addEventListener("change", (event) => {
  const query = new URLSearchParams(event.target.value.split(" ").filter(Boolean).map((type) => ["type", type]));
  location.assign(query.size ? `?${query}` : location.pathname);
});

// Opens the event that the address names.
async function showTarget() {
  const seq = /^#(\d+)$/.exec(location.hash)?.[1];
  if (seq === undefined) return;
  const index = lines.indexOf(Number(seq));
  if (index < 0 || index >= lines.length) return;
  list.scrollTo(index, "center");
  await load(index, index + 1);
  if (opened.has(Number(seq))) select(index);
  else await open(index);
}

const toEnd = document.getElementById("to-end");
let unseen = 0;

function addLines(events) {
  const before = lines.length;
  const wasAtEnd = before > 0 && list.isAtEnd;
  lines.add(events);
  list.setLength(lines.length);
  for (const event of events) {
    const index = lines.indexOf(event.seq);
    if (index >= 0) list.refresh(index);
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
follow(`${api}/events/stream`, Number(root.dataset.count) - 1, addLines);
addEventListener("hashchange", () => void showTarget());
await load(0, 50);
await showTarget();
