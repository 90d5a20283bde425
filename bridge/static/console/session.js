// The page of a session: says so when it has gone.

import { follow } from "./live.js";

const about = document.getElementById("session");

if (about) {
  const leave = follow(about.dataset.feed, ({ session }) => {
    if (session === about.dataset.session) return;
    leave();
    const badge = document.getElementById("state");
    badge.className = "badge bad";
    badge.textContent = session === null ? "has left" : "is back on another session";
    document.getElementById("live").hidden = true;
  });
}
