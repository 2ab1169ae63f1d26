// What every page does: relative times, keys, and the list of keys.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const unit = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3];
  return `${Math.floor(seconds / unit[1])}${unit[0]} ago`;
}

// The time since then as the text of <time>; the absolute time stays in its title.
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (!Number.isNaN(at)) element.textContent = ago(at);
  }
}

// Whether a key belongs to the element that has the focus.
export function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog") !== null;
}

const keys = document.getElementById("keys");
document.getElementById("show-keys").addEventListener("click", () => keys.showModal());

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) {
    if (event.key === "Escape" && event.target.matches("input, select, textarea")) event.target.blur();
    return;
  }
  const link = { n: "next", p: "prev" }[event.key];
  const target = link && document.querySelector(`main a[rel~="${link}"]`);
  if (event.key === "?") {
    keys.showModal();
  } else if (event.key === "/") {
    const own = document.querySelector("form.filter input:not([type=hidden]), #search");
    (own ?? document.querySelector(".find input"))?.focus();
  } else if (target) {
    target.click();
  } else if (event.key === "p" && document.querySelector('main a[rel~="first"]')) {
    history.back();
  } else {
    return;
  }
  event.preventDefault();
});

showTimes();
setInterval(showTimes, 10000);
