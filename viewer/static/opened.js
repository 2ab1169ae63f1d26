// The payloads of the events that are open: fetched when a row opens, kept while it is open.

import { getText } from "./api.js";
import { copyOnClick } from "./copy.js";
import { eventLinks } from "./event_links.js";
import { parse, payload } from "./payload.js";
import { element } from "./text.js";

// Returns an element that is filled with the payload of an event; `onFilled` is called then, with false after an error.
export function openPayload({ api, page }, line, onFilled) {
  const content = element("div", "payload", element("p", "dim", "Loading…"));
  void fill();
  return content;

  async function fill() {
    try {
      const text = await getText(`${api}/events/${line.seq}`);
      const copy = element("button", "copy", "Copy as JSON");
      copy.type = "button";
      copyOnClick(copy, () => text);
      content.replaceChildren(copy, eventLinks(line, page, api), payload(message(parse(text))));
      onFilled(true);
    } catch (error) {
      content.replaceChildren(element("p", "problem", error.message));
      onFilled(false);
    }
  }
}

// What is worth showing of an event: its message without what its line has; what it says first, what identifies it last.
function message(document) {
  if (document.event === null) return document;
  const {
    type, id, timestamp, parent_event_id: parent, model, duration_ms: duration, usage, system_prompt: system, raw_response: answer, ...says
  } = document.event;
  const record = `partition ${document.partition}, offset ${document.offset}`;
  const last = { system_prompt: system, model, duration_ms: duration, usage, timestamp, id, parent_event_id: parent ?? undefined, record };
  return Object.fromEntries(Object.entries({ raw_response: answer, ...says, ...last }).filter(([, value]) => value !== undefined));
}
