// Keys of the comparison: j and k go from difference to difference.

import { isTyping } from "./page.js";

const pairs = [...document.querySelectorAll(".pair")];

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const current = pairs.findIndex((pair) => pair.contains(document.activeElement));
  const next = { j: current + 1, k: Math.max(0, current - 1), g: 0, G: pairs.length - 1 }[event.key];
  if (next === undefined) return;
  const pair = pairs[Math.min(next, pairs.length - 1)];
  pair?.querySelector("a")?.focus({ preventScroll: true });
  pair?.scrollIntoView({ block: "center" });
  event.preventDefault();
});
