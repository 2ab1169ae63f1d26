// Requests to the API of the viewer.

// Resolves to the text at an address; fails with the sentence of the viewer.
export function getText(address, signal) {
  return request(address, { signal });
}

export async function getJson(address, signal) {
  return JSON.parse(await getText(address, signal));
}

// Sends JSON text; resolves to the document of the answer.
export async function postJson(address, text) {
  const headers = { "Content-Type": "application/json" };
  return JSON.parse(await request(address, { method: "POST", headers, body: text }));
}

async function request(address, options) {
  const headers = { Accept: "application/json", ...options.headers };
  const response = await fetch(address, { ...options, headers }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The viewer does not answer. Try again later.");
  });
  const text = await response.text();
  if (!response.ok) throw Object.assign(new Error(JSON.parse(text).error), { status: response.status });
  return text;
}
