// What a page remembers when one comes back: in this tab for a run, in this browser for a preference. A browser that
// keeps nothing is not a problem.

const MAX_OPEN = 40;

function read(storage, key) {
  try { return JSON.parse(storage().getItem(key)); } catch { return null; }
}

function write(storage, key, value) {
  try { storage().setItem(key, JSON.stringify(value)); } catch { /* full, or forbidden */ }
}

const tab = () => sessionStorage;
const browser = () => localStorage;

// The numbers of the events that were open when the page of this run was left, the last one opened at the end.
export function openEvents(page) {
  const found = read(tab, `open:${page}`);
  return Array.isArray(found) ? found.filter(Number.isInteger).slice(-MAX_OPEN) : [];
}

export function rememberOpen(page, seqs) { write(tab, `open:${page}`, [...seqs].slice(-MAX_OPEN)); }

export function preference(name) { return read(browser, name) === true; }

export function setPreference(name, isOn) { write(browser, name, isOn); }
