// What keeps a page up to date: server-sent events, or asking again and again where those do not come through.

const POLL_MS = 2000;
const FAILURES = 2;

/**
 * Hand on what a feed says until the page is left, and say how it comes: "live", "polling" or "lost".
 *
 * The feed answers `Accept: text/event-stream` with events, and anything else with one JSON of the same kind.
 */
export function follow(url, onData, onState = () => {}) {
  let failures = 0;
  let timer = 0;
  let source = null;

  function listen() {
    source = new EventSource(url);
    source.onmessage = (event) => {
      failures = 0;
      onState("live");
      onData(JSON.parse(event.data));
    };
    source.onerror = () => {
      failures += 1;
      if (failures >= FAILURES || source.readyState === EventSource.CLOSED) {
        source.close();
        source = null;
        poll();
      }
    };
  }

  async function poll() {
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      onData(await answer.json());
      onState("polling");
    } catch {
      onState("lost");
    }
    timer = setTimeout(poll, POLL_MS);
  }

  listen();
  return () => {
    source?.close();
    clearTimeout(timer);
  };
}

/** Do something to the mesh: POST with the CSRF token of the page; an error has what the server said. */
export async function act(url, fields = {}) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(url, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": token },
    body: new URLSearchParams(fields),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message);
  return said;
}
