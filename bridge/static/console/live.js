// What keeps a page up to date: server-sent events, or asking again and again where those do not come through.

const POLL_MS = 2000;
const FAILURES = 2;
const SAID = {
  live: "live",
  polling: "live, by asking every two seconds",
  lost: "no connection: log in again, or wait until the bridge is back",
  paused: "paused while nobody looks",
};

/** Say in the page's line for it how the feed comes. */
export function state(name, said = SAID[name]) {
  const line = document.getElementById("live");
  if (line.dataset.state === name && line.textContent === said) return;
  line.dataset.state = name;
  line.textContent = said;
}

/**
 * Hand on what a feed says until the page is left, and say how it comes; a page that nobody sees asks for nothing.
 *
 * The feed answers `Accept: text/event-stream` with events, and anything else with one JSON of the same kind.
 */
export function follow(url, onData, onState = () => {}) {
  let failures = 0;
  let timer = 0;
  let source = null;
  let isPolling = false;

  function listen() {
    source = new EventSource(url);
    source.onmessage = (event) => {
      failures = 0;
      onState("live");
      onData(JSON.parse(event.data));
    };
    source.onerror = () => {
      failures += 1;
      if (failures < FAILURES && source.readyState !== EventSource.CLOSED) return;
      isPolling = true;
      stop();
      poll();
    };
  }

  async function poll() {
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const data = await answer.json();
      onState("polling");
      onData(data);
    } catch {
      onState("lost");
    }
    if (!document.hidden) timer = setTimeout(poll, POLL_MS);
  }

  function stop() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }

  function begin() {
    stop();
    if (isPolling) poll();
    else listen();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stop();
      onState("paused");
    } else begin();
  });
  begin();
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
