// The structure of a run: types, parents and times of its events, fetched in windows. It tells which answer belongs to
// which request, how long a call took, and where the failures are, without any payload.

import { getJson } from "./api.js";

const WINDOW = 5000;
const KEPT_IDS = 2000; // of the last lines: an answer that is stored meanwhile names its request by its id

export class Structure {
  constructor(api, count) {
    this.api = api;
    this.length = count;
    this.windows = new Map(); // by number: { types, type, parent, at, isStale }, columns of equal length
    this.fetching = new Map();
    this.answerOf = new Map(); // by number of the request
    this.ids = new Map();
  }

  // Fetches the windows of a range that are not there; resolves to whether there were any.
  async ensure(from, to) {
    const wanted = [];
    for (let at = Math.floor(Math.max(0, from) / WINDOW); at * WINDOW < Math.min(to, this.length); at++) {
      const window = this.windows.get(at);
      const end = Math.min(WINDOW, this.length - at * WINDOW);
      if (!window || window.isStale || window.type.length < end) wanted.push(this.fetchWindow(at));
    }
    await Promise.all(wanted);
    return wanted.length > 0;
  }

  // Also fetches what the pairs of a range need: answers a little later, and requests however much earlier.
  async ensurePairs(from, to) {
    let isNew = await this.ensure(from, to + 200);
    for (let seq = from; seq < Math.min(to, this.length); seq++) {
      const parent = this.parent(seq);
      if (parent >= 0 && this.isAnswer(seq) && this.type(parent) === undefined) {
        isNew = (await this.ensure(parent, parent + 1)) || isNew;
      }
    }
    return isNew;
  }

  async ensureAll() {
    for (let from = 0; from < this.length; from += WINDOW) await this.ensure(from, from + 1); // not all at once
  }

  fetchWindow(at) {
    if (!this.fetching.has(at)) {
      const fetched = getJson(`${this.api}/structure?after=${at * WINDOW - 1}&limit=${WINDOW}`)
        .then((columns) => {
          this.windows.set(at, columns);
          columns.type.forEach((_, index) => this.notePair(at * WINDOW + index));
        })
        .finally(() => this.fetching.delete(at));
      this.fetching.set(at, fetched);
    }
    return this.fetching.get(at);
  }

  // Adds events that were stored meanwhile.
  add(lines) {
    for (const { seq, id, type, parent_event_id: parent, created_at: at } of lines) {
      this.ids.set(id, seq);
      if (this.ids.size > KEPT_IDS) this.ids.delete(this.ids.keys().next().value);
      if (seq < this.length) continue;
      this.length = seq + 1;
      const window = this.windows.get(Math.floor(seq / WINDOW));
      if (!window || window.isStale || window.type.length !== seq % WINDOW) continue;
      window.isStale = parent !== null && !this.ids.has(parent); // its number is not known here
      if (!window.types.includes(type)) window.types.push(type);
      window.type.push(window.types.indexOf(type));
      window.parent.push(this.ids.get(parent) ?? -1);
      window.at.push(Date.parse(at));
      this.notePair(seq);
    }
  }

  notePair(seq) {
    const request = this.parent(seq);
    if (!this.isAnswer(seq) || request < 0) return;
    if (!(this.answerOf.get(request) <= seq)) this.answerOf.set(request, seq); // the first answer counts
  }

  type(seq) {
    const window = this.windows.get(Math.floor(seq / WINDOW));
    return window?.types[window.type[seq % WINDOW]];
  }

  parent(seq) { return this.windows.get(Math.floor(seq / WINDOW))?.parent[seq % WINDOW] ?? -1; }

  at(seq) { return this.windows.get(Math.floor(seq / WINDOW))?.at[seq % WINDOW]; }

  isAnswer(seq) { return ["tool_succeeded", "tool_failed"].includes(this.type(seq)); }

  // The other side of a request or of an answer, and how long the call took; undefined if it is not known.
  pair(seq) {
    const request = this.type(seq) === "tool_requested" ? seq : this.parent(seq);
    const answer = this.answerOf.get(request);
    if (answer === undefined || this.type(request) !== "tool_requested" || (seq !== request && seq !== answer)) return undefined;
    return { request, answer, ms: Math.max(0, this.at(answer) - this.at(request)), hasFailed: this.type(answer) === "tool_failed" };
  }

  // The answers that are hidden when pairs are folded, ascending. A failure is never hidden.
  foldable() {
    const found = [];
    for (const [request, answer] of this.answerOf) {
      if (this.type(answer) === "tool_succeeded" && this.type(request) === "tool_requested") found.push(answer);
    }
    return found.sort((a, b) => a - b);
  }

  // The number of the next failure after `seq`, or of the one before it if `step` is -1; undefined if there is none.
  async nextFailure(seq, step) {
    for (let at = seq + step; at >= 0 && at < this.length; at += step) {
      if (this.type(at) === undefined) await this.ensure(at, at + 1);
      if (this.type(at)?.endsWith("_failed")) return at;
    }
    return undefined;
  }
}
