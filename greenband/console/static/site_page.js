import { byId, cell, follow, put, say, state, text } from "./live.js";
import { JunctionDrawing } from "./junction.js";
import { loadMap } from "./net_map.js";
import { drawing, element } from "./svg.js";

const WINDOW_MS = 300000;
const name = byId("site").dataset.site;
const [site, map] = await Promise.all([
  fetch(`/v1/sites/${encodeURIComponent(name)}`).then((answer) => answer.json()), loadMap(),
]);
const now = new JunctionDrawing(byId("junction"), site, map, Math.min(340, byId("junction").clientWidth));
for (const item of document.querySelectorAll(".stages li")) {
  const stage = site.stages.find((each) => each.name === item.dataset.stage);
  new JunctionDrawing(item.querySelector(".junction"), site, map, 150)
    .show((group) => (stage.groups.includes(group) ? "green" : "red"), `Who is green in stage ${stage.name}`);
}
const positions = new Map(site.groups.map((each, k) => [each.name, k]));
let before = null;
follow(`/v1/events?site=${encodeURIComponent(name)}`, { sites: show });

function show(document_) {
  const live = document_.live;
  if (!live) return;
  showHead(live);
  now.show((group) => live.aspects[positions.get(group)] || "red", `${site.label} now`);
  const walks = site.groups.filter((each, k) => each.pedestrian && live.aspects[k] === "green").map((each) => each.name);
  text(byId("walks"), site.groups.some((each) => each.pedestrian) ? `Walking: ${walks.join(", ") || "nobody"}.` : "");
  for (const place of document.querySelectorAll("[data-group]")) put(place, state(live.aspects[place.dataset.group] || "unknown"));
  for (const item of document.querySelectorAll(".stages li")) {
    const current = item.dataset.stage === live.stage;
    item.toggleAttribute("aria-current", current);
    text(item.querySelector("[data-of=now]"), current ? "● now" : "");
  }
  showLanes(live);
  showGreens(document_.greens, live, document_.now_utc_ms);
}

function showHead(live) {
  text(byId("stage"), live.stage ?? "changing");
  text(byId("green"), live.stage === null ? "–" : `${Math.round(live.green_ms / 1000)} s`);
  text(byId("rung"), live.reachable ? live.rung : "not reached");
  text(byId("command"), live.command);
  text(byId("decision"), live.decision || "Nothing has been decided yet.");
  byId("rung-why").hidden = !live.rung_why;
  text(byId("rung-why"), live.rung_why ? `What keeps it from a higher level: ${live.rung_why}.` : "");
  const faults = live.faults.map((each) => cell(state("faulty", each), "", "p"));
  const place = byId("faults");
  if (place.textContent !== faults.map((each) => each.textContent).join("")) place.replaceChildren(...faults);
  const said = `${live.reachable ? live.rung : "not reached"}, ${live.command}`;
  if (before !== null && before !== said) say(`It runs ${said}.`);
  before = said;
}

function showLanes(live) {
  const rows = live.lanes.map((lane) => {
    const row = document.createElement("tr");
    const trust = lane.confidence >= 0.99 ? cell("works") : cell(state(lane.confidence > 0 ? "faulty" : "lost", lane.confidence > 0 ? `${Math.round(lane.confidence * 100)} % sure` : "no detector works"));
    row.append(cell(lane.lane, "", "th"), cell(lane.queue_veh === null ? "not known" : lane.queue_veh.toFixed(1), "number"), trust);
    row.firstChild.scope = "row";
    return row;
  });
  byId("lanes").tBodies[0].replaceChildren(...rows);
}

function showGreens(greens, live, nowMs) {
  const stages = site.stages.map((each) => each.name).filter((each) => greens.some((green) => green.stage === each));
  const width = Math.max(280, byId("cycles").clientWidth);
  const left = 44;
  const svg = drawing(width, stages.length * 26 + 24, "Greens of the last five minutes by stage");
  svg.setAttribute("role", "img");
  const x = (utcMs) => left + Math.max(0, 1 - (nowMs - utcMs) / WINDOW_MS) * (width - left - 6);
  for (let minute = 0; minute <= 5; minute += 1) {
    const at = x(nowMs - minute * 60000);
    svg.append(element("line", { class: "grid", x1: at, x2: at, y1: 0, y2: stages.length * 26 }));
    svg.append(element("text", { x: at, y: stages.length * 26 + 16, "text-anchor": minute ? "middle" : "end" }, minute ? `−${minute} min` : "now"));
  }
  stages.forEach((stage, k) => {
    svg.append(element("text", { x: 0, y: k * 26 + 18 }, stage));
    for (const green of greens.filter((each) => each.stage === stage)) {
      const [from, to] = [x(green.began_utc_ms), x(green.began_utc_ms + green.green_ms)];
      if (to > left) svg.append(element("rect", { class: "green-bar", x: from, y: k * 26 + 4, width: Math.max(1.5, to - from), height: 18 }));
    }
  });
  byId("cycles").replaceChildren(svg);
  const all = greens.reduce((sum, each) => sum + each.green_ms, 0);
  byId("greens").tBodies[0].replaceChildren(...stages.map((stage) => {
    const own = greens.filter((each) => each.stage === stage).map((each) => each.green_ms / 1000);
    const sum = own.reduce((a, b) => a + b, 0);
    const row = document.createElement("tr");
    row.append(cell(stage, "", "th"), cell(own.length, "number"), cell((sum / own.length).toFixed(0), "number"), cell(Math.min(...own).toFixed(0), "number"), cell(Math.max(...own).toFixed(0), "number"), cell(`${all ? (100000 * sum / all).toFixed(0) : 0} %`, "number"));
    row.firstChild.scope = "row";
    return row;
  }));
}
