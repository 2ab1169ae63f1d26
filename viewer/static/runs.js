// The list of runs: its keys, its rows as they change, and a filter whose empty fields are not in the address.

import { durationText } from "./durations.js";
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
  row.querySelector(".c-took").textContent = durationText(Date.parse(run.updated_at) - Date.parse(run.created_at));
});

document.querySelector("form.filter").addEventListener("submit", (event) => {
  for (const input of event.target.elements) {
    if (input.name && input.value === "") input.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const input of document.querySelectorAll("form.filter :disabled")) input.disabled = false;
});
