// The bar above the events: the search with its hits, the way to the failures, and the button that folds calls.

import { Search } from "./search.js";

const MIN_PAUSE_MS = 300; // after a key, before the search begins

// Returns what the list of events needs of the bar.
// `goTo(seq)` shows an event, `lineAt()` is the number of the selected one, `showHits()` shows the marks again.
export function toolbar({ api, types, count, goTo, lineAt, showHits, structure }) {
  const input = document.getElementById("search");
  const status = document.getElementById("hits");
  const failures = document.getElementById("failures");
  const foldButton = document.getElementById("fold");
  const tools = {
    search: null,
    fold: foldButton,
    get isSearching() { return document.activeElement === input; },
    goToFailure,
    goToHit,
    showFolded,
    start,
  };
  let timer;

  function begin(text) {
    tools.search?.stop();
    tools.search = text ? new Search(api, types, text, count, show) : null;
    const address = new URL(location.href);
    if (text) address.searchParams.set("q", text);
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    show();
    return tools.search?.more();
  }

  let shown = 0;
  function show() {
    const { search } = tools;
    status.textContent = search ? search.status(lineAt()) : "";
    for (const button of document.querySelectorAll("[data-hit]")) button.hidden = !search?.hits.length;
    if (search === null || search.hits.length !== shown) showHits();
    shown = search?.hits.length ?? 0;
  }

  async function goToHit(step) {
    const { search } = tools;
    if (!search) return;
    const seq = await search.next(lineAt(), step);
    if (seq !== undefined) await goTo(seq);
    if (search === tools.search) status.textContent = search.status(lineAt());
  }

  async function goToFailure(step) {
    if (types.length) return;
    const seq = await structure.nextFailure(lineAt(), step);
    failures.textContent = seq === undefined ? (step > 0 ? "No failure after this" : "No failure before this") : "";
    if (seq !== undefined) await goTo(seq);
  }

  function showFolded(isOn) { foldButton.setAttribute("aria-pressed", String(isOn)); }

  // Begins the search that the address has, unless one has typed another one meanwhile.
  async function start() {
    if (asked && input.value === asked && !tools.search) await begin(asked);
  }

  const asked = new URLSearchParams(location.search).get("q");
  if (asked && !input.value) input.value = asked;

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void begin(input.value), MIN_PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    clearTimeout(timer);
    if (input.value !== (tools.search?.text ?? "")) void begin(input.value)?.then(() => goToHit(1));
    else void goToHit(event.shiftKey ? -1 : 1);
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-hit]")) {
    button.addEventListener("click", () => void goToHit(Number(button.dataset.hit)));
  }
  for (const button of document.querySelectorAll("[data-failure]")) {
    button.addEventListener("click", () => void goToFailure(Number(button.dataset.failure)));
  }
  return tools;
}
