// The net: streets with their queues, signals with their state, corridors, vehicles.

import { beside, drawing, element, path } from "./svg.js";
import { say } from "./live.js";

const MARGIN = 26;
const RADIUS = 10;
const SHIFT = 2.4;
const METRES_PER_VEHICLE = 7.5;
const CLASSES = [0.08, 0.25, 0.5];

export async function loadMap() {
  const answer = await fetch("/v1/map");
  return answer.json();
}

export class NetMap {
  constructor(place, map) {
    this.place = place;
    this.map = map;
    this.streets = new Map(map.streets.map((each) => [each.name, each]));
    this.laneStreets = new Map(map.sites.map((each) => [each.name, each.lane_streets]));
    this.routes = [];
    this.net = null;
    this.onClick = null;
    this.draw();
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth !== width) { width = place.clientWidth; this.draw(); }
    }).observe(place);
  }

  draw() {
    const points = this.map.streets.flatMap((each) => each.shape_m);
    const xs = points.map((p) => p[0]);
    const ys = points.map((p) => p[1]);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const width = Math.max(280, this.place.clientWidth - 2);
    const tall = Math.min(560, width);
    const scale = Math.min((width - 2 * MARGIN) / Math.max(1, right - left), (tall - 2 * MARGIN) / Math.max(1, high - low));
    const height = Math.max(120, (high - low) * scale + 2 * MARGIN);
    const indent = (width - (right - left) * scale) / 2;
    this.at = ([x, y]) => [indent + (x - left) * scale, height / 2 - (y - (low + high) / 2) * scale];
    this.metres = (x, y) => [(x - indent) / scale + left, (height / 2 - y) / scale + (low + high) / 2];
    const svg = drawing(width, height, `Map of ${this.map.name}`);
    this.under = element("g");
    const streets = element("g");
    this.lines = new Map();
    for (const each of this.map.streets) {
      const line = element("path", { class: "street", d: path(beside(each.shape_m.map(this.at), SHIFT)) });
      line.append(element("title", {}, each.label));
      this.lines.set(each.name, line);
      streets.append(line);
    }
    this.over = element("g");
    this.marks = new Map();
    const signals = element("g");
    this.map.sites.forEach((site, k) => signals.append(this.signal(site, k + 1)));
    svg.append(this.under, streets, signals, this.over);
    if (this.place.dataset.clicks) svg.addEventListener("click", (event) => this.clicked(event, svg));
    this.place.replaceChildren(svg);
    if (this.net) this.show(this.net);
  }

  signal(site, number) {
    const [x, y] = this.at(site.position_m);
    const mark = element("g", { class: "signal", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
    this.marks.set(site.name, { mark, number, site, shape: "" });
    this.shape(site.name, "", site.label);
    if (!this.place.dataset.links) return mark;
    return element("a", { href: `/sites/${encodeURIComponent(site.name)}` }, mark);
  }

  shape(name, shape, words) {
    const found = this.marks.get(name);
    const title = element("title", {}, words);
    if (found.shape === shape && found.mark.childNodes.length) {
      found.mark.querySelector("title").replaceWith(title);
      return;
    }
    found.shape = shape;
    found.mark.setAttribute("class", `signal ${shape}`);
    const number = element("text", { y: 4 }, String(found.number));
    const shapes = {
      held: () => [element("rect", { x: -RADIUS, y: -RADIUS, width: 2 * RADIUS, height: 2 * RADIUS })],
      faulty: () => [element("path", { d: "M0 -15L14 10L-14 10Z" })],
      lost: () => [element("circle", { r: RADIUS }), element("path", { d: "M-13 -13L13 13M13 -13L-13 13" })],
      "": () => [element("circle", { r: RADIUS })],
    };
    found.mark.replaceChildren(title, element("circle", { class: "hit", r: 22 }), ...shapes[shape](), number);
  }

  // What is known of all sites and corridors.
  show(net) {
    this.net = net;
    const held = new Set(net.corridors.flatMap((each) => each.held));
    const queues = new Map();
    for (const [name, live] of Object.entries(net.sites)) {
      this.shape(name, shapeOf(live, held.has(name)), `${this.marks.get(name).number} ${this.marks.get(name).site.label}: ${inWords(live)}`);
      for (const lane of live.lanes) {
        const street = (this.laneStreets.get(name) || {})[lane.lane];
        if (street && lane.queue_veh !== null) queues.set(street, (queues.get(street) || 0) + lane.queue_veh);
      }
    }
    for (const [name, line] of this.lines) {
      const street = this.streets.get(name);
      const share = (queues.get(name) || 0) * METRES_PER_VEHICLE / Math.max(METRES_PER_VEHICLE, street.length_m * street.lanes);
      const level = CLASSES.filter((each) => share >= each).length;
      line.setAttribute("class", level ? `street q${level}` : "street");
    }
    this.overlay();
  }

  overlay() {
    const corridors = this.net ? this.net.corridors : [];
    const routes = [...corridors.map((each) => each.route), ...this.routes];
    this.under.replaceChildren(...routes.map((route) => {
      const points = route.filter((name) => this.streets.has(name)).flatMap((name) => this.streets.get(name).shape_m.map(this.at));
      return element("path", { class: "route", d: points.length ? path(points) : "M0 0" });
    }));
    const cars = corridors.filter((each) => each.position).map((each) => {
      const point = this.along(each.position.street, each.position.at_m);
      if (!point) return "";
      const [x, y] = this.at(point);
      return element("g", { class: "car", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
        element("path", { d: "M0 -10L10 0L0 10L-10 0Z" }),
        element("text", { x: 0, y: -14, "text-anchor": "middle" }, each.vehicle));
    });
    const places = (this.places || []).map(({ street, words }) => {
      const point = this.along(street, (this.streets.get(street) || { length_m: 0 }).length_m / 2);
      if (!point) return "";
      const [x, y] = this.at(point);
      return element("g", { class: "place", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
        element("circle", { r: 8 }), element("text", { y: 22, "text-anchor": "middle" }, words));
    });
    this.over.replaceChildren(...cars, ...places);
  }

  along(name, atM) {
    const street = this.streets.get(name);
    if (!street) return null;
    let left = atM;
    for (let k = 1; k < street.shape_m.length; k += 1) {
      const [[x0, y0], [x1, y1]] = [street.shape_m[k - 1], street.shape_m[k]];
      const length = Math.hypot(x1 - x0, y1 - y0);
      if (left <= length || k === street.shape_m.length - 1) {
        const part = length ? Math.min(1, left / length) : 0;
        return [x0 + (x1 - x0) * part, y0 + (y1 - y0) * part];
      }
      left -= length;
    }
    return null;
  }

  clicked(event, svg) {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const point = this.metres((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    let best = null;
    for (const street of this.map.streets) {
      if (!street.open_to_emergency) continue;
      const away = awayFrom(street.shape_m, point);
      if (!best || away < best.away) best = { street, away };
    }
    if (best && this.onClick) {
      this.onClick(best.street);
      say(`${best.street.label} chosen.`);
    }
  }
}

function awayFrom(shape, [px, py]) {
  let best = Infinity;
  for (let k = 1; k < shape.length; k += 1) {
    const [[x0, y0], [x1, y1]] = [shape[k - 1], shape[k]];
    const squared = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    const part = squared ? Math.min(1, Math.max(0, ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / squared)) : 0;
    const side = (x1 - x0) * (py - y0) - (y1 - y0) * (px - x0);
    // Of two directions in the same place the one whose right-hand side was clicked.
    best = Math.min(best, Math.hypot(px - x0 - (x1 - x0) * part, py - y0 - (y1 - y0) * part) + (side > 0 ? 0.1 : 0));
  }
  return best;
}

export function shapeOf(live, held) {
  if (!live.reachable) return "lost";
  if (held) return "held";
  return live.faults.length || (live.rung !== "adaptive" && live.rung_why) ? "faulty" : "";
}

export function inWords(live) {
  if (!live.reachable) return "not reached";
  const stage = live.stage === null ? "changing" : `stage ${live.stage} green for ${Math.round(live.green_ms / 1000)} s`;
  const queue = live.queue_veh === null ? "" : `, ${Math.round(live.queue_veh)} vehicles wait`;
  return `${stage}${queue}, ${live.rung}${live.faults.length ? `, ${live.faults.length} faults` : ""}`;
}
