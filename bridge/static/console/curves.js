// Charts of curves over time, as SVG whose colours are in the stylesheet; read with the pointer or the arrow keys.

import { text } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150;
const EDGE = { left: 52, right: 8, top: 8, bottom: 20 };
const GRID = 4;

export function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

/** Return the path of values at places, with a gap where there is none. */
export function path(xs, ys) {
  let drawn = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i += 1) {
    if (ys[i] === null) pen = "M";
    else {
      drawn += `${pen}${xs[i].toFixed(1)} ${ys[i].toFixed(1)}`;
      pen = "L";
    }
  }
  return drawn;
}

/** Return the next number above a value that is easy to read. */
export function ceiling(value, base = 10) {
  if (value <= 0) return base === 10 ? 4 : base;
  const size = base === 10 ? 1 : base ** Math.floor(Math.log(value) / Math.log(base));
  const power = 10 ** Math.floor(Math.log10(value / size));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power * size).find((step) => step >= value * 1.0001) ?? 20 * power * size;
}

export class Chart {
  /** A chart in a figure, which has its title, its unit, its legend and an empty place for the plot. */
  constructor(figure) {
    this.unit = figure.dataset.unit;
    this.title = figure.querySelector("h2");
    this.legend = [...figure.querySelectorAll("[data-line]")];
    this.names = this.legend.map((item) => item.dataset.line);
    this.place = figure.querySelector("[data-plot]");
    this.svg = element("svg", { role: "img", tabindex: "0", height: HEIGHT, width: "100%" }, this.place);
    this.grid = element("g", { class: "grid" }, this.svg);
    this.lines = this.names.map((_, i) => element("path", { class: `line s${i + 1}` }, this.svg));
    this.cursor = element("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" }, this.svg);
    this.clock = element("text", { class: "clock", "text-anchor": "middle", y: HEIGHT - 5, visibility: "hidden" }, this.svg);
    this.at = [];
    this.chosen = null;
    this.svg.addEventListener("pointermove", (event) => this.#choose(this.#nearest(event.offsetX)));
    this.svg.addEventListener("pointerleave", () => this.#choose(null));
    this.svg.addEventListener("blur", () => this.#choose(null));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
    this.#say();
    new ResizeObserver(() => this.#draw()).observe(this.place);
  }

  show(curves, spanMs) {
    this.at = curves.atMs;
    this.values = this.names.map((name) => curves[name] ?? []);
    this.spanMs = spanMs;
    this.#draw();
  }

  #draw() {
    const width = this.place.clientWidth;
    if (!width || !this.values) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const end = this.at.at(-1) ?? Date.now();
    const inner = width - EDGE.left - EDGE.right;
    this.xs = this.at.map((at) => EDGE.left + inner * (1 - (end - at) / this.spanMs));
    const most = Math.max(0, ...this.values.flat().filter((value) => value !== null));
    const top = ceiling(most, this.unit === "bytes" ? 1024 : 10);
    const y = (value) => HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom);
    this.values.forEach((values, i) => {
      this.lines[i].setAttribute("d", path(this.xs, values.map((value) => (value === null ? null : y(value)))));
    });
    this.#drawGrid(width, top, y, end);
    this.#say();
  }

  #drawGrid(width, top, y, end) {
    this.grid.replaceChildren();
    for (let i = 0; i <= GRID; i += 1) {
      const value = (top * i) / GRID;
      element("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }, this.grid);
      element("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, this.grid).textContent = text(value, this.unit);
    }
    const inner = width - EDGE.left - EDGE.right;
    const count = width > 420 ? 4 : 2;
    for (let i = 0; i <= count; i += 1) {
      const anchor = i === 0 ? "start" : i === count ? "end" : "middle";
      const at = end - this.spanMs * (1 - i / count);
      element("text", { x: EDGE.left + (inner * i) / count, y: HEIGHT - 5, "text-anchor": anchor }, this.grid).textContent = this.#time(at);
    }
  }

  #time(at) {
    const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (this.spanMs <= 3600000) options.second = "2-digit";
    return new Date(at).toLocaleTimeString("en", options);
  }

  #nearest(x) {
    if (!this.xs?.length) return null;
    return this.xs.reduce((best, each, i) => (Math.abs(each - x) < Math.abs(this.xs[best] - x) ? i : best), 0);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === "Escape") this.#choose(null);
    if (step === undefined || !this.at.length) return;
    event.preventDefault();
    const last = this.at.length - 1;
    const from = this.chosen === null ? last + (step < 0 ? 1 : 0) : this.at.indexOf(this.chosen);
    this.#choose(Math.max(0, Math.min(last, from + step)));
  }

  #choose(index) {
    this.chosen = index === null ? null : this.at[index];
    this.#say();
  }

  /** Say the chosen values, or the last ones, in the legend and to who cannot see the lines. */
  #say() {
    let index = this.chosen === null ? -1 : this.at.indexOf(this.chosen);
    const isChosen = index >= 0;
    if (!isChosen) index = this.at.length - 1;
    const value = (values) => (isChosen ? values[index] : values.findLast((each) => each !== null)) ?? null;
    const said = this.names.map((_, i) => text(value(this.values?.[i] ?? []), this.unit));
    this.legend.forEach((item, i) => {
      item.querySelector("[data-now]").textContent = said[i];
    });
    const when = this.at.length ? this.#time(this.at[index]) : "no values yet";
    const names = this.legend.map((item, i) => `${item.textContent.replace(said[i], "").trim()} ${said[i]}`);
    this.svg.setAttribute("aria-label", `${this.title.textContent}, ${when}: ${names.join(", ")}`);
    for (const mark of [this.cursor, this.clock]) mark.setAttribute("visibility", isChosen ? "visible" : "hidden");
    this.grid.classList.toggle("quieter", isChosen);
    if (!isChosen) return;
    this.cursor.setAttribute("x1", this.xs[index]);
    this.cursor.setAttribute("x2", this.xs[index]);
    this.clock.setAttribute("x", Math.max(EDGE.left + 24, Math.min(this.xs[index], this.place.clientWidth - 34)));
    this.clock.textContent = when;
  }
}

/** Draw a small chart without axes. */
export function spark(svg, values) {
  const known = values.slice(-60);
  const top = Math.max(1e-9, ...known.filter((value) => value !== null)) * 1.1;
  const xs = known.map((_, i) => (known.length > 1 ? (100 * i) / (known.length - 1) : 100));
  const line = path(xs, known.map((value) => (value === null ? null : 23 - (value / top) * 22)));
  svg.querySelector(".line").setAttribute("d", line);
  const isWhole = known.length > 1 && !known.includes(null);
  svg.querySelector(".fill").setAttribute("d", isWhole ? `${line}L100 24L0 24Z` : "");
}
