// Follows a stream of events and says in words how old the last one is.
//
// A browser has six lines to one host, and a stream takes one for as long as it lasts: a page follows
// one stream, and none while nobody sees it. Else a few open tabs would leave no line to cancel on.

const STALE_MS = 5000;

export const byId = (id) => document.getElementById(id);

export function follow(address, events) {
  let last = null;
  let lost = false;
  let stopped = false;
  let source = null;
  const listen = () => {
    source?.close();
    if (stopped || document.hidden) return;
    source = new EventSource(address);
    for (const [name, handle] of Object.entries(events)) {
      source.addEventListener(name, (event) => {
        last = performance.now();
        handle(JSON.parse(event.data));
        if (!stopped) showAge(last, source);
      });
    }
  };
  document.addEventListener("visibilitychange", listen);
  listen();
  const timer = setInterval(() => {
    if (document.hidden) return;
    const stale = showAge(last, source);
    if (stale && !lost) say("No news from the server: what is shown may be out of date.");
    if (!stale && lost) say("News from the server again.");
    lost = stale;
  }, 1000);
  return { stop: () => { stopped = true; clearInterval(timer); listen(); } };
}

function showAge(last, source) {
  const age = byId("age");
  const words = byId("age-words");
  const ms = last === null ? null : performance.now() - last;
  const stale = ms !== null && ms > STALE_MS;
  const closed = source?.readyState === EventSource.CLOSED;
  age.classList.toggle("stale", stale || closed);
  if (closed) {
    words.textContent = "Not live any more: load the page anew, or sign in again";
  } else if (ms === null) {
    words.textContent = "Connecting …";
  } else if (stale) {
    words.textContent = `No news for ${Math.round(ms / 1000)} s: what is shown may be out of date`;
  } else {
    words.textContent = `Live, updated ${Math.round(ms / 1000)} s ago`;
  }
  return stale;
}

export function finished(follower, words) {
  follower.stop();
  byId("age").classList.remove("stale");
  byId("age-words").textContent = words;
}

// For those who listen: only what changes, never every second.
export function say(words) {
  const said = byId("said");
  if (said && said.textContent !== words) said.textContent = words;
}

export function text(element, words) {
  const said = words === null || words === undefined ? "–" : String(words);
  if (element && element.textContent !== said) element.textContent = said;
}

export function state(word, extra = "") {
  const span = document.createElement("span");
  span.className = `state ${word.replaceAll(" ", "-")}`;
  span.textContent = extra ? `${word}, ${extra}` : word;
  return span;
}

export function put(element, child) {
  if (element && element.innerHTML !== child.outerHTML) element.replaceChildren(child);
}

export function cell(words, className = "", tag = "td") {
  const found = document.createElement(tag);
  if (className) found.className = className;
  if (words instanceof Node) found.append(words);
  else found.textContent = words === null || words === undefined ? "–" : String(words);
  return found;
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  const whole = Math.max(0, Math.round(value));
  return whole < 90 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

export function clock(utcMs) {
  return utcMs === null ? "–" : new Date(utcMs).toLocaleTimeString([], { hour12: false });
}

// Asks the interface; what goes wrong comes as its sentence.
export async function ask(method, address, body, headers = {}) {
  const csrf = document.querySelector("meta[name=csrf-token]").content;
  const answer = await fetch(address, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail || `The server answered ${answer.status}.`);
  return said;
}

export function problem(error) {
  const place = byId("problem");
  place.hidden = !error;
  place.textContent = error ? error.message : "";
}
