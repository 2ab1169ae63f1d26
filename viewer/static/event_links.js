// The links of an opened event.

import { element } from "./text.js";

export function eventLinks(line, page, api) {
  const made = element("p", "links");
  const add = (text, href) => { const link = element("a", "", text); link.href = href; made.append(link, " "); };
  if (line.type.startsWith("llm_")) add("Prompt", `${page}/events/${line.seq}/prompt`);
  add("JSON", `${api}/events/${line.seq}`);
  return made;
}
