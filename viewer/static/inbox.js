// Keys of the inbox: j and k move between the questions, Enter goes to the box for the answer.

import "./answer.js";
import { isTyping } from "./page.js";

const entries = [...document.querySelectorAll(".inbox .question")];

function select(index) {
  const entry = entries[Math.max(0, Math.min(index, entries.length - 1))];
  entry?.focus();
  entry?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const current = entries.findIndex((entry) => entry.contains(document.activeElement));
  if (event.key === "j") select(current + 1);
  else if (event.key === "k") select(current < 0 ? 0 : current - 1);
  else if (event.key === "g") select(0);
  else if (event.key === "G") select(entries.length - 1);
  else if (event.key === "Enter" && event.target === entries[current]) entries[current].querySelector("textarea")?.focus();
  else return;
  event.preventDefault();
});
