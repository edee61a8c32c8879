// Buttons that copy a command; without this script the commands stand there to be selected.
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const selected = getSelection();
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      selected.selectAllChildren(button.previousElementSibling); // no clipboard here: Ctrl+C does the rest
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
