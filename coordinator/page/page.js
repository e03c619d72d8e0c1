// The frame: which view is open, what the coordinator last said, and what to do when it says nothing.

import { ask, clock, empty, h, Refused } from "./dom.js";
import { views } from "./views.js";

/** Silence after which the coordinator counts as gone; it says something every two seconds. */
const SILENCE_MS = 7000;
/** Least time between two loads of a view. */
const REST_MS = 700;

const at = (id) => document.getElementById(id);
let progress = null;
let heard = 0;
let shownData = "";
let loading = false;
let again = false;
let loadedAt = 0;
let source = null;
/** What a person chose in a view: how many rounds, which matrix, which page. */
let chosen = {};

function route() {
  const [, first = "", rest = ""] = location.hash.split("/");
  return first === "ledger" && rest ? { key: "entry", rest: decodeURIComponent(rest) } : { key: first in views ? first : "", rest };
}

const context = () => ({
  progress,
  rest: route().rest,
  choice: (...to) => (to.length ? choose("choice", to[0]) : chosen.choice),
  more: (by, really) => (really ? choose("more", (chosen.more ?? by) + by) : (chosen.more ?? by)),
});

function choose(key, value) {
  chosen = { ...chosen, [key]: value };
  shownData = "";
  load(true);
  return value;
}

/** Loads and shows the open view; `now` even if it has just been. */
async function load(now = false) {
  if (!progress) return;
  if (loading) { again = true; return; }
  const rest = loadedAt + REST_MS - Date.now();
  if (!now && rest > 0) {
    if (!again) { again = true; setTimeout(() => { again = false; load(true); }, rest); }
    return;
  }
  loading = true;
  const opened = location.hash;
  const { key } = route();
  const view = views[key];
  try {
    const data = await view.load(context());
    if (opened === location.hash) {
      const text = JSON.stringify([data, key, chosen, view.still ? 0 : progress]);
      if (text !== shownData) show(view.show(data, context()));
      shownData = text;
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // What is on the screen stays when the coordinator is gone; what it refuses is shown.
    if (opened === location.hash && (error.status !== 0 || !at("main").querySelector("h1"))) {
      shownData = "";
      show([h("h1", {}, view.title), h("section", { class: "card" }, empty("This cannot be shown.", error.message))]);
    }
  } finally {
    loadedAt = Date.now();
    loading = false;
    if (again || opened !== location.hash) { again = false; load(opened !== location.hash); }
  }
}

/** Replaces the content and keeps what a person has open or focused. */
function show(nodes) {
  const main = at("main");
  const focused = main.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...main.querySelectorAll("details[open][id]")].map((details) => details.id);
  main.replaceChildren(...[nodes].flat(9).filter(Boolean));
  open.forEach((id) => at(id)?.setAttribute("open", ""));
  if (focused) at(focused)?.focus({ preventScroll: true });
}

function frame() {
  const { key } = route();
  const open = key === "entry" ? "ledger" : key;
  for (const link of at("nav").children) {
    if (link.getAttribute("href") === `#/${open}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${views[key].title} · ${progress?.name ?? "Unsilo"}`;
  if (!progress) return;
  at("name").textContent = progress.name;
  at("federation").textContent = progress.federation;
  const phase = at("phase");
  phase.hidden = false;
  phase.className = `pill${progress.phase === "finished" ? " done" : progress.phase === "founding" ? " wait" : ""}`;
  phase.textContent = progress.round ? `Round ${progress.round.round}: ${progress.phase}` : progress.phase;
}

function hear(text) {
  const before = progress;
  progress = JSON.parse(text);
  heard = Date.now();
  at("gone").hidden = true;
  frame();
  // A round's end is worth saying aloud; every step would drown it.
  if (before && progress.published > before.published) at("news").textContent = `A new model was published: ${progress.published} so far.`;
  if (before && progress.phase === "finished" && before.phase !== "finished") at("news").textContent = "All rounds are done.";
  const changed = !before || JSON.stringify({ ...before, as_of_ms: 0 }) !== JSON.stringify({ ...progress, as_of_ms: 0 });
  if (changed && !(before && views[route().key].still)) load();
}

function listen() {
  source?.close();
  source = new EventSource("/v1/events");
  source.addEventListener("progress", (event) => hear(event.data));
}

/** Looks after the stream: browsers give it up where a server refuses it. */
async function watch() {
  if (Date.now() - heard > SILENCE_MS) {
    try {
      hear(JSON.stringify(await ask("/v1/progress")));
      if (source.readyState === EventSource.CLOSED) listen();
    } catch (error) {
      const gone = at("gone");
      const words = progress
        ? `The coordinator does not answer. What you see is from ${clock(heard)}; this page goes on by itself when it is back.`
        : `The coordinator does not answer: ${error.message} This page goes on by itself when it is back.`;
      if (gone.hidden || gone.textContent !== words) { gone.textContent = words; gone.hidden = false; }
      if (source.readyState === EventSource.CLOSED) listen();
    }
  }
  setTimeout(watch, 1500);
}

addEventListener("hashchange", () => {
  chosen = {};
  shownData = "";
  frame();
  load(true);
  at("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});

frame();
listen();
heard = Date.now();
watch();
ask("/v1/progress").then((first) => { if (!progress) hear(JSON.stringify(first)); }).catch(() => { heard = 0; });
