// Elements, requests and words. Text from others only ever becomes text: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, heard] of Object.entries(value)) element.addEventListener(event, heard);
    else if (key === "vars") for (const [name, to] of Object.entries(value)) element.style.setProperty(`--${name}`, to);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element: h("p", {class: "quiet"}, "words", another). */
export const h = (name, properties, ...children) => fill(document.createElement(name), properties, children);
/** An element of a drawing. */
export const s = (name, properties, ...children) => fill(document.createElementNS(SVG, name), properties, children);

/** What a request came to nothing by: words for people. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** A JSON document from this coordinator; a body is posted, a token is sent along. */
export async function ask(path, body, token) {
  const options = body === undefined ? { headers: {} } : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  if (token) options.headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(15000) });
  } catch {
    throw new Refused("The coordinator does not answer.", 0);
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) {
    const field = document.field ? `${document.field}: ` : "";
    throw new Refused(`${field}${document.detail ?? `status ${response.status}`}`, response.status);
  }
  return document;
}

const whole = new Map();
/** All items of a list that is read by pages; whole pages are asked for once. `listed` is how many there are, if known. */
export async function pages(list, last) {
  const items = [];
  for (let page = 0; page <= last; page += 1) {
    const path = `/v1/${list}/pages/${page}`;
    const answer = whole.get(path) ?? (await ask(path));
    if (answer.items.length === answer.size && list !== "evaluations") whole.set(path, answer);
    items.push(...answer.items);
  }
  return items;
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const points = (share) => `${share >= 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(1)}`;
export const amount = (value) => Number(value).toLocaleString("en", { maximumFractionDigits: 0 });
export const short = (hash) => (hash ? `${hash.slice(0, 12)}…` : "");
/** A time of day; with its date unless that is today's. */
export function clock(ms, now = new Date()) {
  const when = new Date(ms);
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return when.toDateString() === now.toDateString() ? when.toLocaleTimeString([], time)
    : when.toLocaleString([], { year: "numeric", month: "short", day: "numeric", ...time });
}
export const plural = (count, one, many = `${one}s`) => `${amount(count)} ${count === 1 ? one : many}`;

/** Milliseconds as people say them. */
export function lasting(ms) {
  if (ms < 950) return "less than a second";
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return plural(seconds, "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return plural(minutes, "minute");
  const hours = Math.round(minutes / 60);
  return hours < 48 ? plural(hours, "hour") : plural(Math.round(hours / 24), "day");
}

/** A table; `columns` are [heading, is a number], the first cell of a row is its heading. */
export function table(caption, columns, rows) {
  const cell = (value, index) => {
    const name = index === 0 ? "th" : "td";
    return h(name, { class: columns[index][1] && "n", scope: index === 0 && "row" }, value);
  };
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "offscreen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([heading, number]) => h("th", { scope: "col", class: number && "n" }, heading)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

export const empty = (title, ...words) => h("div", { class: "empty" }, h("strong", {}, title), words);
export const card = (title, words, ...children) =>
  h("section", { class: "card" }, h("h2", {}, title), words && h("p", {}, words), children);
