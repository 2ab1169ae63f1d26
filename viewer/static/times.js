// Shows times: since then, or as they are, in UTC or, on request, in the time zone of the browser.

import { preference, setPreference } from "./state.js";

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
const NAME = "local-times";
const button = document.getElementById("time-zone");
let isLocal = preference(NAME);

export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const unit = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3];
  return `${Math.floor(seconds / unit[1])}${unit[0]} ago`;
}

// The date, the time of day in milliseconds, and the zone, such as Z or +01:00.
function parts(at, inZone) {
  const minutes = inZone ? -new Date(at).getTimezoneOffset() : 0;
  const text = new Date(at + minutes * 60_000).toISOString();
  const zone = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((part) => String(part).padStart(2, "0"));
  return [text.slice(0, -14), text.slice(-13, -1), inZone ? `${minutes < 0 ? "−" : "+"}${zone.join(":")}` : "Z"];
}

function absolute(at, inZone) {
  const [date, time, zone] = parts(at, inZone);
  return `${date} ${time.slice(0, 8)}${zone}`;
}

// The time of day, such as 23:59:59.123.
export function clock(at) { return parts(at, isLocal)[1]; }

// The texts of the times below an element: since then; the time of day for `.clock`; and before either, for `.absolute`,
// the time as it is. The title of each has the time in both zones.
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    const text = element.className === "clock" ? clock(at) : ago(at);
    if (element.textContent !== text) element.textContent = text;
    element.title = `${absolute(at, false)}\n${absolute(at, true)}`;
    const before = element.previousElementSibling;
    if (before?.className === "absolute") before.textContent = absolute(at, isLocal);
  }
}

function showZone() {
  button.textContent = isLocal ? "Local" : "UTC";
  button.title = isLocal ? "Times are in the time zone of this browser; show them in UTC" : "Times are in UTC; show them in the time zone of this browser";
  showTimes();
}

button.addEventListener("click", () => {
  isLocal = !isLocal;
  setPreference(NAME, isLocal);
  showZone();
});
showZone();
setInterval(showTimes, 10000);
