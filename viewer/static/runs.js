// The list of runs: its keys, its rows as they change, and a filter whose empty fields are not in the address.

import { followList } from "./live_list.js";
import { moveWithKeys } from "./row_keys.js";

const links = [...document.querySelectorAll("table.runs .row-link")];
moveWithKeys(links, (link) => link.focus(), (link) => link.closest("tr").contains(document.activeElement));

// A click anywhere in a row opens the run, unless it selects text or is for another link.
document.querySelector("table.runs tbody")?.addEventListener("click", (event) => {
  if (event.target.closest("a") || getSelection().toString()) return;
  event.target.closest("tr")?.querySelector(".row-link")?.click();
});

const rows = new Map([...document.querySelectorAll("table.runs tr[data-run]")].map((row) => [row.dataset.run, row]));

followList((run) => {
  const row = rows.get(run.id);
  if (!row) return;
  if (!row.classList.contains(run.status)) {
    row.className = run.status;
    // The tabs have the badge of each status.
    const badge = document.querySelector(`.tabs .status.${run.status}`)?.cloneNode(true);
    if (badge) row.querySelector(".c-status").replaceChildren(badge);
  }
  const events = row.querySelector(".c-events");
  events.firstChild.textContent = run.event_count.toLocaleString("en");
  row.querySelector(".c-took").textContent = took(Date.parse(run.updated_at) - Date.parse(run.created_at));
});

// As agent_runs.times.duration_text writes a duration.
function took(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [name, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    if (rest >= size || parts.length > 0) { parts.push([Math.floor(rest / size), name]); rest %= size; }
  }
  return parts.slice(0, 2).filter(([count]) => count > 0).map((part) => part.join("")).join(" ");
}

document.querySelector("form.filter").addEventListener("submit", (event) => {
  for (const input of event.target.elements) {
    if (input.name && input.value === "") input.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const input of document.querySelectorAll("form.filter :disabled")) input.disabled = false;
});
