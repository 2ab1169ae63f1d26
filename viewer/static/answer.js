// Sends the answer to a question without leaving the page, and shows when it is stored.

import { getJson, postJson } from "./api.js";
import { appendText } from "./text.js";

const FIRST_POLL_MS = 150;
const LONGEST_POLL_MS = 2000;

addEventListener("submit", (event) => {
  if (!event.target.matches("form.answer")) return;
  event.preventDefault();
  void send(event.target, event.submitter);
});

// Ctrl+Enter or Cmd+Enter in the box sends the text.
addEventListener("keydown", (event) => {
  const form = event.target.closest?.("form.answer");
  if (!form || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit();
});

async function send(form, button) {
  const controls = [...form.querySelectorAll("button, input, textarea")];
  let body;
  try {
    body = bodyOf(form, button);
  } catch (error) {
    say(form, error.message, true);
    return;
  }
  for (const control of controls) control.disabled = true;
  say(form, "Sending…");
  try {
    const sent = await postJson(form.dataset.api, body);
    form.classList.add("sent");
    say(form, "Sent. Waiting until it is stored…");
    await waitUntilStored(form, sent.event_id);
  } catch (error) {
    say(form, error.message, true);
    if (form.classList.contains("sent") || error.status === 409) return;
    for (const control of controls) control.disabled = false;
  }
}

function bodyOf(form, button) {
  const fields = new FormData(form);
  const text = fields.get("answer");
  const head = { question: form.dataset.question, by: fields.get("by") || undefined };
  if (button?.name === "choice") {
    if (text.trim()) throw new Error("Send the text, or choose yes or no, but not both.");
    return JSON.stringify({ ...head, answer: button.value });
  }
  if (fields.get("form") !== "json") return JSON.stringify({ ...head, answer: text });
  try { JSON.parse(text); } catch (error) { throw new Error(`The answer is not JSON: ${error.message}`); }
  // The text is passed on as it is, so that no number is changed.
  return `${JSON.stringify(head).slice(0, -1)},"result":${text}}`;
}

async function waitUntilStored(form, eventId) {
  const url = `${form.dataset.api}/${encodeURIComponent(form.dataset.question)}`;
  for (let wait = FIRST_POLL_MS; ; wait = Math.min(LONGEST_POLL_MS, wait * 1.5)) {
    await new Promise((resolve) => { setTimeout(resolve, wait); });
    let found;
    try {
      found = await getJson(url);
    } catch (error) {
      say(form, `Sent. ${error.message}`); // PostgreSQL may be back later
      continue;
    }
    if (found.state === "sent" || found.state === "open") continue;
    form.classList.add("stored");
    if (found.state === "stored" && found.event_id !== eventId) {
      const by = found.answered_by ? ` by ${found.answered_by}` : "";
      say(form, `Another answer${by} was stored first, as event ${found.seq}: ${found.summary}`, true);
    } else if (found.state === "stored") {
      say(form, `Stored as event ${found.seq}; the run is ${found.run_status}.`);
    } else {
      say(form, `The question is closed; the run is ${found.run_status}.`);
    }
    return;
  }
}

function say(form, text, isProblem = false) {
  const outcome = form.querySelector(".outcome");
  outcome.replaceChildren();
  appendText(outcome, text);
  outcome.classList.toggle("problem", isProblem);
}
