// Copies a text when a button is clicked, and says so on the button.

const SHOWN_MS = 2000;

export function copyOnClick(button, getText) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(await getText());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Could not copy";
    }
    setTimeout(() => { button.textContent = label; }, SHOWN_MS);
  });
}
