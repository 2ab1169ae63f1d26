// Marks where a text occurs in an element, whatever its case. A long element is marked up to a limit.

const MAX_MARKS = 1000;

export function mark(root, wanted) {
  const needle = wanted.toLowerCase();
  if (!needle) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("mark")) nodes.push(walker.currentNode);
  let count = 0;
  for (const node of nodes) {
    for (let rest = node; count < MAX_MARKS; count++) {
      const at = rest.data.toLowerCase().indexOf(needle);
      if (at < 0) break;
      const found = rest.splitText(at);
      rest = found.splitText(Math.min(needle.length, found.length));
      const made = document.createElement("mark");
      found.replaceWith(made);
      made.append(found);
    }
  }
}

export function unmark(root) {
  for (const made of root.querySelectorAll("mark")) {
    const parent = made.parentNode;
    made.replaceWith(...made.childNodes);
    parent.normalize();
  }
}
