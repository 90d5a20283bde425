// The page of a session: says so when it has gone.

const LOOK_MS = 1000;
const about = document.getElementById("session");

async function look() {
  try {
    const answer = await fetch(about.dataset.state, { headers: { Accept: "application/json" } });
    const { session } = await answer.json();
    if (answer.ok && session !== about.dataset.session) {
      const badge = document.getElementById("state");
      badge.className = "badge bad";
      badge.textContent = session === null ? "has left" : "is back on another session";
      return;
    }
  } catch {
    // The bridge is away for a moment; the next look finds out.
  }
  setTimeout(look, LOOK_MS);
}

if (about) look();
