// Long operations before one's eyes: those that run move, and go down to the others when they have ended.

import { follow } from "./live.js";

const LEVELS = ["good", "warn", "bad"];
const list = document.getElementById("operations");
const single = document.getElementById("operation");

if (list) followAll(list);
if (single) followOne(single);

function followAll(page) {
  const [running, ended] = [document.getElementById("running"), document.getElementById("ended")];
  const template = document.getElementById("row").content.firstElementChild;
  const isWanted = (row) => ["", row.service].includes(page.dataset.service) && ["", row.status].includes(page.dataset.state);

  function line(row) {
    const known = page.querySelector(`tr[data-operation="${row.id}"]`);
    const made = known ?? template.cloneNode(true);
    made.dataset.operation = row.id;
    if (!known) made.classList.add("new");
    fill(made, row);
    return made;
  }

  function show(now) {
    const active = now.running.filter(isWanted);
    const over = now.ended.filter(isWanted);
    const seen = new Set(active.map((row) => row.id));
    active.forEach((row, at) => place(running, line(row), at));
    while (running.rows.length > active.length) {
      // It has ended: it is among the others, or on another page of them.
      [...running.rows].find((each) => !seen.has(each.dataset.operation)).remove();
    }
    for (const row of over) {
      const known = ended.querySelector(`tr[data-operation="${row.id}"]`);
      if (known) fill(known, row);
    }
    if (ended.dataset.offset === "0") begin(over);
    hide(now);
  }

  /** Put those that have ended last on top of the first page; what the feed does not reach back to stays. */
  function begin(over) {
    over.forEach((row, at) => place(ended, line(row), at));
    while (ended.rows.length > Number(ended.dataset.count)) ended.deleteRow(-1);
  }

  function hide(now) {
    for (const body of [running, ended]) {
      body.closest(".rows").hidden = !body.rows.length;
      body.closest("section").hidden = !body.rows.length;
    }
    document.getElementById("nothing").hidden = running.rows.length + ended.rows.length > 0;
    document.getElementById("more").hidden = !now.more;
    page.querySelector("[data-more]").textContent = now.more;
  }

  follow(page.dataset.feed, show);
}

function followOne(page) {
  follow(page.dataset.feed, (now) => {
    const row = [...now.running, ...now.ended].find((each) => each.id === page.dataset.operation);
    if (row) fill(page, row);
  });
}

/** Put a row where it belongs; one that is there already keeps the focus that somebody has put into it. */
function place(body, row, at) {
  if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
}

/** Write what an operation says of itself as text, and what has changed alone. */
function fill(element, row) {
  for (const each of element.querySelectorAll("[data-put]")) {
    const text = row[each.dataset.put];
    if (each.textContent !== text) each.textContent = text;
  }
  for (const each of element.querySelectorAll("[data-when]")) each.hidden = !row[each.dataset.when];
  for (const each of element.querySelectorAll("[data-link]")) each.href = row.link;
  const progress = element.querySelector("progress");
  progress.value = Number(row.value);
  progress.setAttribute("aria-label", `Progress of ${row.name} of ${row.service}`);
  progress.setAttribute("aria-valuetext", row.said);
  for (const each of [element.querySelector("[data-badge]"), element.querySelector("[data-error]"), progress]) {
    each.classList.remove(...LEVELS);
    if (row.level) each.classList.add(row.level);
  }
}
