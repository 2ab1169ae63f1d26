// The rows of the list of events: one line each, with the other side of a call, and the payload if it is open.

import { durationText } from "./durations.js";
import { element } from "./text.js";
import { showTimes } from "./times.js";

// A row without its payload. `line` may not be there yet; `pair` is the request and the answer of a call, if the event
// is one of them.
export function row(line, { pair, isOpen, onToggle }) {
  const made = element("div", "event blank");
  made.setAttribute("role", "listitem");
  made.tabIndex = -1;
  if (!line) return made;
  const kind = line.type.split("_")[0];
  made.className = `event ${["llm", "tool", "run", "input"].includes(kind) ? kind : "other"}`;
  if (line.type.endsWith("_failed")) made.classList.add("failed");
  if (line.type === "events_dropped") made.classList.add("dropped");
  if (line.type === "run_completed") made.classList.add("completed");
  const time = element("time", "clock");
  time.dateTime = line.created_at;
  const number = element("a", "seq", line.seq);
  number.href = `#${line.seq}`;
  number.title = "Link to this event";
  const toggle = element("button", "toggle", element("span", "type", line.type), element("span", "says", line.summary));
  toggle.type = "button";
  toggle.setAttribute("aria-expanded", String(isOpen));
  toggle.addEventListener("click", onToggle);
  const other = pair ? partner(line, pair) : element("span", "partner");
  made.append(element("div", "line", number, time, toggle, other, element("span", "size", sizeText(line.size))));
  showTimes(made);
  return made;
}

// A link to the other side of a call, with its duration.
function partner(line, pair) {
  const isRequest = line.seq === pair.request;
  const link = element("a", pair.hasFailed ? "partner bad" : "partner", `${isRequest ? "→" : "←"} ${durationText(pair.ms)}`);
  link.href = `#${isRequest ? pair.answer : pair.request}`;
  const outcome = pair.hasFailed ? "Failed" : "Answered";
  link.title = isRequest ? `${outcome} by event ${pair.answer}` : `Answers event ${pair.request}`;
  return link;
}

function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
