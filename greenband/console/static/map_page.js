import { byId, follow, put, say, state, text } from "./live.js";
import { NetMap, loadMap } from "./net_map.js";

const map = new NetMap(byId("map"), await loadMap());
const rows = new Map([...document.querySelectorAll("#sites tr[data-site]")].map((row) => [row.dataset.site, row]));
let faulty = null;

follow("/v1/events", { sites: show });

function show(net) {
  map.show(net);
  const held = new Map(net.corridors.flatMap((each) => each.held.map((site) => [site, each.vehicle])));
  let wrong = 0;
  for (const [name, live] of Object.entries(net.sites)) {
    const row = rows.get(name);
    if (!row) continue;
    const of = (key) => row.querySelector(`[data-of=${key}]`);
    wrong += !live.reachable || live.faults.length > 0;
    text(of("stage"), live.reachable ? live.stage ?? "changing" : "–");
    text(of("green"), live.stage === null ? "–" : Math.round(live.green_ms / 1000));
    text(of("queue"), live.queue_veh === null ? "not known" : Math.round(live.queue_veh));
    if (!live.reachable) put(of("runs"), state("lost", `${Math.round(live.age_ms / 1000)} s`));
    else if (held.has(name)) put(of("runs"), state("held", held.get(name)));
    else put(of("runs"), live.rung === "adaptive" ? plain(live.rung) : state("faulty", `${live.rung}: ${live.rung_why}`));
    text(of("faults"), live.faults.length ? live.faults.join("; ") : "none");
  }
  if (faulty !== null && wrong !== faulty) say(wrong ? `${wrong} junctions have faults.` : "No junction has a fault.");
  faulty = wrong;
  showCorridors(net.corridors);
}

function plain(words) {
  const found = document.createElement("span");
  found.textContent = words;
  return found;
}

function showCorridors(corridors) {
  const list = byId("open-corridors");
  const items = corridors.map((each) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/corridors/${encodeURIComponent(each.id)}`;
    link.textContent = each.vehicle;
    item.append(link, " ", state(each.state));
    return item;
  });
  if (!items.length) {
    const item = document.createElement("li");
    item.textContent = "None.";
    items.push(item);
  }
  if (list.innerHTML !== items.map((each) => each.outerHTML).join("")) list.replaceChildren(...items);
}
