// Follows a run by server-sent events, and says whether the page is up to date.

import { clock, showTimes } from "./times.js";

const RETRY_MS = 3000;
const live = document.getElementById("live");
const changed = document.getElementById("changed");

function say(text, state) {
  live.textContent = text;
  live.title = text; // a long one is cut
  live.className = `live ${state}`;
}

// Follows the run at `url` from the event after number `after` on; `onLines` gets new events.
export function follow(url, after, onLines) {
  let source = null;
  let lostAt = null;
  let timer;

  function connect() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(`${url}?after=${after}`);
    source.addEventListener("open", () => { lostAt = null; say("Live", "on"); });
    source.addEventListener("error", () => {
      lostAt ??= clock(Date.now()).slice(0, 8);
      say(`Connection lost at ${lostAt}; trying again`, "lost");
      // A browser gives up after an HTTP error, such as 503 while PostgreSQL restarts.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(connect, RETRY_MS);
    });
    source.addEventListener("lines", (event) => {
      after = Number(event.lastEventId);
      onLines(JSON.parse(event.data));
    });
    source.addEventListener("run", (event) => showRun(JSON.parse(event.data)));
    source.addEventListener("problem", (event) => {
      const problem = JSON.parse(event.data);
      say(problem ? `${problem}; trying again` : "Live", problem ? "lost" : "on");
    });
  }

  // A hidden page does not follow: a browser has six connections to a server, for all its tabs.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { connect(); return; }
    clearTimeout(timer);
    source?.close();
    say("Paused", "");
  });
  say("Connecting…", "waiting");
  connect();
}

function showRun(run) {
  if (run === null) return;
  for (const badge of document.querySelectorAll("#run-status [data-status]")) {
    const isIt = badge.dataset.status === run.status;
    if (isIt && badge.hidden) changed.hidden = false; // the question or the failure is new, too
    badge.hidden = !isIt;
  }
  document.getElementById("run-events").textContent = run.event_count.toLocaleString("en");
  const updated = document.getElementById("run-updated");
  updated.querySelector("time").dateTime = run.updated_at;
  showTimes(updated);
}
