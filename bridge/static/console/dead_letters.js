// All letters that match are done with a hundred at a time, with what is done so far, until somebody says stop.

import { act } from "./live.js";

const form = document.getElementById("letters");
const every = document.getElementById("every");
const many = document.getElementById("many");

every?.addEventListener("change", () => {
  for (const box of form.querySelectorAll("[name=letter]")) box.checked = every.checked;
});

form?.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.name !== "all") return;
  event.preventDefault();
  if (confirm(button.dataset.ask)) all(button.formAction, button);
});

async function all(url, button) {
  let isStopped = false;
  const [progress, said, stop] = [many.querySelector("progress"), many.querySelector("p"), many.querySelector("button")];
  many.hidden = false;
  progress.removeAttribute("value");
  stop.addEventListener("click", () => (isStopped = true), { once: true });
  for (const each of form.querySelectorAll(".bar button")) each.disabled = true;
  const fields = new FormData(form);
  fields.delete("letter");
  fields.set("all", "1");
  let done = 0;
  let left = 0;
  try {
    let step = { more: true };
    while (step.more && !isStopped) {
      step = (await act(url, fields)).data;
      fields.set("after", step.after);
      fields.set("upto", step.upto);
      done += step.done;
      left += step.left;
      said.textContent = `${done} done${left ? `, ${left} left where they are: nobody would get them, or there is no room` : ""}`;
    }
    progress.max = 1;
    progress.value = 1;
    said.textContent += isStopped && step.more ? "; stopped. " : "; that is all. ";
  } catch (error) {
    said.textContent = `${done} done, then: ${error.message} `;
    said.classList.add("bad");
  }
  stop.hidden = true;
  const again = document.createElement("a");
  again.href = location.href;
  again.textContent = "Show what is left";
  said.append(again);
  for (const each of form.querySelectorAll(".bar button")) each.disabled = false;
}
