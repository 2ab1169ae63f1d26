// A list of which only the rows in view are in the document. The page scrolls, not a box in it. A closed row has a
// fixed height; an open one has the height of its content, which is measured when it changes.

const ROW = 30;
const OVERSCAN = 12;

export class VirtualList {
  // `makeRow(index)` returns the element of a row; `onRange(from, to)` is told which rows are in view.
  constructor(root, makeRow, onRange) {
    this.root = root;
    this.makeRow = makeRow;
    this.onRange = onRange;
    this.length = 0;
    this.rows = new Map();
    this.extra = new Map(); // by index: how much higher than ROW an open row is
    this.observer = new ResizeObserver((entries) => this.measure(entries));
    this.body = document.createElement("div");
    this.body.className = "rows";
    root.replaceChildren(this.body);
    addEventListener("scroll", () => this.schedule(), { passive: true });
    addEventListener("resize", () => this.schedule());
  }

  setLength(length) {
    this.length = length;
    this.schedule();
  }

  // Makes a row again, for example because its line has come.
  refresh(index) {
    const row = this.rows.get(index);
    if (!row) return;
    const made = this.make(index);
    const hadFocus = row.contains(document.activeElement);
    this.observer.unobserve(row);
    row.replaceWith(made);
    this.rows.set(index, made);
    if (hadFocus) made.focus({ preventScroll: true });
  }

  reset(length) {
    for (const row of this.rows.values()) { this.observer.unobserve(row); row.remove(); }
    this.rows.clear();
    this.extra.clear();
    this.setLength(length);
  }

  close(index) {
    this.extra.delete(index);
    this.schedule();
  }

  top(index) {
    let top = index * ROW;
    for (const [open, height] of this.extra) if (open < index) top += height;
    return top;
  }

  // The index of the row at a distance from the top of the list.
  at(distance) {
    let passed = 0;
    for (const [open, height] of [...this.extra].sort(([a], [b]) => a - b)) {
      const top = open * ROW + passed;
      if (distance < top) break;
      if (distance < top + ROW + height) return open;
      passed += height;
    }
    return Math.floor((distance - passed) / ROW);
  }

  get height() { return this.top(this.length); }

  get isAtEnd() {
    return document.documentElement.scrollHeight - (scrollY + innerHeight) < 2 * ROW;
  }

  scrollTo(index, block = "nearest") {
    this.body.style.height = `${this.height}px`; // the page cannot be scrolled to rows that are not in it yet
    const head = 96; // the bars that stay at the top
    const start = this.root.getBoundingClientRect().top + scrollY + this.top(index);
    if (block === "center") scrollTo({ top: start - innerHeight / 3 });
    else if (start < scrollY + head) scrollTo({ top: start - head });
    else if (start + ROW > scrollY + innerHeight) scrollTo({ top: start + 2 * ROW - innerHeight });
    this.draw();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.body.style.height = `${this.height}px`;
    const top = -this.root.getBoundingClientRect().top;
    const from = Math.max(0, this.at(top) - OVERSCAN);
    const to = Math.min(this.length, this.at(top + innerHeight) + OVERSCAN);
    for (const [index, row] of this.rows) {
      if ((index < from || index >= to) && !row.contains(document.activeElement)) {
        this.observer.unobserve(row);
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let index = from; index < to; index++) {
      if (!this.rows.has(index)) {
        const row = this.make(index);
        this.rows.set(index, row);
        this.body.append(row);
      }
    }
    for (const [index, row] of this.rows) row.style.transform = `translateY(${this.top(index)}px)`;
    this.onRange(from, to);
  }

  make(index) {
    const row = this.makeRow(index);
    row.dataset.index = index;
    row.style.transform = `translateY(${this.top(index)}px)`;
    if (row.classList.contains("open")) this.observer.observe(row);
    return row;
  }

  measure(entries) {
    for (const { target } of entries) {
      if (target.isConnected) this.extra.set(Number(target.dataset.index), Math.max(0, target.offsetHeight - ROW));
    }
    this.schedule();
  }
}
