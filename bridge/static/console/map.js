// Who talks to whom: services on a circle, each always in its place, and what goes between them.

import { element } from "./curves.js";
import { text } from "./format.js";
import { follow } from "./live.js";

const NARROW = 640;
const place = document.getElementById("map");
const nodes = JSON.parse(document.getElementById("map-nodes").textContent);
const svg = element("svg", { role: "group", "aria-label": "Services and what goes between them" }, place);
const defs = element("defs", {}, svg);
const lines = element("g", {}, svg);
const dots = element("g", {}, svg);
const buttons = [...document.querySelectorAll("[data-about]")];
const drawn = new Map();
let leave = () => {};
let latest = { services: [], edges: [], seconds: 60 };

for (const level of ["good", "bad"]) {
  const marker = element("marker", { id: `arrow-${level}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto" }, defs);
  element("path", { d: "M0 0L8 4L0 8Z", class: `head ${level}` }, marker);
}

for (const node of nodes) {
  const link = element("a", { href: node.link, class: "node" }, dots);
  const circle = element("circle", { r: 9 }, link);
  const label = element("text", {}, link);
  label.textContent = node.name;
  for (const kind of ["pointerenter", "focus"]) link.addEventListener(kind, () => emphasise(node.service));
  for (const kind of ["pointerleave", "blur"]) link.addEventListener(kind, () => emphasise(null));
  drawn.set(node.service, { link, circle, label, name: node.name, x: 0, y: 0 });
}

// Calls that nobody serves go to the middle.
const nowhere = element("g", { class: "nowhere", visibility: "hidden" }, dots);
element("circle", { r: 7 }, nowhere);
const unowned = element("text", { y: 24, "text-anchor": "middle" }, nowhere);
unowned.textContent = "no owner";
drawn.set("nobody", { link: nowhere, name: "no owner", x: 0, y: 0 });

function layOut() {
  const width = place.clientWidth;
  const isNarrow = width < NARROW;
  const size = Math.min(width, 760);
  const height = isNarrow ? size : Math.round(size * 0.82);
  const radius = height / 2 - (isNarrow ? 80 : 46);
  svg.setAttribute("viewBox", `0 0 ${size} ${height}`);
  svg.setAttribute("width", size);
  svg.setAttribute("height", height);
  nodes.forEach((node, i) => {
    const angle = (2 * Math.PI * i) / nodes.length - Math.PI / 2;
    const each = drawn.get(node.service);
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    each.x = size / 2 + radius * (isNarrow ? 1 : 1.08) * cos;
    each.y = height / 2 + radius * sin;
    each.link.setAttribute("transform", `translate(${each.x.toFixed(1)} ${each.y.toFixed(1)})`);
    each.circle.setAttribute("r", isNarrow ? 7 : 9);
    label(each.label, cos, sin, isNarrow, (angle * 180) / Math.PI);
  });
  const middle = drawn.get("nobody");
  [middle.x, middle.y] = [size / 2, height / 2];
  middle.link.setAttribute("transform", `translate(${middle.x} ${middle.y})`);
  drawEdges();
}

/** Put a name beside its dot: upright where there is room, along the radius where there is not. */
function label(node, cos, sin, isNarrow, degrees) {
  if (isNarrow) {
    const isLeft = cos < -0.01;
    node.setAttribute("transform", `rotate(${isLeft ? degrees + 180 : degrees})`);
    node.setAttribute("x", isLeft ? -14 : 14);
    node.setAttribute("y", 4);
    node.setAttribute("text-anchor", isLeft ? "end" : "start");
    return;
  }
  node.removeAttribute("transform");
  node.setAttribute("x", 16 * cos);
  node.setAttribute("y", 4 + 18 * sin);
  node.setAttribute("text-anchor", Math.abs(cos) < 0.25 ? "middle" : cos < 0 ? "end" : "start");
}

function drawEdges() {
  const most = Math.max(1, ...latest.edges.map((edge) => edge.events + edge.calls));
  const shown = latest.edges.filter((edge) => edge.source !== edge.target && drawn.has(edge.source) && drawn.has(edge.target));
  const lost = shown.filter((edge) => edge.target === "nobody");
  drawn.get("nobody").link.setAttribute("visibility", lost.length ? "visible" : "hidden");
  // Its name stands where fewer lines come from.
  const down = lost.reduce((sum, edge) => sum + drawn.get(edge.source).y - drawn.get("nobody").y, 0);
  unowned.setAttribute("y", down > 0 ? -14 : 24);
  lines.replaceChildren(
    ...shown.map((edge) => {
      const level = edge.callsFailed ? "bad" : "good";
      const weight = 1 + 5 * Math.sqrt((edge.events + edge.calls) / most);
      const curve = element("path", { class: `edge ${level}`, d: arc(edge), "stroke-width": weight.toFixed(1), "marker-end": `url(#arrow-${level})` });
      curve.dataset.source = edge.source;
      curve.dataset.target = edge.target;
      element("title", {}, curve).textContent = said(edge);
      return curve;
    }),
  );
}

/** Return a curve that bends towards the middle and ends before the dot; there and back are two lines. */
function arc(edge) {
  const [from, to] = [drawn.get(edge.source), drawn.get(edge.target)];
  const [w, h] = [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  const [mx, my] = [(from.x + to.x) / 2 + (w / 2 - (from.x + to.x) / 2) * 0.3 - (dy / length) * 12, (from.y + to.y) / 2 + (h / 2 - (from.y + to.y) / 2) * 0.3 + (dx / length) * 12];
  const back = Math.hypot(to.x - mx, to.y - my);
  const [ex, ey] = [to.x - ((to.x - mx) / back) * 13, to.y - ((to.y - my) / back) * 13];
  return `M${from.x.toFixed(1)} ${from.y.toFixed(1)}Q${mx.toFixed(1)} ${my.toFixed(1)} ${ex.toFixed(1)} ${ey.toFixed(1)}`;
}

function short(service) {
  return drawn.get(service)?.name ?? service;
}

function said(edge) {
  const failed = edge.callsFailed ? `, ${edge.callsFailed} failed` : "";
  return `${short(edge.source)} to ${short(edge.target)}: ${rate(edge.events)} events, ${rate(edge.calls)} calls${failed}`;
}

function rate(count) {
  return text(count / latest.seconds, "/s");
}

function emphasise(service) {
  svg.classList.toggle("has-focus", service !== null);
  for (const line of lines.children) line.classList.toggle("on", line.dataset.source === service || line.dataset.target === service);
  const near = new Set(latest.edges.filter((edge) => edge.source === service || edge.target === service).flatMap((edge) => [edge.source, edge.target]));
  for (const [name, each] of drawn) each.link.classList.toggle("on", name === service || near.has(name));
}

function fill() {
  const busy = new Map(latest.services.map((each) => [each.service, each]));
  for (const { service } of nodes) {
    const each = drawn.get(service);
    const figures = busy.get(service);
    const isHere = Boolean(figures?.sessions);
    const isFailing = Boolean(figures?.callsHadFailed);
    each.link.setAttribute("class", `node ${isHere ? "here" : "away"} ${isFailing ? "failing" : ""} ${each.link.classList.contains("on") ? "on" : ""}`);
    const about = isHere ? `${figures.sessions} session${figures.sessions === 1 ? "" : "s"}, ${rate(figures.emitted)} in, ${rate(figures.delivered)} heard` : "not attached";
    each.link.setAttribute("aria-label", `${each.name}: ${about}`);
  }
  const rows = latest.edges.map((edge) => {
    const row = document.createElement("tr");
    const cells = [short(edge.source), short(edge.target), rate(edge.events), rate(edge.calls), String(edge.callsFailed)];
    cells.forEach((said, i) => {
      const cell = document.createElement("td");
      cell.textContent = said;
      if (i > 1) cell.className = i === 4 && edge.callsFailed ? "number bad" : "number";
      row.append(cell);
    });
    return row;
  });
  document.getElementById("map-edges").replaceChildren(...rows);
  document.getElementById("map-rows").hidden = !rows.length;
  document.getElementById("map-empty").hidden = Boolean(rows.length);
}

new ResizeObserver(layOut).observe(place);
layOut();
fill();

function show(now) {
  latest = now;
  fill();
  const focused = nodes.find((node) => drawn.get(node.service).link.matches(":focus, :hover"));
  drawEdges();
  emphasise(focused?.service ?? null);
}

function choose(button) {
  leave();
  for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
  document.getElementById("map-span").textContent = button.dataset.words;
  leave = follow(`${place.dataset.feed}?about=${button.dataset.about}`, show);
}

for (const button of buttons) button.addEventListener("click", () => choose(button));
choose(buttons.find((button) => button.getAttribute("aria-pressed") === "true"));
