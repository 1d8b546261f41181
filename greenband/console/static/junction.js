// A junction as its turns: which of them are green, ending or red.

import { beside, drawing, element, path } from "./svg.js";

const REACH_M = 45;

export class JunctionDrawing {
  constructor(place, site, map, size) {
    const streets = new Map(map.streets.map((each) => [each.name, each]));
    this.turns = site.turns.filter((each) => streets.has(each.from) && streets.has(each.to)).map((each) => ({
      groups: each.groups, from: ending(streets.get(each.from).shape_m), to: beginning(streets.get(each.to).shape_m),
    }));
    const points = this.turns.flatMap((each) => [each.from.at(-1), each.to[0]]);
    if (!points.length) points.push(site.position_m);
    const xs = points.map((p) => p[0]);
    const ys = points.map((p) => p[1]);
    const [cx, cy] = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
    const reach = REACH_M * 0.6 + Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)) / 2;
    this.size = size;
    const scale = size / 2 / reach;
    this.at = ([x, y]) => [size / 2 + (x - cx) * scale, size / 2 - (y - cy) * scale];
    this.place = place;
  }

  // aspectOf: from the name of a group to what it shows.
  show(aspectOf, label) {
    const svg = drawing(this.size, this.size, label);
    svg.setAttribute("role", "img");
    const arms = new Map(this.turns.flatMap((each) => [each.from, each.to]).map((points) => [JSON.stringify(points), points]));
    for (const points of arms.values()) svg.append(element("path", { class: "arm", d: path(beside(points.map(this.at), this.size > 200 ? 5 : 3)), "stroke-width": this.size / 18 }));
    const rank = { red: 0, ending: 1, green: 2 };
    const drawn = this.turns.map((turn) => ({ turn, aspect: aspects(turn, aspectOf) })).sort((a, b) => rank[a.aspect] - rank[b.aspect]);
    for (const { turn, aspect } of drawn) svg.append(...this.turn(turn, aspect));
    this.place.replaceChildren(svg);
  }

  turn(turn, aspect) {
    const by = this.size > 200 ? 5 : 3;
    const from = beside(turn.from.map(this.at), by);
    const to = beside(turn.to.map(this.at), by);
    const [stop, out] = [from.at(-1), to[0]];
    const [ax, ay] = unit(from.at(-2), stop);
    const [bx, by2] = unit(out, to[1]);
    const far = Math.hypot(out[0] - stop[0], out[1] - stop[1]) * 0.5;
    const end = [out[0] + bx * 12, out[1] + by2 * 12];
    const curve = `M${stop[0]} ${stop[1]}C${stop[0] + ax * far} ${stop[1] + ay * far} ${out[0] - bx * far} ${out[1] - by2 * far} ${end[0]} ${end[1]}`;
    const parts = [element("path", { class: `turn ${aspect}`, d: curve })];
    if (aspect === "green") {
      const head = [[end[0] + bx * 10, end[1] + by2 * 10], [end[0] - by2 * 5, end[1] + bx * 5], [end[0] + by2 * 5, end[1] - bx * 5]];
      parts.push(element("path", { class: "head-of", d: `${path(head)}Z` }));
    } else if (aspect === "red") {
      parts.push(element("path", { class: "bar-of", d: path([[stop[0] - ay * 5, stop[1] + ax * 5], [stop[0] + ay * 5, stop[1] - ax * 5]]) }));
    }
    return parts;
  }
}

function aspects(turn, aspectOf) {
  const found = turn.groups.map(aspectOf);
  if (found.length && found.every((each) => each === "green")) return "green";
  return found.includes("ending") ? "ending" : "red";
}

function unit([x0, y0], [x1, y1]) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  return [(x1 - x0) / length, (y1 - y0) / length];
}

function beginning(shape) {
  const found = [shape[0]];
  let left = REACH_M;
  for (let k = 1; k < shape.length && left > 0; k += 1) {
    const [[x0, y0], [x1, y1]] = [shape[k - 1], shape[k]];
    const length = Math.hypot(x1 - x0, y1 - y0);
    const part = length > left ? left / length : 1;
    found.push([x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]);
    left -= length;
  }
  return found;
}

function ending(shape) {
  return beginning([...shape].reverse()).reverse();
}
