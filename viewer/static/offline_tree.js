// Makes elements of the JSON of a page that was exported.

const SVG = "http://www.w3.org/2000/svg";

// The element that `[tag, attributes, ...children]` stands for; what is in an `svg` is of SVG too.
export function built([tag, attributes, ...children], isInSvg = false) {
  const isSvg = isInSvg || tag === "svg";
  const made = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map((child) => (typeof child === "string" ? child : built(child, isSvg))));
  return made;
}
