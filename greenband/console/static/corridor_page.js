import { ask, byId, cell, clock, finished, follow, problem, put, say, seconds, state, text } from "./live.js";
import { NetMap, loadMap } from "./net_map.js";
import { writeTimes } from "./times.js";

const id = byId("corridor").dataset.id;
const address = `/v1/corridors/${encodeURIComponent(id)}`;
const map = new NetMap(byId("map"), await loadMap());
let before = new Map();
let nowMs = Date.now();
let drawn = -Infinity;
const follower = follow(`${address}/events`, { corridor: show, over: ended, gone: ended });

function show(corridor) {
  nowMs = corridor.now_utc_ms;
  put(byId("state"), state(corridor.state));
  text(byId("eta"), corridor.over ? "–" : seconds(corridor.eta_s));
  const bad = [corridor.refused ? `${corridor.refused} refused` : "", corridor.unreachable ? `${corridor.unreachable} not reached` : ""].filter(Boolean).join(", ");
  text(byId("answered"), `${corridor.acknowledged} of ${corridor.junctions.length}${bad ? ` (${bad})` : ""}`);
  text(byId("note"), corridor.note);
  const to = map.streets.get(corridor.to);
  text(byId("to"), to ? to.label : corridor.to);
  rows(corridor);
  if (corridor.over) map.routes = [];
  announce(corridor);
  drawMap();
}

async function drawMap() {
  if (performance.now() - drawn < 1900) return;
  drawn = performance.now();
  const answer = await fetch("/v1/sites").catch(() => null);
  if (answer?.ok) map.show(await answer.json());
}

function rows(corridor) {
  const body = byId("junctions").tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.site, row]));
  const wanted = corridor.junctions.map((each) => {
    const row = known.get(each.site) ?? newRow(each);
    put(row.cells[1], state(each.state));
    text(row.cells[2], each.passed_utc_ms ? `passed ${clock(each.passed_utc_ms)}` : seconds(each.eta_s));
    text(row.cells[3], each.green_from_utc_ms ? clock(each.green_from_utc_ms) : "–");
    text(row.cells[4], each.why);
    return row;
  });
  if (wanted.some((row, k) => body.rows[k] !== row) || body.rows.length !== wanted.length) body.replaceChildren(...wanted);
}

function newRow(junction) {
  const row = document.createElement("tr");
  row.dataset.site = junction.site;
  const link = document.createElement("a");
  link.href = `/sites/${encodeURIComponent(junction.site)}`;
  link.textContent = `${map.marks.get(junction.site)?.number ?? ""} ${junction.label}`.trim();
  row.append(cell(link, "", "th"), cell(""), cell(""), cell(""), cell(""));
  row.firstChild.scope = "row";
  return row;
}

function announce(corridor) {
  const said = new Map(corridor.junctions.map((each) => [each.label, each.state]));
  said.set("Corridor", corridor.state);
  const news = [...said].filter(([name, now]) => before.size && before.get(name) !== now).map(([name, now]) => `${name}: ${now}`);
  if (news.length) say(news.join(". "));
  before = said;
}

function ended(said) {
  const words = `Corridor ${said.state ?? "gone"} at ${clock(nowMs)}`;
  finished(follower, words);
  byId("ended").hidden = false;
  byId("ended").textContent = `${words}.`;
  byId("steer").hidden = true;
  say(words);
}

const sure = byId("sure");
byId("cancel")?.addEventListener("click", () => { sure.returnValue = ""; sure.showModal(); byId("why").focus(); });
sure.querySelector("[data-close]").addEventListener("click", () => sure.close(""));
sure.addEventListener("close", () => {
  if (sure.returnValue !== "cancel") return;
  attempt(() => ask("DELETE", `${address}?${new URLSearchParams({ reason: byId("why").value })}`));
});
byId("arrived")?.addEventListener("click", () => attempt(() => ask("POST", `${address}:end`)));
byId("reroute")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const value = byId("destination").value.trim();
  const option = [...document.querySelectorAll("#streets option")].find((each) => each.value === value);
  attempt(() => ask("PATCH", address, { to: option ? option.dataset.name : value }));
});

async function attempt(request) {
  problem(null);
  try {
    show(await request());
  } catch (error) {
    problem(error);
  }
}

writeTimes();
