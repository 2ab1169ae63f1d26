// The lines of a run, fetched in blocks as they are needed. A block that was not shown for long is dropped.

import { getJson } from "./api.js";

const BLOCK = 200;
const MAX_BLOCKS = 60;

// Every event of the run: the line at an index has the number `index`.
export class AllLines {
  constructor(api, count) {
    this.api = api;
    this.length = count;
    this.blocks = new Map();
    this.lengths = new Map(); // by block: how long the run was when it was fetched
    this.fetching = new Map();
  }

  indexOf(seq) { return seq; }

  async reach() { /* every line has its place already */ }

  get(index) {
    const number = Math.floor(index / BLOCK);
    const block = this.blocks.get(number);
    if (block) { this.blocks.delete(number); this.blocks.set(number, block); } // the last one used
    return block?.[index % BLOCK];
  }

  // Fetches the blocks of a range that are not there; resolves when they are.
  async ensure(from, to) {
    const wanted = [];
    for (let number = Math.floor(Math.max(0, from) / BLOCK); number * BLOCK < Math.min(to, this.length); number++) {
      const end = Math.min(BLOCK, this.length - number * BLOCK);
      const isShort = (this.blocks.get(number)?.length ?? 0) < end;
      if (!this.blocks.has(number) || (isShort && this.lengths.get(number) !== this.length)) {
        wanted.push(this.fetchBlock(number));
      }
    }
    await Promise.all(wanted);
    return wanted.length > 0;
  }

  fetchBlock(number) {
    if (!this.fetching.has(number)) {
      this.lengths.set(number, this.length);
      const fetched = getJson(`${this.api}/events?after=${number * BLOCK - 1}&limit=${BLOCK}`)
        .then((page) => this.keep(number, page.events))
        .finally(() => this.fetching.delete(number));
      this.fetching.set(number, fetched);
    }
    return this.fetching.get(number);
  }

  keep(number, events) {
    this.blocks.set(number, events);
    for (const oldest of this.blocks.keys()) {
      if (this.blocks.size <= MAX_BLOCKS) break;
      this.blocks.delete(oldest);
    }
  }

  // Adds events that were stored meanwhile.
  add(events) {
    for (const event of events) {
      if (event.seq < this.length) continue;
      this.length = event.seq + 1;
      const number = Math.floor(event.seq / BLOCK);
      const block = this.blocks.get(number) ?? (event.seq % BLOCK === 0 ? [] : null);
      if (block?.length === event.seq % BLOCK) { block.push(event); this.keep(number, block); }
    }
  }
}

// The events of some types, in the order of the run; how many there are is known at the end only.
export class FilteredLines {
  constructor(api, types) {
    this.api = api;
    this.types = new Set(types);
    this.events = [];
    this.pending = []; // stored while the others are not fetched yet
    this.after = -1;
    this.fetching = null;
    this.isComplete = false;
  }

  get length() { return this.events.length; }

  indexOf(seq) { return this.events.findIndex((event) => event.seq >= seq); }

  get(index) { return this.events[index]; }

  // Fetches lines until that of the event `seq` is there.
  async reach(seq) {
    while (!this.isComplete && !(this.events.at(-1)?.seq >= seq)) await this.ensure(this.length, this.length + 1);
  }

  async ensure(from, to) {
    if (this.isComplete || to + BLOCK / 2 < this.length) return false;
    this.fetching ??= this.fetchNext().finally(() => { this.fetching = null; });
    await this.fetching;
    return true;
  }

  async fetchNext() {
    const types = [...this.types].map((type) => `&type=${encodeURIComponent(type)}`).join("");
    const page = await getJson(`${this.api}/events?after=${this.after}&limit=${BLOCK}${types}`);
    this.push(page.events);
    this.after = page.after ?? this.after;
    this.isComplete = page.after === null;
    if (this.isComplete) this.push(this.pending.splice(0));
  }

  add(events) {
    const found = events.filter((event) => this.types.has(event.type));
    if (this.isComplete) this.push(found);
    else this.pending.push(...found);
  }

  push(events) {
    for (const event of events) {
      if (event.seq > (this.events.at(-1)?.seq ?? -1)) this.events.push(event);
    }
  }
}
