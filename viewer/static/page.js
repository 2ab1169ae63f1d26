// What every page does: times, keys, and the list of keys.

import "./times.js";

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
  } else if (event.key === "t") {
    document.getElementById("time-zone").click();
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
