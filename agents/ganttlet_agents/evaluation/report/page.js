"use strict";
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 8;

/* Numbers as the tables show them. */
const shown = {
  text: (value) => value,
  number: (value) => String(value),
  percent: (value) => (100 * value).toFixed(2),
  seconds: (value) => (value < 1000 ? String(Number(value.toPrecision(3))) : value.toFixed(0)),
};
const format = (value, kind) => (value === null || value === undefined ? "–" : shown[kind](value));

/* The rows of a section, read once. */
const read = new WeakMap();
function dataOf(section) {
  if (!read.has(section)) {
    const data = JSON.parse(section.querySelector("script.data").textContent);
    data.at = Object.fromEntries(data.columns.map(([title], index) => [title, index + 2]));
    data.cell = (row, column) => {
      const value = row[column + 2];
      return data.columns[column][1] === "text" ? data.texts[value] : value;
    };
    read.set(section, data);
  }
  return read.get(section);
}
function wordsOfRow(element) {
  const data = dataOf(element.closest(".run"));
  const row = data.rows[element.dataset.r];
  const texts = [], numbers = [];
  data.columns.forEach(([title, kind, hover], column) => {
    if (!hover) return;
    const text = format(data.cell(row, column), kind);
    if (kind === "text") texts.push(text);
    else numbers.push(kind === "percent" ? `gap ${text} %` : kind === "seconds" ? `${text} s` : `${title} ${text}`);
  });
  return `${texts.join(" · ")}\n${numbers.join(" · ")}`;
}

/* Hover: by mouse, by touch, and by arrow keys in a plot that has the focus. */
const tip = document.getElementById("tip");
function wordsOf(element) {
  if (element.dataset.r !== undefined) return wordsOfRow(element);
  const title = [...element.children].find((child) => child.localName === "title");
  if (title) {
    // The browser's own slow hover would come on top of ours.
    element.dataset.words = title.textContent;
    element.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  return element.dataset.words;
}
function speaking(target) {
  const svg = target.closest("svg");
  for (let element = target; svg && element !== svg; element = element.parentElement)
    if (wordsOf(element)) return element;
  return null;
}
let lit = null;
function hide() {
  tip.hidden = true;
  if (lit) lit.classList.remove("on");
  lit = null;
}
function tell(element, x, y) {
  hide();
  lit = element;
  element.classList.add("on");
  tip.textContent = wordsOf(element);
  tip.hidden = false;
  const box = tip.getBoundingClientRect(), room = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(6, Math.min(x + 14, room - box.width - 6))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(6, y - box.height - 10) : y + 18}px`;
}
document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse" || !(event.target instanceof Element)) return;
  const element = speaking(event.target);
  if (element) tell(element, event.clientX, event.clientY);
  else hide();
});
document.addEventListener("click", (event) => {
  const element = speaking(event.target);
  if (element) tell(element, event.clientX, event.clientY);
  else hide();
});
// A point that the keyboard chose is scrolled into view, which must not hide its words again.
let chosen = -Infinity;
document.addEventListener("scroll", () => { if (performance.now() - chosen > 200) hide(); }, true);
document.addEventListener("focusout", hide);
for (const svg of document.querySelectorAll("figure svg")) svg.setAttribute("tabindex", "0");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hide();
  const svg = event.target;
  const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity};
  if (svg.localName !== "svg" || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  const points = [...svg.querySelectorAll("*")].filter((each) => each.localName !== "title" && wordsOf(each)
    && !each.closest(".off") && !each.classList.contains("bar"));
  if (!points.length) return;
  event.preventDefault();
  const next = points.indexOf(lit) + steps[event.key];
  const element = points[Math.max(0, Math.min(points.length - 1, next))];
  element.scrollIntoView({block: "nearest", inline: "nearest"});
  const box = element.getBoundingClientRect();
  chosen = performance.now();
  tell(element, box.right, box.top);
});

/* Tables that are in the page. */
function compare(a, b, kind, up) {
  const missing = (value) => value === "" || value === null || value === undefined;
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  const order = kind === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
  return up ? order : -order;
}
function turn(heads, column) {
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  return up;
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = turn(heads, column), body = table.tBodies[0];
    const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b), head.dataset.kind, up));
    body.append(...rows);
  }));
}

/* The table of all rows is made when it is opened, a page at a time. */
const PAGE = 100;
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
function allRows(section, hidden) {
  const box = section.querySelector("details.rows");
  const data = dataOf(section), columns = data.columns;
  const [input, count, card, more] = ["input", "span", ".card", ".more"].map((part) => box.querySelector(part));
  const heads = columns.map(([title, kind]) => {
    const head = element("th", {className: kind === "text" ? "text" : ""}, element("button", {textContent: title}));
    return head;
  });
  const body = element("tbody");
  card.append(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
  const words = data.rows.map((row) => columns.map((_, column) => String(data.cell(row, column) ?? "")).join("\n").toLowerCase());
  let order = data.rows.map((_, index) => index), room = PAGE;
  function draw() {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = order.filter((index) => !hidden.has(data.rows[index][0])
      && wanted.every((word) => words[index].includes(word)));
    body.replaceChildren(...fits.slice(0, room).map((index) => element("tr", {}, ...columns.map(([, kind], column) =>
      element("td", {className: kind === "text" ? "text" : "", textContent: format(data.cell(data.rows[index], column), kind)})))));
    count.textContent = `${Math.min(room, fits.length)} of ${fits.length} shown`;
    more.hidden = fits.length <= room;
  }
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const up = turn(heads, column), kind = columns[column][1] === "text" ? "text" : "number";
    order.sort((a, b) => compare(data.cell(data.rows[a], column), data.cell(data.rows[b], column), kind, up));
    draw();
  }));
  input.addEventListener("input", () => { room = PAGE; draw(); });
  more.addEventListener("click", () => { room += 5 * PAGE; draw(); });
  draw();
  return draw;
}

/* Two methods against each other. */
function niceTicks(low, high, most) {
  const span = Math.max(high - low, 1e-9), scale = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((factor) => factor * scale).find((size) => span / size <= most);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  return Array.from({length: last - first + 1}, (_, index) => Number(((first + index) * step).toPrecision(12)));
}
function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const short = (name) => (name.length > 54 ? `${name.slice(0, 53)}…` : name);
const look = (mark) => `c${mark % COLOURS}${Math.floor(mark / COLOURS) % 2 ? " hollow" : ""}`;
function versus(box, section) {
  const data = dataOf(section), {objective, column} = box.dataset;
  const scale = column === "gap %" ? 100 : 1, sign = column === "value" && data.max.includes(objective) ? -1 : 1;
  const means = new Map(), labels = new Map();
  for (const row of data.rows) {
    const value = row[data.at[column]];
    if (data.texts[row[data.at.objective]] !== objective || value === null) continue;
    labels.set(row[1], data.texts[row[data.at.instance]]);
    if (!means.has(row[1])) means.set(row[1], new Map());
    const own = means.get(row[1]);
    own.set(row[0], [...(own.get(row[0]) ?? []), scale * value]);
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [across, up] = box.querySelectorAll("select"), note = box.querySelector(".note");
  function draw() {
    box.querySelector("svg")?.remove();
    const [a, b] = [Number(across.value), Number(up.value)];
    const names = [across, up].map((select) => select.selectedOptions[0].textContent);
    const pairs = [...means].filter(([, own]) => own.has(a) && own.has(b))
      .map(([digest, own]) => [labels.get(digest), mean(own.get(a)), mean(own.get(b))]);
    if (!pairs.length) { note.textContent = "No instance in common."; return; }
    const values = pairs.flatMap(([, first, second]) => [first, second]);
    const ticks = niceTicks(Math.min(...values), Math.max(...values), 6), low = ticks[0], high = ticks.at(-1) + (ticks.length < 2);
    const left = 64, top = 10, size = 380;
    const x = (value) => left + size * (value - low) / (high - low), y = (value) => top + size - size * (value - low) / (high - low);
    const svg = node("svg", {class: "plot square", viewBox: "0 0 470 440", tabindex: 0, role: "group",
      "aria-label": `${names[1]} against ${names[0]}`});
    for (const tick of ticks) {
      svg.append(node("path", {class: "grid", d: `M${x(tick)} ${top}V${top + size}M${left} ${y(tick)}H${left + size}`}));
      svg.append(node("text", {class: "tick", x: x(tick), y: top + size + 16}, String(tick)));
      svg.append(node("text", {class: "tick end", x: left - 6, y: y(tick) + 4}, String(tick)));
    }
    svg.append(node("path", {class: "zero", d: `M${left} ${top + size}L${left + size} ${top}`}));
    svg.append(node("text", {class: "axis", x: left + size / 2, y: 434}, short(names[0])));
    svg.append(node("text", {class: "axis", x: 14, y: 200, transform: "rotate(-90 14 200)"}, short(names[1])));
    const wins = [0, 0, 0];
    for (const [label, first, second] of pairs) {
      const order = Math.sign(sign * (first - second));
      wins[order + 1] += 1;
      const words = `${label}\n${names[0]} ${Number(first.toPrecision(5))}\n${names[1]} ${Number(second.toPrecision(5))}`;
      const dot = node("circle", {class: `p ${order ? look(order < 0 ? a : b) : ""}`, cx: x(first), cy: y(second), r: 5});
      dot.append(node("title", {}, words));
      svg.append(dot);
    }
    box.insertBefore(svg, note);
    note.textContent = `${names[0]} is better on ${wins[0]}, equal on ${wins[1]}, ${names[1]} on ${wins[2]} of ${pairs.length}`
      + " instances. A dot has the colour of the better one.";
  }
  across.addEventListener("change", draw);
  up.addEventListener("change", draw);
  draw();
}

/* Methods are hidden and shown by the legend of their section. */
function settle(svg) {
  const {top, band, bottom} = Object.fromEntries(Object.entries(svg.dataset).map(([key, value]) => [key, Number(value)]));
  const bands = [...svg.querySelectorAll(".band")].filter((each) => !each.classList.contains("off"));
  bands.forEach((each, index) => each.setAttribute("transform", `translate(0 ${top + band * index})`));
  const base = top + band * bands.length;
  svg.querySelector(".foot").setAttribute("transform", `translate(0 ${base})`);
  svg.setAttribute("viewBox", `0 0 ${svg.viewBox.baseVal.width} ${base + bottom}`);
}
for (const section of document.querySelectorAll("section.run")) {
  const hidden = new Set(), legend = section.querySelector(".legend"), rows = section.querySelector("details.rows");
  const buttons = [...legend.querySelectorAll("button[data-m]")];
  const marked = [...section.querySelectorAll("[data-m]")].filter((each) => !legend.contains(each));
  let redraw = null;
  rows.addEventListener("toggle", () => { redraw ??= allRows(section, hidden); });
  for (const box of section.querySelectorAll(".versus")) versus(box, section);
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const mark = Number(button.dataset.m);
    if (button.dataset.m === undefined) hidden.clear();
    else if (!hidden.delete(mark)) hidden.add(mark);
    for (const each of buttons) each.setAttribute("aria-pressed", String(!hidden.has(Number(each.dataset.m))));
    for (const each of marked) each.classList.toggle("off", hidden.has(Number(each.dataset.m)));
    section.querySelectorAll("svg.bands").forEach(settle);
    if (redraw) redraw();
  });
}
