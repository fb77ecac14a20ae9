// Runs inside a copy of a page, in a frame as narrow as a telephone, and tells the page around it what it saw.
{
const wait = () => new Promise((resolve) => setTimeout(resolve, 100));
const point = (target, type = "pointermove") =>
  target.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerType: "mouse", clientX: 200, clientY: 200}));
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", {bubbles: true, cancelable: true, key}));
const texts = (nodes) => [...nodes].map((each) => each.textContent);
const tip = () => (document.getElementById("tip").hidden ? null : document.getElementById("tip").textContent);

async function probe() {
  const seen = {width: innerWidth, page: document.documentElement.scrollWidth, body: document.body.scrollWidth};
  const section = document.querySelector("section.run"), legend = section.querySelector(".legend");
  seen.plots = [...document.querySelectorAll("figure svg")].map((svg) => {
    const box = svg.getBoundingClientRect();
    return [svg.getAttribute("class") ?? "picture", box.width, box.height];
  });

  const table = section.querySelector("table.sortable");
  const column = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[1].dataset.v));
  const head = table.tHead.rows[0].cells[1];
  head.firstChild.click();
  seen.up = column();
  head.firstChild.click();
  seen.down = column();
  seen.order = head.getAttribute("aria-sort");

  point(section.querySelector("circle[data-r]"));
  seen.dot = tip();
  point(document.body);
  seen.away = tip();
  point(section.querySelector(".picture rect"));
  seen.picture = tip();
  seen.titles = section.querySelectorAll(".picture rect title").length;
  const bands = section.querySelector("svg.bands");
  bands.focus();
  press(bands, "End");
  await wait();
  seen.last = tip();
  press(bands, "ArrowLeft");
  await wait();
  seen.before = tip();
  press(bands, "Escape");
  seen.escaped = tip();

  const visible = (nodes) => [...nodes].filter((each) => each.getBoundingClientRect().height > 0).length;
  const state = () => ({
    rows: visible(table.tBodies[0].rows),
    bands: visible(bands.querySelectorAll(".band")),
    height: Math.round(bands.viewBox.baseVal.height),
    curves: visible(section.querySelectorAll("polyline")),
    heads: visible(section.querySelectorAll(".tall th[data-m]")),
  });
  const rows = section.querySelector("details.rows");
  rows.open = true;
  await wait();
  const body = () => [...rows.querySelectorAll("tbody tr")].map((row) => texts(row.cells));
  seen.heads = texts(rows.querySelectorAll("th"));
  seen.count = rows.querySelector("span").textContent;
  seen.all = state();
  legend.querySelector("button[data-m='0']").click();
  seen.pressed = legend.querySelector("button[data-m='0']").getAttribute("aria-pressed");
  seen.hidden = state();
  seen.fewer = rows.querySelector("span").textContent;
  legend.querySelector(".every").click();
  seen.again = state();
  rows.querySelector(".more").click();
  seen.more = body().length;
  rows.querySelectorAll("th button")[seen.heads.indexOf("value")].click();
  seen.values = body().map((cells) => cells[seen.heads.indexOf("value")]);
  const input = rows.querySelector("input");
  input.value = "S12 exact";
  input.dispatchEvent(new Event("input"));
  seen.filtered = body();

  const versus = section.querySelector(".versus"), select = versus.querySelectorAll("select")[1];
  const drawn = () => [versus.querySelectorAll("circle").length, versus.querySelector(".note").textContent];
  seen.versus = [drawn()];
  select.selectedIndex = 2;
  select.dispatchEvent(new Event("change"));
  seen.versus.push(drawn());
  seen.after = document.documentElement.scrollWidth;
  return seen;
}
const tell = (seen) => parent.postMessage(seen, "*");
addEventListener("load", () => probe().then(tell, (error) => tell({error: String(error)})));
}
