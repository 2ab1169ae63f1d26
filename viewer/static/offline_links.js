// In place of event_links.js, in a page that was exported: the prompt of a call of a model, as the viewer shows it.

import { itemOf } from "./offline_blocks.js";
import { built } from "./offline_tree.js";
import { element } from "./text.js";

export function eventLinks(line) {
  if (!line.type.startsWith("llm_")) return document.createDocumentFragment();
  const details = element("details", "fold offline-prompt", element("summary", "", "Prompt and answer"));
  details.addEventListener("toggle", async () => {
    const content = await itemOf("prompts", line.seq).then((text) => built(JSON.parse(text)), (error) => error.message);
    details.append(content);
  }, { once: true });
  details.open = true;
  return details;
}
