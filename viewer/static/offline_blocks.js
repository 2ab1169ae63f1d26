// The blocks of a page that was exported. A block is gzip in base64; each of its lines is the JSON of `[number, item]`, in
// the order of the numbers, and `data-first` is the first of them.

const KEPT = 8;
const kept = new Map(); // by element: the promise of its items, the last used one last

const blocks = (name) => [...document.querySelectorAll(`script[data-block="${name}"]`)];
const firstOf = (script) => Number(script.dataset.first);

function unpack(script) {
  const found = kept.get(script) ?? unpacked(script);
  kept.delete(script);
  kept.set(script, found);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}

async function unpacked(script) {
  const bytes = Uint8Array.from(atob(script.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(stream).text();
  return text.split("\n").map((line) => {
    const comma = line.indexOf(",");
    return [Number(line.slice(1, comma)), line.slice(comma + 1, -1)];
  });
}

// The items after a number, each as its number and its JSON.
export async function* items(name, after) {
  const all = blocks(name);
  for (const [index, script] of all.entries()) {
    if (index + 1 < all.length && firstOf(all[index + 1]) <= after + 1) continue;
    for (const item of await unpack(script)) if (item[0] > after) yield item;
  }
}

// The items of the block that has the first one after a number, and whether it is the last block.
export async function itemsOfBlock(name, after) {
  const all = blocks(name);
  const next = all.findIndex((script, index) => index + 1 === all.length || firstOf(all[index + 1]) > after + 1);
  const found = next < 0 ? [] : (await unpack(all[next])).filter(([seq]) => seq > after);
  return { found, isLast: next + 1 === all.length };
}

// The JSON of one item.
export async function itemOf(name, number) {
  const script = blocks(name).findLast((each) => firstOf(each) <= number);
  const item = script && (await unpack(script)).find(([seq]) => seq === number);
  if (item === undefined) throw new Error(`The run has no event ${number}.`);
  return item[1];
}
