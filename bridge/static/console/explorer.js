// The tail of the logs: what comes is put on top, a page holds a bounded number of rows, and pausing lets nothing jump.

import { follow, state } from "./live.js";

const WAITING = 500;
const SKIPPED = "live; more comes than is shown, so some were left out";
const tail = document.getElementById("tail");
const pause = document.getElementById("pause");
const empty = document.getElementById("none");
const template = document.getElementById("row");

if (tail?.dataset.feed) start(tail.dataset.feed, Number(tail.dataset.held));

function start(url, held) {
  let waiting = [];
  let isPaused = false;
  let hasBegun = false;
  let connection = "";
  let problem;
  let hasSkipped = false;
  const seen = new Set([...tail.rows].map((row) => row.dataset.key));

  function say() {
    const dropped = waiting.length >= WAITING ? ", of which the oldest were dropped" : "";
    if (isPaused) state("paused", `paused, ${waiting.length} new${dropped}`);
    else if (hasSkipped && ["live", "polling"].includes(connection)) state(connection, SKIPPED);
    else if (connection) state(connection, problem);
  }

  function show(rows) {
    for (const row of rows) put(row);
    while (tail.rows.length > held) {
      seen.delete(tail.rows[tail.rows.length - 1].dataset.key);
      tail.deleteRow(-1);
    }
    if (tail.rows.length) {
      empty.hidden = true;
      document.getElementById("events").hidden = false;
    }
  }

  function take(found) {
    const rows = found.rows.filter((row) => !seen.has(row.key)).reverse();
    for (const row of rows) seen.add(row.key);
    // What comes first repeats what the page has, and may be too much of it.
    hasSkipped = found.skipped && hasBegun;
    hasBegun = true;
    if (isPaused) waiting = [...waiting, ...rows].slice(-WAITING);
    else show(rows);
    say();
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) {
      show(waiting);
      waiting = [];
    }
    say();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "p" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, select, textarea")) pause.click();
  });
  follow(url, take, (how, said) => {
    connection = how;
    problem = said;
    say();
  });
}

/** Put a row in its place; what is older than all that the page has belongs to another page. */
function put(row) {
  const after = [...tail.rows].find((each) => compare(row.position, each.dataset.key.split(" ")[1]) >= 0);
  if (after) after.before(made(row));
  else if (!tail.rows.length) tail.append(made(row));
}

function compare(one, other) {
  const [ms, sequence] = one.split("-").map(Number);
  const [otherMs, otherSequence] = other.split("-").map(Number);
  return ms - otherMs || sequence - otherSequence;
}

/** Return a row; what an event says is put there as text. */
function made(row) {
  const line = template.content.firstElementChild.cloneNode(true);
  line.dataset.key = row.key;
  line.classList.add("new");
  for (const name of ["at", "event", "source", "target", "data"]) line.querySelector(`[data-${name}]`).textContent = row[name];
  line.querySelector("[data-event]").href = row.link;
  line.querySelector("[data-test]").hidden = !row.isTest;
  return line;
}
