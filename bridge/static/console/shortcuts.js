// Keys that lead from any page to any other; none is heard while somebody writes.

const SEQUENCE_MS = 1500;
const dialog = document.getElementById("shortcuts");
let gAt = -Infinity;

function writes(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function toFirstField() {
  document.querySelector("#content input:not([type=hidden]), #content select, #content textarea")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element) || writes(event.target)) return;
  const followsG = event.timeStamp - gAt < SEQUENCE_MS;
  gAt = -Infinity;
  if (followsG) {
    const link = [...dialog.querySelectorAll("a[data-key]")].find((each) => each.dataset.key === event.key);
    if (link) link.click();
  } else if (event.key === "g") {
    gAt = event.timeStamp;
  } else if (event.key === "?") {
    event.preventDefault();
    if (dialog.open) dialog.close();
    else dialog.showModal();
  } else if (event.key === "/") {
    event.preventDefault();
    toFirstField();
  }
});
