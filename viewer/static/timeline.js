// Keys of the timeline: j and k go from step to step, + and - zoom.

import { fitLabels } from "./bar_labels.js";
import { isTyping } from "./page.js";

const steps = [...document.querySelectorAll(".timeline a.step")];

function select(index) {
  const step = steps[Math.max(0, Math.min(index, steps.length - 1))];
  step?.focus();
  step?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const current = steps.indexOf(document.activeElement);
  const zoom = { "+": "in", "-": "out" }[event.key];
  if (event.key === "j") select(current + 1);
  else if (event.key === "k") select(current < 0 ? 0 : current - 1);
  else if (event.key === "g") select(0);
  else if (event.key === "G") select(steps.length - 1);
  else if (zoom) document.querySelector(`[data-zoom="${zoom}"]`)?.click();
  else return;
  event.preventDefault();
});

const drawing = document.querySelector(".timeline");
if (drawing) fitLabels(drawing);
