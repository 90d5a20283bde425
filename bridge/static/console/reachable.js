// What the theme has made for the mouse alone, for the keyboard and for screen readers too.

const NAMES = { dock_to_right: "Navigation", close: "Close the navigation", hub: "Overview" };

for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
  const link = icon.closest("a[href], button");
  if (link && !link.title && link.textContent.trim() === icon.textContent.trim()) {
    link.setAttribute("aria-label", NAMES[icon.textContent.trim()] ?? icon.textContent.trim());
  }
  icon.setAttribute("aria-hidden", "true");
}

for (const each of document.querySelectorAll(":is(span, div)[x-on\\:click]:not([x-data]), a[x-on\\:click]:not([href])")) {
  if (each.closest("h2")) continue;
  const name = NAMES[each.textContent.trim()];
  each.removeAttribute("aria-hidden");
  each.setAttribute("role", "button");
  each.setAttribute("tabindex", "0");
  if (name) each.setAttribute("aria-label", name);
  each.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    each.click();
  });
}
