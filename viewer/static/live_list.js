// Follows a list: changes the rows that are shown, and says how many are new, without moving any row.

import { showTimes } from "./times.js";

const RETRY_MS = 3000;
const root = document.querySelector("[data-live]");
const notice = document.getElementById("new-items");

// `onRun(run)` is called with each run of the page that has changed.
export function followList(onRun) {
  if (!root) return;
  let source = null;
  let timer;
  const connect = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(root.dataset.live);
    source.addEventListener("runs", (event) => { for (const run of JSON.parse(event.data)) onRun(run); showTimes(); });
    source.addEventListener("new", (event) => showNew(JSON.parse(event.data)));
    source.addEventListener("open", () => setLost(false));
    source.addEventListener("error", () => {
      setLost(true);
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(connect, RETRY_MS);
    });
  };
  // A hidden page does not follow: a browser has six connections to a server, for all its tabs.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { connect(); return; }
    clearTimeout(timer);
    source?.close();
  });
  addEventListener("pagehide", () => source?.close());
  connect();
}

let news = "";

function showNew({ count, more }) {
  const noun = notice.dataset.noun;
  news = count === 0 ? "" : `${count}${more ? "+" : ""} new ${count === 1 ? noun : `${noun}s`}`;
  setLost(false);
}

// The notice of new items also says that the connection is lost: what the page shows may be old then.
function setLost(isLost) {
  notice.textContent = isLost ? "Connection lost; trying again" : news;
  notice.classList.toggle("lost", isLost);
  notice.classList.toggle("shown", notice.textContent !== "");
}
