// Keys of the timeline: j and k go from step to step, + and - zoom.

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

// Cuts the labels of bars to what fits in them: an SVG has no ellipsis of its own.
const labels = [...document.querySelectorAll(".timeline .step text")].map((label) => ({ label, whole: label.textContent }));
const character = labels.length > 0 && labels[0].whole ? labels[0].label.getComputedTextLength() / labels[0].whole.length : 7;

function fitLabels() {
  const widths = labels.map(({ label }) => label.previousElementSibling.getBoundingClientRect().width);
  labels.forEach(({ label, whole }, index) => {
    const fitting = Math.floor((widths[index] - 8) / character);
    label.textContent = whole.length <= fitting ? whole : fitting > 2 ? `${whole.slice(0, fitting - 1)}…` : "";
  });
}

const drawing = document.querySelector(".timeline");
if (drawing) new ResizeObserver(fitLabels).observe(drawing);
