// The search in a run: the server looks through the payloads, a part in each request; the hits come in order.

import { getJson } from "./api.js";

const MAX_AHEAD = 100; // so many hits are fetched before they are asked for

export class Search {
  // `onChange` is called when a part has been searched.
  constructor(api, types, text, count, onChange) {
    this.url = `${api}/search?q=${encodeURIComponent(text)}${types.map((type) => `&type=${encodeURIComponent(type)}`).join("")}`;
    this.text = text;
    this.hits = []; // numbers of events
    this.set = new Set();
    this.after = -1;
    this.count = count;
    this.isComplete = false;
    this.problem = "";
    this.onChange = onChange;
    this.stopped = new AbortController();
    this.running = null;
  }

  stop() { this.stopped.abort(); }

  has(seq) { return this.set.has(seq); }

  // Searches until there are `wanted` hits, or all events are searched.
  async more(wanted = this.hits.length + MAX_AHEAD) {
    this.running ??= this.run(wanted).finally(() => { this.running = null; });
    await this.running;
  }

  async run(wanted) {
    try {
      while (!this.isComplete && this.hits.length < wanted && !this.stopped.signal.aborted) {
        const found = await getJson(`${this.url}&after=${this.after}`, this.stopped.signal);
        for (const seq of found.hits) { this.hits.push(seq); this.set.add(seq); }
        this.after = found.searched_to;
        this.isComplete = found.is_complete;
        this.problem = "";
        this.onChange();
      }
    } catch (error) {
      if (this.stopped.signal.aborted) return;
      this.problem = error.message;
      this.onChange();
    }
  }

  // The hit after the event `seq`, or the one before it if `step` is -1; undefined if there is none.
  async next(seq, step) {
    if (step < 0) return this.hits.findLast((hit) => hit < seq);
    let found;
    while ((found = this.hits.find((hit) => hit > seq)) === undefined && !this.isComplete && !this.problem) await this.more(this.hits.length + 1);
    return found;
  }

  // Such as "3 of 17", and how far the search has come.
  status(seq) {
    if (this.problem) return this.problem;
    const place = this.hits.indexOf(seq) + 1;
    const total = `${this.hits.length.toLocaleString("en")}${this.isComplete ? "" : "+"}`;
    if (this.isComplete && this.hits.length === 0) return "no hits";
    const share = this.isComplete ? "" : `, ${Math.floor((100 * (this.after + 1)) / Math.max(1, this.count))} % searched`;
    return `${place ? `${place} of ` : ""}${total} ${this.hits.length === 1 ? "hit" : "hits"}${share}`;
  }
}
