// Shows the JSON of an event: texts with their line breaks, objects and arrays as lists that can be folded.

import { element } from "./text.js";

const EXACT = "\u0000number "; // before a number that JavaScript would round
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const OPEN_LEVELS = 3;
const MAX_ITEMS = 200;
const MAX_TEXT = 100000;
// Base64, such as a picture's: shown only when one asks for it.
const BASE64 = /^(?:data:([\w.+/-]*)[^,]{0,100};base64,)?[A-Za-z0-9+/_-]{1024,}={0,2}$/;

// Parses JSON; a number that a double cannot hold exactly becomes a text with a mark.
export function parse(json) {
  return JSON.parse(json.replace(TOKENS, (token) =>
    token.startsWith('"') || String(Number(token)) === token ? token : JSON.stringify(EXACT + token)));
}

export function payload(value, level = 0) {
  if (typeof value === "string") return text(value);
  if (value === null || typeof value !== "object") return element("span", "literal", String(value));
  const entries = Array.isArray(value) ? value.map((item, index) => [String(index), item]) : Object.entries(value);
  if (entries.length === 0) return element("span", "literal", Array.isArray(value) ? "[]" : "{}");
  if (level === 0) return list(entries, level);
  const count = `${entries.length} ${Array.isArray(value) ? "item" : "field"}${entries.length === 1 ? "" : "s"}`;
  const details = element("details", "fold", element("summary", "", count));
  const fill = () => { if (details.children.length === 1) details.append(list(entries, level)); };
  details.addEventListener("toggle", fill, { once: true });
  if (level < OPEN_LEVELS && entries.length <= 20) { fill(); details.open = true; }
  return details;
}

function text(value) {
  if (value.startsWith(EXACT)) return element("span", "literal", value.slice(EXACT.length));
  const media = value.length >= 1024 && value.length < 5e6 ? BASE64.exec(value) : null;
  if (media) return hidden(value, media[1] || "base64");
  if (value === "") return element("span", "literal", '""');
  const container = value.length <= MAX_TEXT ? containerOf(value) : undefined;
  if (container) return structured(value, container);
  return plain(value);
}

// The object or array that a text is, such as a prompt that is JSON.
function containerOf(value) {
  if (!/^\s*[[{]/.test(value)) return undefined;
  try {
    return parse(value);
  } catch {
    return undefined;
  }
}

// JSON in a text: as what it means, and on request as it is.
function structured(value, container) {
  const show = element("button", "as-text", "Show as text");
  show.type = "button";
  const made = element("div", "", show, payload(container, 1));
  show.addEventListener("click", () => made.replaceChildren(plain(value)), { once: true });
  return made;
}

function plain(value) {
  if (value.length <= MAX_TEXT) return element(value.length > 80 || value.includes("\n") ? "pre" : "span", "text", value);
  const pre = element("pre", "text", value.slice(0, MAX_TEXT));
  const more = element("button", "", `Show ${value.length - MAX_TEXT} more characters`);
  more.type = "button";
  more.addEventListener("click", () => pre.replaceWith(element("pre", "text", value)), { once: true });
  return element("div", "", pre, more);
}

function hidden(value, type) {
  const size = (value.length * 3) / 4;
  const made = element("span", "", element("span", "literal", `${type}, ${size < 1e6 ? `${(size / 1000).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`} `));
  const show = element("button", "", "Show");
  show.type = "button";
  show.addEventListener("click", () => made.replaceChildren(element("pre", "text", value.slice(0, MAX_TEXT))), { once: true });
  made.append(show);
  return made;
}

function list(entries, level) {
  const made = element("dl", "fields");
  const add = (from) => {
    for (const [name, value] of entries.slice(from, from + MAX_ITEMS)) {
      made.append(element("div", "", element("dt", "", name), element("dd", "", payload(value, level + 1))));
    }
    if (from + MAX_ITEMS < entries.length) {
      const more = element("button", "", `Show more of ${entries.length}`);
      more.type = "button";
      more.addEventListener("click", () => { more.remove(); add(from + MAX_ITEMS); }, { once: true });
      made.append(more);
    }
  };
  add(0);
  return made;
}
