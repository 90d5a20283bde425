// A replay is made step by step, and each is asked for from here: leaving the page stops it where it is.

import { act } from "./live.js";

const FULL_MS = 1000;
const card = document.getElementById("replay");
const begin = document.getElementById("begin");
const running = card?.querySelector("[data-state=running]");

if (begin) begin.addEventListener("submit", (event) => started(event));
if (running && location.hash === "#replay") goOn(running.dataset.id);

async function started(event) {
  event.preventDefault();
  const problem = begin.querySelector("[data-problem]");
  problem.hidden = true;
  try {
    await act(begin.action, new FormData(begin));
    location.hash = "replay";
    location.reload();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

async function goOn(id) {
  const buttons = document.getElementById("going");
  if (!buttons) return;
  let isCancelled = false;
  buttons.querySelector("[data-go]").closest("form").hidden = true;
  buttons.querySelector("[data-cancel]").closest("form").addEventListener("submit", (event) => {
    event.preventDefault();
    isCancelled = true;
  });
  const said = running.querySelector("[data-said]");
  try {
    let replay = { state: "running", moved: -1 };
    while (replay.state === "running") {
      const before = replay.moved;
      const answer = await act(isCancelled ? card.dataset.cancel : card.dataset.step, { id });
      replay = answer.data;
      running.querySelector("progress").value = replay.share;
      running.querySelector("[data-badge]").textContent = replay.state;
      said.textContent = `${replay.moved} of ${replay.looked} events that were looked at come again`;
      // The group has as much to do as its log holds: it is not asked for more at once.
      if (replay.state === "running" && replay.moved === before) await new Promise((done) => setTimeout(done, FULL_MS));
    }
    history.replaceState(null, "", location.pathname);
    location.reload();
  } catch (error) {
    said.textContent = error.message;
    buttons.querySelector("[data-go]").closest("form").hidden = false;
  }
}
