// Three drawings: lines, stacked bars, a heat map. Each carries its numbers as a table too.

import { h, percent, s, table } from "./dom.js";

const WIDTH = 880;
const COLOURS = 8;

/** Steps of 1, 2 or 5 times a power of ten that cut `span` into about `count`. */
function step(span, count) {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw || 1));
  return [1, 2, 5, 10].map((times) => times * power).find((size) => size >= raw) ?? power;
}

/** The colour of a company's line: never that of the shared model, which is the first. */
const company = (i) => 1 + (i % (COLOURS - 1));

/** Moves labels apart that would overlap; both lists hold {y}. */
function apart(labels, gap, top, bottom) {
  labels.sort((a, b) => a.y - b.y);
  labels.forEach((label, i) => { label.y = Math.max(label.y, i ? labels[i - 1].y + gap : top); });
  for (let i = labels.length - 1; i >= 0; i -= 1) {
    labels[i].y = Math.min(labels[i].y, i === labels.length - 1 ? bottom : labels[i + 1].y - gap);
  }
}

/** Accuracy over rounds: `shared` is [[round, share]…], `alone` [{name, value}] or lines of their own. */
export function accuracy(shared, alone, title) {
  const height = 340;
  const box = { left: 52, right: WIDTH - 190, top: 14, bottom: height - 40 };
  const rounds = shared.map(([round]) => round);
  const [first, last] = [Math.min(...rounds), Math.max(...rounds)];
  const values = [...shared.map(([, value]) => value), ...alone.flatMap((line) => line.points.map(([, value]) => value))];
  const by = step(1 - Math.min(...values), 5);
  const low = Math.max(0, 1 - by * Math.ceil((1 - Math.min(...values)) / by + 0.1));
  const x = (round) => (first === last ? (box.left + box.right) / 2 : box.left + ((round - first) / (last - first)) * (box.right - box.left));
  const y = (value) => box.bottom - ((value - low) / (1 - low)) * (box.bottom - box.top);
  const path = (line) => line.map(([round, value], i) => `${i ? "L" : "M"}${x(round).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const grid = [];
  for (let value = low; value <= 1 + 1e-9; value += by) {
    grid.push(s("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      s("text", { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, percent(value, 0)));
  }
  const every = Math.max(1, step(last - first, 10));
  for (let round = Math.ceil(first / every) * every; round <= last; round += every) {
    grid.push(s("text", { x: x(round), y: box.bottom + 20, "text-anchor": "middle" }, round));
  }
  grid.push(s("text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, "round"));
  const end = shared.at(-1);
  const labels = alone.map((line, i) => ({ y: y(line.points.at(-1)[1]) + 4, class: `label f${company(i)}`, text: `${line.name} ${percent(line.points.at(-1)[1], 0)}` }));
  labels.push({ y: y(end[1]) + 4, class: "label f0", text: `Shared model ${percent(end[1])}` });
  apart(labels, 16, box.top + 4, box.bottom + 2);
  return h("figure", {},
    s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title },
      grid,
      alone.map((line, i) => s("path", {
        class: `alone s${company(i)}`,
        d: line.points.length === 1
          ? `M${box.left} ${y(line.points[0][1])}H${box.right}` : path(line.points),
      })),
      s("path", { class: "shared", d: path(shared) }),
      s("circle", { class: "dot", cx: x(end[0]), cy: y(end[1]), r: 5.5 }),
      labels.map((label) => s("text", { x: box.right + 12, y: label.y, class: label.class }, label.text))));
}

/** Stacked bars: `bars` is [{label, parts: [{name, value, colour}]}]. */
export function stacked(bars, title, write) {
  const height = 280;
  const box = { left: 90, right: WIDTH - 10, top: 12, bottom: height - 36 };
  const most = Math.max(1, ...bars.map((bar) => bar.parts.reduce((sum, part) => sum + part.value, 0)));
  const y = (value) => box.bottom - (value / most) * (box.bottom - box.top);
  const wide = (box.right - box.left) / bars.length;
  const grid = [];
  for (let value = 0, by = step(most, 4); value <= most; value += by) {
    grid.push(s("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      s("text", { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, write(value)));
  }
  const every = Math.ceil(bars.length / 16);
  return h("figure", {},
    s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, grid,
      bars.map((bar, i) => {
        let sum = 0;
        const bounded = Math.min(wide * 0.7, 90);
        const left = box.left + (i + 0.5) * wide - bounded / 2;
        return [
          bar.parts.filter((part) => part.value > 0).map((part) => {
            const top = y(sum + part.value);
            const rect = s("rect", { x: left, width: bounded, y: top, height: Math.max(0, y(sum) - top), class: `f${part.colour % COLOURS}` },
              s("title", {}, `${bar.label}, ${part.name}: ${write(part.value)}`));
            sum += part.value;
            return rect;
          }),
          i % every === 0 && s("text", { x: left + bounded / 2, y: box.bottom + 20, "text-anchor": "middle" }, bar.label),
        ];
      })));
}

export const legend = (names) => h("ul", { class: "legend" }, names.map((name, i) =>
  h("li", {}, s("svg", { viewBox: "0 0 16 8", "aria-hidden": "true" }, s("rect", { width: 16, height: 8, rx: 2, class: `f${i % COLOURS}` })), name)));

/** A matrix as a table with coloured cells: `cells[row][column]` is {v: 0 to 1 or null, text}. */
export function heat(caption, corner, rows, columns, cells) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", { class: "heat" },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, corner), columns.map((name) => h("th", { scope: "col", class: "col" }, name)))),
      h("tbody", {}, rows.map((name, row) => h("tr", {}, h("th", { scope: "row" }, name),
        cells[row].map((cell) => h("td", { class: cell.v === null ? "cell none" : "cell", vars: { v: (cell.v ?? 0).toFixed(3) } }, cell.text)))))));
}

/** The numbers of a drawing, for who cannot see it or wants them exactly. */
export const asTable = (caption, columns, rows) => h("details", { id: `numbers-${caption.replace(/\W+/g, "-")}` }, h("summary", {}, "The numbers"), table(caption, columns, rows));
