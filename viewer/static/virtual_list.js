// A list of which only the rows in view are in the document. The page scrolls, not a box in it. A closed row has a
// fixed height; an open one has the height of its content, which is measured when it changes; a hidden one has none.

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
    this.hidden = []; // the indices of the hidden rows, ascending
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

  drop(index, row) {
    this.observer.unobserve(row);
    row.remove();
    this.rows.delete(index);
  }

  // Hides these rows, given as ascending indices, and shows all others. The row at the top of the window stays there.
  setHidden(indices) {
    const top = this.visible(this.at(Math.max(0, -this.root.getBoundingClientRect().top)), 1);
    const before = this.top(top);
    this.hidden = indices;
    for (const [index, row] of this.rows) if (this.isHidden(index)) { this.drop(index, row); this.extra.delete(index); }
    this.body.style.height = `${this.height}px`;
    if (this.root.getBoundingClientRect().top < 0) scrollBy(0, this.top(top) - before);
    this.schedule();
  }

  // How many of the rows before this one are hidden.
  hiddenBefore(index) {
    let low = 0;
    for (let high = this.hidden.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.hidden[middle] < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  isHidden(index) { return this.hidden[this.hiddenBefore(index)] === index; }

  // The first row from this one on that is not hidden, downwards or, if `step` is -1, upwards.
  visible(index, step) {
    while (this.isHidden(index)) index += step;
    return index;
  }

  close(index) {
    this.extra.delete(index);
    this.schedule();
  }

  top(index) {
    let top = (index - this.hiddenBefore(index)) * ROW;
    for (const [open, height] of this.extra) if (open < index) top += height;
    return top;
  }

  // The index of the row at a distance from the top of the list.
  at(distance) {
    let low = 0;
    for (let high = this.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.top(middle + 1) <= distance) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get height() { return this.top(this.length); }

  get isAtEnd() {
    return document.documentElement.scrollHeight - (scrollY + innerHeight) < 2 * ROW;
  }

  scrollTo(index, block = "nearest") {
    this.body.style.height = `${this.height}px`; // the page cannot be scrolled to rows that are not in it yet
    const head = this.root.previousElementSibling.offsetHeight + 44; // the bars that stay at the top
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
      if ((index < from || index >= to) && !row.contains(document.activeElement)) this.drop(index, row);
    }
    for (let index = from; index < to; index++) {
      if (!this.rows.has(index) && !this.isHidden(index)) {
        const row = this.make(index);
        this.rows.set(index, row);
        this.body.append(row);
      }
    }
    this.place();
    this.onRange(from, to);
  }

  place() {
    for (const [index, row] of this.rows) row.style.transform = `translateY(${this.top(index)}px)`;
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
    this.place(); // at once: until the next frame, the rows below would cover the payload
    this.schedule();
  }
}
