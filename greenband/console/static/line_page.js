import { byId, cell, follow, state, text } from "./live.js";
import { drawing, element, path } from "./svg.js";

const corridor = byId("line-form").dataset.corridor;
const LEFT = 150;
let last = 0;
let busy = false;
byId("minutes").addEventListener("change", () => load());
follow("/v1/events", { sites: () => { if (performance.now() - last > 1900) load(); } });

async function load() {
  if (busy) return;
  busy = true;
  last = performance.now();
  try {
    const query = new URLSearchParams({ minutes: byId("minutes").value, corridor });
    const answer = await fetch(`/v1/line?${query}`);
    const line = await answer.json();
    if (answer.ok) show(line);
    else text(byId("line-title"), line.detail);
  } finally {
    busy = false;
  }
}

function show(line) {
  text(byId("line-title"), `${line.vehicle ? `${line.vehicle.name}: ` : ""}${line.from} to ${line.to}, ${Math.round(line.length_m)} m`);
  draw(line);
  table(line);
}

function draw(line) {
  const width = Math.max(620, byId("line").parentElement.clientWidth - 2);
  const height = Math.max(300, Math.min(620, line.stops.length * 62));
  const svg = drawing(width, height + 30, "Time runs to the right, distance upwards; the same stands in the table below");
  svg.setAttribute("role", "img");
  const pattern = element("pattern", { id: "stripes", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, element("path", { d: "M0 0V6" }));
  svg.append(element("defs", {}, pattern));
  const x = (utcMs) => LEFT + (utcMs - line.from_utc_ms) / (line.until_utc_ms - line.from_utc_ms) * (width - LEFT - 10);
  const y = (metres) => height - 24 - metres / line.length_m * (height - 48);
  for (let utcMs = Math.ceil(line.from_utc_ms / 60000) * 60000; utcMs <= line.until_utc_ms; utcMs += 60000) {
    svg.append(element("line", { class: "grid", x1: x(utcMs), x2: x(utcMs), y1: 8, y2: height }));
    svg.append(element("text", { x: x(utcMs), y: height + 18, "text-anchor": "middle" }, new Date(utcMs).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })));
  }
  for (const stop of line.stops) {
    const at = y(stop.at_m);
    const label = stop.label.length > 20 ? `${stop.label.slice(0, 19)}…` : stop.label;
    svg.append(element("text", { x: 0, y: at + 4 }, label));
    svg.append(element("line", { class: "red-line", x1: x(stop.seen_from_utc_ms), x2: x(line.now_utc_ms), y1: at, y2: at }));
    for (const [from, to] of stop.greens) svg.append(element("rect", { class: "forth", x: x(from), y: at - 7, width: Math.max(1, x(to) - x(from)), height: 7 }));
    for (const [from, to] of stop.back_greens) svg.append(element("rect", { class: "back", x: x(from), y: at + 1, width: Math.max(1, x(to) - x(from)), height: 7 }));
  }
  svg.append(element("line", { class: "now", x1: x(line.now_utc_ms), x2: x(line.now_utc_ms), y1: 4, y2: height }));
  if (line.vehicle) {
    const way = line.vehicle.way.map(([utcMs, atM]) => [x(utcMs), y(atM)]);
    if (way.length > 1) svg.append(element("path", { class: "way", d: path(way) }));
    const ahead = line.vehicle.expected.map(([utcMs, atM]) => [x(Math.min(utcMs, line.until_utc_ms)), y(atM)]);
    const from = way.length ? [way.at(-1)] : [];
    if (ahead.length) svg.append(element("path", { class: "way expected", d: path([...from, ...ahead]) }));
  }
  const frame = byId("line").parentElement;
  const atEnd = frame.scrollLeft + frame.clientWidth >= frame.scrollWidth - 4;
  const first = !byId("line").childElementCount;
  byId("line").replaceChildren(svg);
  if (first || atEnd) frame.scrollLeft = frame.scrollWidth;
}

function table(line) {
  const share = (stop, greens) => `${Math.round(100 * greens.reduce((sum, [from, to]) => sum + to - from, 0) / Math.max(1, line.now_utc_ms - stop.seen_from_utc_ms))} %`;
  byId("stops").tBodies[0].replaceChildren(...line.stops.map((stop) => {
    const green = stop.greens.some(([, to]) => to >= line.now_utc_ms);
    const link = document.createElement("a");
    link.href = `/sites/${encodeURIComponent(stop.site)}`;
    link.textContent = stop.label;
    const row = document.createElement("tr");
    row.append(cell(link, "", "th"), cell(Math.round(stop.at_m), "number"), cell(state(green ? "green" : "red")), cell(share(stop, stop.greens), "number"), cell(stop.back_greens.length ? share(stop, stop.back_greens) : "–", "number"));
    row.firstChild.scope = "row";
    return row;
  }));
}
