// The overview: tiles that follow the feed, and charts over the last minutes, hour or day.

import { Chart, spark } from "./curves.js";
import { parts, text } from "./format.js";
import { follow } from "./live.js";

const SPANS = { "5m": 300000, "1h": 3600000, "24h": 86400000 };
const AGAIN_MS = { "5m": Infinity, "1h": 10000, "24h": 60000 };
const RETRY_MS = 2000;
const SMOOTHED = 5;

const page = document.getElementById("overview");
const charts = [...page.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
const tiles = new Map([...page.querySelectorAll("[data-tile]")].map((tile) => [tile.dataset.tile, tile]));
const buttons = [...page.querySelectorAll("[data-span]")];
const known = {};
let span = "5m";
let loadedAt = 0;
let isLoading = false;

/** Load the curves of a span; where they cannot be had, those that are known stay until the feed asks for them again. */
async function load(wanted) {
  isLoading = true;
  loadedAt = Date.now();
  try {
    const answer = await fetch(`${page.dataset.series}?span=${wanted}`, { headers: { Accept: "application/json" } });
    const found = await answer.json();
    if (answer.ok && !found.problem) known[wanted] = found;
  } catch {
    // The page is being left, or the bridge is away, which the feed says.
  }
  isLoading = false;
  if (wanted === span) draw();
}

function draw() {
  if (known[span]) for (const chart of charts) chart.show(known[span], SPANS[span]);
}

/** Take the last seconds in: those that are known already may have become more meanwhile. */
function merge(recent) {
  const all = known["5m"];
  if (!all || !recent.atMs.length) return;
  if (recent.atMs[0] > all.atMs.at(-1) + 1000) {
    if (!isLoading) load("5m");
    return;
  }
  const from = all.atMs.findIndex((at) => at >= recent.atMs[0]);
  const keep = from < 0 ? all.atMs.length : from;
  for (const [name, values] of Object.entries(recent)) {
    if (Array.isArray(values)) all[name] = [...all[name].slice(0, keep), ...values].slice(-300);
  }
}

function mean(values) {
  const last = (values ?? []).slice(-SMOOTHED).filter((value) => value !== null);
  return last.length ? last.reduce((sum, value) => sum + value, 0) / last.length : null;
}

function last(values) {
  return (values ?? []).findLast((value) => value !== null) ?? null;
}

function sum(one, other) {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}

function put(key, value, unit, second = "", level = "") {
  const tile = tiles.get(key);
  const [number, of] = parts(value, unit);
  tile.querySelector("[data-value]").textContent = number;
  tile.querySelector("[data-unit]").textContent = of;
  tile.querySelector("[data-second]").textContent = second || "\u00a0";
  tile.dataset.level = level;
}

function rising(value, warn, bad) {
  if (value === null) return "";
  return value >= bad ? "bad" : value >= warn ? "warn" : "";
}

function latency(key, figures) {
  const has = figures.count > 0;
  put(key, has ? figures.p50Ms : null, "ms", has ? `p99 ${text(figures.p99Ms, "ms")}` : "none in the last minute");
}

/** Say that services emit what does not fit what they have declared. */
function warn(drift) {
  const line = document.getElementById("drift");
  line.hidden = !drift;
  if (!drift) return;
  const many = drift.events === 1 ? "A declared event has" : `${drift.events} declared events have`;
  const last = `${drift.event} of ${drift.service}, ${drift.ago} ago`;
  line.firstElementChild.textContent = `${many} had data that does not fit, ${drift.events === 1 ? "" : "the last one "}${last}.`;
}

function fill(now) {
  const all = known["5m"] ?? now.recent;
  for (const name of ["emitted", "delivered", "calls"]) put(name, mean(all[name]), "/s");
  latency("delivery", now.delivery);
  latency("call", now.call);
  latency("ack", now.ack);
  put("errors", now.errors, "/min", "", rising(now.errors, 1, 100));
  put("refused", now.refused, "/min", "", rising(now.refused, 1, 100));
  const [waiting, pending] = [last(all.waiting), last(all.pending)];
  const backlog = sum(waiting, pending);
  const about = backlog ? `${text(waiting)} unread, ${text(pending)} held` : "";
  put("backlog", backlog, "", about, rising(backlog, 1000, 10000));
  put("dead", last(all.deadLetters), "", "", rising(last(all.deadLetters), 1, 100));
  put("lag", now.lagMs, "ms", "", rising(now.lagMs, 1000, 10000));
  put("sessions", now.sessions, "", `${now.services} service${now.services === 1 ? "" : "s"}`);
  const has = now.sampledMs !== null;
  const share = has && now.redis.maxBytes ? now.redis.usedBytes / now.redis.maxBytes : null;
  const of = share === null ? (has ? "no limit set" : "") : `${Math.round(share * 100)} % of ${text(now.redis.maxBytes, "bytes")}`;
  put("redis", has ? now.redis.usedBytes : null, "bytes", of, rising(share, 0.75, 0.9));
  put("hubs", now.hubs, "", "", now.hubs === 0 ? "bad" : "");
  for (const tile of tiles.values()) {
    const curves = tile.dataset.curves.split(" ").map((name) => all[name] ?? []);
    spark(tile.querySelector(".spark"), curves[0].map((_, i) => curves.map((curve) => curve[i]).reduce(sum, null)));
  }
}

function choose(wanted) {
  span = wanted;
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.span === wanted));
  load(wanted);
}

for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.span));
load("5m");
follow(page.dataset.feed, (now) => {
  merge(now.recent);
  fill(now);
  warn(now.drift);
  if (now.sessions) document.getElementById("nobody")?.remove();
  if (span === "5m") draw();
  if (!isLoading && Date.now() - loadedAt > (known[span] ? AGAIN_MS[span] : RETRY_MS)) load(span);
});
