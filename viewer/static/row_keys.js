// Moves through the rows of a list with j, k, g and G.

import { isTyping } from "./page.js";

// `focus(row)` gives a row the focus; `isIn(row)` tells whether the focus is in it.
export function moveWithKeys(rows, focus, isIn = (row) => row === document.activeElement) {
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || rows.length === 0) return;
    const current = rows.findIndex(isIn);
    const next = { j: current + 1, k: current < 0 ? 0 : current - 1, g: 0, G: rows.length - 1 }[event.key];
    if (next === undefined) return;
    const row = rows[Math.max(0, Math.min(next, rows.length - 1))];
    focus(row);
    row.scrollIntoView({ block: "nearest" });
    event.preventDefault();
  });
}
