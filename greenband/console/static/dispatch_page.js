import { ask, byId, cell, follow, problem, say, seconds, state } from "./live.js";
import { NetMap, loadMap } from "./net_map.js";

const form = byId("ask");
const map = form ? new NetMap(byId("map"), await loadMap()) : null;
let shown = null;
let key = "";
let timer = null;
let listed = 0;

follow("/v1/events", { sites: (net) => {
  if (map) map.show(net);
  if (performance.now() - listed > 900) list();
} });

async function list() {
  listed = performance.now();
  const answer = await fetch("/v1/corridors").catch(() => null);
  if (!answer?.ok) return;
  const corridors = await answer.json();
  const rows = corridors.slice(0, 30).map((each) => {
    const link = document.createElement("a");
    link.href = `/corridors/${encodeURIComponent(each.id)}`;
    link.textContent = each.vehicle;
    const row = document.createElement("tr");
    const answered = `${each.acknowledged} of ${each.junctions.length} answered`;
    const way = map ? `${label(each.from)} → ${label(each.to)}` : `${each.from} → ${each.to}`;
    row.append(cell(link, "", "th"), cell(state(each.state)), cell(way), cell(answered), cell(each.over ? "–" : seconds(each.eta_s), "number"), cell(each.agency));
    row.firstChild.scope = "row";
    return row;
  });
  if (!rows.length) {
    const row = document.createElement("tr");
    row.append(cell("None so far."));
    row.firstChild.colSpan = 6;
    rows.push(row);
  }
  const body = byId("list").tBodies[0];
  if (body.innerHTML !== rows.map((row) => row.outerHTML).join("")) body.replaceChildren(...rows);
}

function label(name) {
  const street = map.streets.get(name);
  return street ? street.label : name;
}

if (form) {
  const options = [...document.querySelectorAll("#streets option")];
  const nameOf = new Map(options.map((each) => [each.value, each.dataset.name]));
  const valueOf = new Map(options.map((each) => [each.dataset.name, each.value]));
  const street = (value) => nameOf.get(value.trim()) ?? value.trim();
  const standing = () => {
    const stands = byId("vehicle").selectedOptions[0]?.dataset.street;
    if (stands) byId("from").value = valueOf.get(stands) ?? stands;
    places();
  };
  const places = () => {
    map.places = [{ street: street(byId("from").value), words: "From" }, { street: street(byId("to").value), words: "To" }].filter((each) => map.streets.has(each.street));
    map.overlay();
  };
  map.onClick = (found) => {
    const target = form.ownerDocument.querySelector("[name=click]:checked").value;
    byId(target).value = valueOf.get(found.name) ?? found.name;
    if (target === "from") document.querySelector("[name=click][value=to]").checked = true;
    places();
  };
  byId("vehicle").addEventListener("change", standing);
  byId("from").addEventListener("change", places);
  byId("to").addEventListener("change", places);
  standing();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem(null);
    hide();
    try {
      show(await ask("POST", "/v1/corridors:preview", {
        vehicle: byId("vehicle").value, from: street(byId("from").value), to: street(byId("to").value), reason: byId("reason").value,
      }));
    } catch (error) {
      problem(error);
    }
  });
  byId("open").addEventListener("click", async () => {
    byId("open").disabled = true;
    try {
      const corridor = await ask("POST", "/v1/corridors", { preview_id: shown.preview_id, reason: byId("reason").value }, { "Idempotency-Key": key });
      location.assign(`/corridors/${encodeURIComponent(corridor.id)}`);
    } catch (error) {
      problem(error);
      byId("problem").scrollIntoView({ block: "center" });
      byId("open").disabled = false;
    }
  });
}

function hide() {
  byId("preview").hidden = true;
  clearInterval(timer);
  map.routes = [];
  map.overlay();
}

function show(preview) {
  shown = preview;
  key = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now();
  const saved = Math.max(0, preview.without_s - preview.eta_s);
  byId("preview-words").textContent = `${(preview.length_m / 1000).toFixed(1)} km past ${preview.junctions.length} junctions: ${seconds(preview.eta_s)} with the corridor, about ${seconds(preview.without_s)} without it (${seconds(saved)} less). All others together lose about ${Math.round(preview.others_delay_veh_s / 60)} vehicle minutes.`;
  byId("remarks").replaceChildren(...preview.remarks.map((each) => cell(each, "", "li")));
  byId("preview-junctions").tBodies[0].replaceChildren(...preview.junctions.map((each) => {
    const row = document.createElement("tr");
    row.append(cell(each.label, "", "th"), cell(Math.round(each.distance_m), "number"), cell(each.stage), cell(each.eta_s === null ? "–" : Math.round(each.eta_s), "number"), cell(each.why || ""));
    row.firstChild.scope = "row";
    return row;
  }));
  map.routes = [preview.route];
  map.overlay();
  byId("open").disabled = false;
  byId("preview").hidden = false;
  byId("preview").focus();
  countDown(performance.now() + preview.expires_s * 1000);
}

function countDown(until) {
  clearInterval(timer);
  let warned = false;
  const tick = () => {
    const left = Math.round((until - performance.now()) / 1000);
    byId("expires").textContent = left > 0 ? `Good for ${left} s.` : "Expired: preview it anew.";
    if (left <= 20 && !warned) { warned = true; say("This preview expires in 20 seconds."); }
    if (left <= 0) { byId("open").disabled = true; clearInterval(timer); say("The preview has expired."); }
  };
  tick();
  timer = setInterval(tick, 1000);
}
