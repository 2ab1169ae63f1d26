// In place of api.js, in a page that was exported: answers what its scripts ask for from the blocks of the page.

import { items, itemOf, itemsOfBlock } from "./offline_blocks.js";

export async function getText(address) {
  const { pathname, searchParams } = new URL(address, "http://page/");
  const seq = /\/events\/(\d+)$/.exec(pathname)?.[1];
  return seq === undefined ? JSON.stringify(await answer(pathname, searchParams)) : itemOf("events", Number(seq));
}

export async function getJson(address) {
  const { pathname, searchParams } = new URL(address, "http://page/");
  return answer(pathname, searchParams);
}

function answer(path, parameters) {
  const after = Number(parameters.get("after") ?? -1);
  const limit = Number(parameters.get("limit"));
  const types = parameters.getAll("type");
  switch (path.split("/").at(-1)) {
    case "events": return linesAfter(after, limit, types);
    case "structure": return structureAfter(after, limit);
    case "search": return hitsAfter(after, parameters.get("q"), types);
    case "usage": return itemOf("usage", 0).then(JSON.parse);
    default: throw new Error("This page was exported, and does not have that.");
  }
}

async function linesAfter(after, limit, types) {
  const events = [];
  for await (const [seq, text] of items("lines", after)) {
    const line = JSON.parse(text);
    if (types.length === 0 || types.includes(line.type)) events.push(line);
    if (events.length === limit) return { events, after: seq };
  }
  return { events, after: null };
}

// As the server's: columns of equal length; a parent is the number of the event that has the id.
let ids;
async function structureAfter(after, limit) {
  ids ??= numbersById();
  const numbers = await ids;
  const columns = { after, types: [], type: [], parent: [], at: [] };
  for await (const [, text] of items("lines", after)) {
    const line = JSON.parse(text);
    if (!columns.types.includes(line.type)) columns.types.push(line.type);
    columns.type.push(columns.types.indexOf(line.type));
    columns.parent.push(numbers.get(line.parent_event_id) ?? -1);
    columns.at.push(Date.parse(line.created_at));
    if (columns.at.length === limit) break;
  }
  return columns;
}

async function numbersById() {
  const found = new Map();
  for await (const [seq, text] of items("lines", -1)) found.set(JSON.parse(text).id, seq);
  return found;
}

// Searches the messages of one block; the script asks for the next one.
async function hitsAfter(after, wanted, types) {
  const { found, isLast } = await itemsOfBlock("events", after);
  const plain = wanted.toLowerCase();
  const escaped = JSON.stringify(plain).slice(1, -1);
  const hits = [];
  for (const [seq, text] of found) {
    const { event } = JSON.parse(text);
    if (event === null || (types.length > 0 && !types.includes(event.type))) continue;
    const message = JSON.stringify(event).toLowerCase();
    if (message.includes(escaped) || message.includes(plain)) hits.push(seq);
  }
  return { hits, searched_to: found.at(-1)?.[0] ?? after, is_complete: isLast };
}
