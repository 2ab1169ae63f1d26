// The timeline in a page that was exported: made of its block when it is opened.

import { fitLabels } from "./bar_labels.js";
import { itemOf } from "./offline_blocks.js";
import { built } from "./offline_tree.js";

const details = document.getElementById("timeline");

details.addEventListener("toggle", async () => {
  const content = await itemOf("timeline", 0).then((text) => built(JSON.parse(text)), (error) => error.message);
  details.append(content);
  const drawing = details.querySelector(".timeline");
  if (drawing) fitLabels(drawing);
}, { once: true });
