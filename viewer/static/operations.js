// Keeps the page for operators up to date: the cells of the partitions, and the numbers of dead letters.

import { getJson } from "./api.js";
import { durationText } from "./durations.js";
import { showTimes } from "./times.js";

const INTERVAL_MS = 2000;
const STATES = ["lost", "stalled", "behind", "ok", "unknown"];
const problem = document.getElementById("lag-problem");
const shownRemedies = remedies(document.querySelectorAll("#partitions tbody tr"), (row) => row.querySelector('[data-name="state"]').textContent);

function remedies(items, stateOf) {
  return [...items].map(stateOf).map((state) => (state === "lost" || state === "stalled" ? state : "")).join();
}

function statesOf(partitions) {
  const counts = STATES.map((state) => [partitions.filter((each) => each.state === state).length, state]);
  return counts.filter(([count]) => count > 0).map((each) => each.join(" ")).join(", ");
}

function showPartition(row, partition) {
  row.className = `state-${partition.state}`;
  const cells = Object.fromEntries([...row.cells].map((cell) => [cell.dataset.name, cell]));
  cells.state.textContent = partition.state;
  for (const name of ["lag_records", "next_offset"]) {
    cells[name].textContent = partition[name] === null ? "–" : partition[name].toLocaleString("en");
  }
  cells.lag_seconds.textContent = partition.lag_seconds === null ? "–" : partition.lag_seconds ? durationText(partition.lag_seconds * 1000) : "0s";
  for (const name of ["last_record_at", "stored_at"]) {
    const at = partition[name];
    if (at === null) continue;
    let time = cells[name].querySelector("time");
    if (!time) { time = document.createElement("time"); cells[name].replaceChildren(time); }
    time.dateTime = at;
    time.title = `${at.slice(0, 19).replace("T", " ")}Z`;
  }
}

async function refresh() {
  if (document.hidden) return;
  try {
    const found = await getJson("/api/operations");
    const rows = new Map([...document.querySelectorAll("[data-partition]")].map((row) => [row.dataset.partition, row]));
    const partitions = found.partitions.filter((each) => rows.has(`${each.topic} ${each.partition}`));
    for (const each of partitions) showPartition(rows.get(`${each.topic} ${each.partition}`), each);
    document.getElementById("partition-states").textContent = statesOf(found.partitions);
    showTimes();
    problem.textContent = found.lag_problem ?? "";
    let total = 0;
    for (const count of Object.values(found.dead_letters)) total += count;
    for (const element of document.querySelectorAll("[data-reason]")) {
      const reason = element.dataset.reason;
      element.textContent = (reason ? found.dead_letters[reason] ?? 0 : total).toLocaleString("en");
    }
    // A partition that is new, or that has halted, needs more than other numbers.
    if (partitions.length !== found.partitions.length || remedies(found.partitions, (each) => each.state) !== shownRemedies) {
      location.reload();
    }
  } catch (error) {
    problem.textContent = error.message;
  }
}

setInterval(() => void refresh(), INTERVAL_MS);
document.addEventListener("visibilitychange", () => void refresh());
