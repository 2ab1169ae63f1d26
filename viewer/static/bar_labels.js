// Cuts the labels of the bars of a timeline to what fits in them: an SVG has no ellipsis of its own.

export function fitLabels(drawing) {
  const labels = [...drawing.querySelectorAll(".step text")].map((label) => ({ label, whole: label.textContent }));
  const [first] = labels;
  const character = first?.whole ? first.label.getComputedTextLength() / first.whole.length : 7;
  new ResizeObserver(() => {
    const widths = labels.map(({ label }) => label.previousElementSibling.getBoundingClientRect().width);
    labels.forEach(({ label, whole }, index) => {
      const fitting = Math.floor((widths[index] - 8) / character);
      label.textContent = whole.length <= fitting ? whole : fitting > 2 ? `${whole.slice(0, fitting - 1)}…` : "";
    });
  }).observe(drawing);
}
