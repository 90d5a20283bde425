// What keeps a page up to date: server-sent events, or asking again and again while those do not come through.

const POLL_MS = 2000;
const LISTEN_AGAIN_MS = 60000;
const FAILURES = 2;
const SILENT_MS = 20000; // A feed says something every fifteen seconds.
const ENDED = "your login has ended, or may not see this any more: log in again";
const SAID = {
  live: "live",
  polling: "live, by asking every two seconds",
  lost: "no connection: this goes on when the bridge is back",
  ended: ENDED,
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
 * The feed answers `Accept: text/event-stream` with events, and anything else with one JSON of the same kind. What has
 * a `place` is asked for from there on; what could not be read has a `problem`. Returns what ends the following.
 */
export function follow(url, onData, onState = state) {
  let turn = 0; // What an earlier one still has in flight is dropped.
  let source = null;
  let timer = 0;
  let place = "";

  function address() {
    const wanted = new URL(url, location.href);
    if (place) wanted.searchParams.set("place", place);
    return wanted;
  }

  function take(how, data) {
    place = data.place ?? place;
    if (data.problem) onState("lost", data.problem);
    else {
      onState(how);
      onData(data);
    }
  }

  function stop() {
    turn += 1;
    source?.close();
    clearTimeout(timer);
  }

  function listen() {
    stop();
    let failures = 0;
    source = new EventSource(address());
    source.onmessage = (event) => {
      failures = 0;
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENT_MS);
      take("live", JSON.parse(event.data));
    };
    source.onerror = () => {
      failures += 1;
      if (failures >= FAILURES || source.readyState === EventSource.CLOSED) giveUp();
    };
    timer = setTimeout(giveUp, SILENT_MS);
  }

  function giveUp() {
    stop();
    poll(performance.now() + LISTEN_AGAIN_MS);
  }

  /** Ask once and again until it is time to listen again, which is at once where nobody answers. */
  async function poll(untilMs) {
    const mine = turn;
    let answer = null;
    let data = null;
    try {
      answer = await fetch(address(), { headers: { Accept: "application/json" } });
      if (answer.ok) data = await answer.json();
    } catch {
      // Nobody answers, or not with JSON.
    }
    if (mine !== turn) return;
    if (answer?.status === 403) {
      onState("ended");
      return;
    }
    if (data) take("polling", data);
    else onState("lost");
    timer = setTimeout(() => (data && performance.now() < untilMs ? poll(untilMs) : listen()), POLL_MS);
  }

  function begin() {
    if (!document.hidden) {
      listen();
      return;
    }
    stop();
    onState("paused");
  }

  document.addEventListener("visibilitychange", begin);
  begin();
  return () => {
    document.removeEventListener("visibilitychange", begin);
    stop();
  };
}

/** Do something to the mesh: POST with the CSRF token of the page; an error has what the server said. */
export async function act(url, fields = {}) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(url, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": token },
    body: new URLSearchParams(fields),
    redirect: "manual", // To the page for logging in, where that is needed.
  });
  if (answer.type === "opaqueredirect") throw new Error(ENDED);
  const said = await answer.json().catch(() => ({ message: `no reason was given (HTTP ${answer.status})` }));
  if (!answer.ok) throw new Error(said.message);
  return said;
}
