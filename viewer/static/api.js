// Requests to the API of the viewer.

// Resolves to the text at an address; fails with the sentence of the viewer.
export async function getText(address) {
  const response = await fetch(address, { headers: { Accept: "application/json" } });
  const text = await response.text();
  if (!response.ok) throw new Error(JSON.parse(text).error);
  return text;
}

export async function getJson(address) {
  return JSON.parse(await getText(address));
}
