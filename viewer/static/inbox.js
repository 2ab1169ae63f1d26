// The inbox: its keys, and what becomes of its questions. Enter goes to the box for the answer.

import "./answer.js";
import { getJson } from "./api.js";
import { followList } from "./live_list.js";
import { isTyping } from "./page.js";
import { moveWithKeys } from "./row_keys.js";
import { appendText } from "./text.js";

const entries = [...document.querySelectorAll(".inbox .question")];
moveWithKeys(entries, (entry) => entry.focus(), (entry) => entry.contains(document.activeElement));

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.key !== "Enter" || !entries.includes(event.target)) return;
  event.target.querySelector("textarea")?.focus();
  event.preventDefault();
});

followList((run) => {
  const open = new Set(run.open_questions.map((question) => question.id));
  for (const entry of entries) {
    if (entry.dataset.run === run.id && !open.has(entry.dataset.question)) void showClosed(entry);
  }
});

// Shows who has answered a question of this page, unless it was answered here: then its form says so.
async function showClosed(entry) {
  if (entry.classList.contains("closed")) return;
  entry.classList.add("closed");
  const form = entry.querySelector("form.answer");
  if (form?.classList.contains("sent")) return;
  const outcome = entry.querySelector(".outcome") ?? entry.querySelector(".sent");
  if (!outcome) return;
  for (const control of form?.elements ?? []) control.disabled = true;
  try {
    const found = await getJson(entry.dataset.api);
    const by = found.answered_by ? ` by ${found.answered_by}` : "";
    outcome.replaceChildren();
    appendText(outcome, found.state === "stored" ? `Answered${by}, as event ${found.seq}: ${found.summary}` : "Closed.");
  } catch (error) {
    entry.classList.remove("closed");
    outcome.textContent = error.message;
  }
}
