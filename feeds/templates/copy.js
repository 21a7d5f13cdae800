"use strict";
// The page is whole without this: addresses are text that one can select.
document.documentElement.classList.add("scripted");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const address = document.getElementById(button.getAttribute("aria-describedby"));
  getSelection().selectAllChildren(address);
  try {
    await navigator.clipboard.writeText(address.textContent);
  } catch {
    // There is no clipboard without https: the address stays selected.
    if (!document.execCommand("copy")) return;
  }
  const said = button.textContent;
  const status = document.getElementById("status");
  if (said === status.dataset.copied) return;
  button.textContent = status.textContent = status.dataset.copied;
  setTimeout(() => { button.textContent = said; status.textContent = ""; }, 2000);
});
