// Keys of the list of runs, and a filter whose empty fields are not in the address.

import { isTyping } from "./page.js";

const links = [...document.querySelectorAll("table.runs .row-link")];

function select(index) {
  const link = links[Math.max(0, Math.min(index, links.length - 1))];
  if (!link) return;
  link.focus();
  link.closest("tr").scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const current = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  if (event.key === "j") select(current + 1);
  else if (event.key === "k") select(current < 0 ? 0 : current - 1);
  else if (event.key === "g") select(0);
  else if (event.key === "G") select(links.length - 1);
  else return;
  event.preventDefault();
});

// A click anywhere in a row opens the run, unless it selects text or is for another link.
document.querySelector("table.runs tbody")?.addEventListener("click", (event) => {
  if (event.target.closest("a") || getSelection().toString()) return;
  event.target.closest("tr")?.querySelector(".row-link")?.click();
});

document.querySelector("form.filter").addEventListener("submit", (event) => {
  for (const input of event.target.elements) {
    if (input.name && input.value === "") input.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const input of document.querySelectorAll("form.filter :disabled")) input.disabled = false;
});
