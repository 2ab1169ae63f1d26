// Shows text that may be hostile: never as HTML, and with unprintable characters as escapes.

// What agent_runs.escaping.is_visible refuses; line breaks and tabs are shown as they are.
const UNPRINTABLE =
  /(?![\n\t ])[\p{C}\p{Z}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\u{e0100}-\u{e01ef}]/u;
const MAX_ESCAPES = 2000; // of one text that are marked as escapes; a text of nothing else would freeze the page
const EACH_UNPRINTABLE = new RegExp(`(${UNPRINTABLE.source})`, "gu");

function escaped(character) {
  const code = character.codePointAt(0);
  if (character === "\r") return "\\r";
  const [letter, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(width, "0")}`;
}

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) {
    if (child instanceof Node) made.append(child);
    else if (child !== null && child !== undefined) appendText(made, String(child));
  }
  return made;
}

export function appendText(parent, text) {
  const parts = text.split(EACH_UNPRINTABLE); // every second one is an unprintable character
  if (parts.length > 2 * MAX_ESCAPES) {
    const rest = parts.splice(2 * MAX_ESCAPES).join("");
    parts.push(rest.replace(EACH_UNPRINTABLE, escaped));
  }
  for (const part of parts) {
    if (part === "") continue;
    if (UNPRINTABLE.test(part)) {
      const span = document.createElement("span");
      span.className = "escape";
      span.textContent = escaped(part);
      parent.append(span);
    } else {
      parent.append(part);
    }
  }
}
