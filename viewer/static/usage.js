// The tokens that a run has used: fetched after the events are shown, because the server reads every call of a model.

import { getJson } from "./api.js";
import { appendText } from "./text.js";

const MAX_PARTS = 10; // of about a second each; more are read when one asks for them
const place = document.getElementById("run-usage");

export async function showUsage(after = -1, numbers = {}, calls = 0) {
  try {
    for (let part = 0; part < MAX_PARTS; part++) {
      const found = await getJson(`${place.dataset.api}?after=${after}`);
      for (const [name, number] of Object.entries(found.numbers)) numbers[name] = (numbers[name] ?? 0) + number;
      calls += found.calls;
      after = found.searched_to;
      place.replaceChildren();
      appendText(place, text(numbers, calls) + (found.is_complete ? "" : " …"));
      if (found.is_complete) return;
    }
    const more = document.createElement("button");
    more.type = "button";
    more.textContent = "Count on";
    more.addEventListener("click", () => void showUsage(after, numbers, calls), { once: true });
    place.append(more);
  } catch (error) {
    place.textContent = error.message;
  }
}

function text(numbers, calls) {
  const of = `${calls.toLocaleString("en")} model ${calls === 1 ? "call" : "calls"}`;
  const named = Object.entries(numbers).map(([name, number]) =>
    `${number.toLocaleString("en")} ${name.replace(/_tokens$/, "").replaceAll("_", " ")}`);
  return named.length ? `${named.join(", ")} in ${of}` : `not recorded by ${of}`;
}
