"use strict";
// The registrations and the traffic, as the daemon tells them (server-sent events). What comes from
// the network becomes text and nothing else.

const COLUMNS = ["program", "name", "version", "netid", "address", "owner", "endpoint", "since"];
const NEW_FOR = 3000;
const SAY_EVERY = 1500;
const byId = (id) => document.getElementById(id);
const table = byId("registrations");
const body = table.tBodies[0];
const headings = [...table.tHead.rows[0].cells];
const labels = headings.map((each) => each.textContent);
const chart = new Chart(byId("chart"));
const rows = new Map(); // key: the registration, its row of the table, its text for the filter
const news = [];
let registered = 0;
let order = { key: "program", down: false };
let saying = 0;

const keyOf = (each) => `${each.program} ${each.version} ${each.netid.toLowerCase()}`;
const called = (each) => `${each.name ?? each.program} version ${each.version} on ${each.netid}`;
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });

function put(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

function duration(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, unit] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function shown(each, column) {
  if (column === "since") return duration((Date.now() - each.since) / 1000);
  return String(each[column] ?? "");
}

// ---- the table

function hold(each) {
  const key = keyOf(each);
  const held = rows.get(key) ?? { row: rowOf() };
  held.entry = { ...each, since: Date.now() - each.age * 1000 };
  held.text = COLUMNS.slice(0, 7).map((column) => shown(held.entry, column)).join(" ").toLowerCase();
  COLUMNS.forEach((column, at) => { held.row.cells[at].textContent = shown(held.entry, column); });
  held.row.cells[6].dataset.endpoint = each.endpoint;
  rows.set(key, held);
  return held;
}

function rowOf() {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  COLUMNS.forEach((_column, at) => {
    const cell = row.insertCell();
    cell.setAttribute("role", "cell");
    cell.dataset.label = labels[at];
  });
  return row;
}

function compared(one, other) {
  const [a, b] = [one.entry[order.key] ?? "", other.entry[order.key] ?? ""];
  const numbers = typeof a === "number" && typeof b === "number";
  // How long is the other way round than since when.
  const way = (order.key === "since" ? -1 : 1) * (order.down ? -1 : 1);
  const found = numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return way * found || one.entry.program - other.entry.program
    || one.entry.version - other.entry.version
    || one.entry.netid.localeCompare(other.entry.netid);
}

function arrange() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...rows.values()].filter((held) => words.every((word) => held.text.includes(word)));
  body.replaceChildren(...found.sort(compared).map((held) => held.row));
  const more = registered > rows.size ? `, the first ${number(rows.size)} of ${number(registered)}` : "";
  put("shown", `${found.length === rows.size ? "all" : number(found.length)} shown${more}`);
}

function sortBy(key) {
  order = { key, down: order.key === key && !order.down };
  for (const each of headings) {
    if (each.firstElementChild.dataset.key === key) {
      each.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    } else {
      each.removeAttribute("aria-sort");
    }
  }
  arrange();
}

// ---- what is said of changes: not more often than one can listen

function say(text) {
  news.push(text);
  if (!saying) saying = setTimeout(tell, news.length > 1 ? SAY_EVERY : 0);
}

function tell() {
  const said = news.splice(0);
  put("news", said.length > 3 ? `${said.length} changes; the last one: ${said.at(-1)}` : said.join("; "));
  saying = setTimeout(() => { saying = 0; if (news.length) tell(); }, SAY_EVERY);
}

// ---- what the daemon tells

const OBEYED = {
  registry(told) {
    rows.clear();
    registered = told.registered;
    put("registered", number(registered));
    told.registrations.forEach(hold);
    arrange();
  },
  added(told) {
    for (const each of told) {
      const { row } = hold(each);
      row.classList.add("new");
      setTimeout(() => row.classList.remove("new"), NEW_FOR);
      say(`${called(each)} registered`);
    }
    recount(told.length);
  },
  removed(told) {
    for (const each of told) {
      rows.delete(keyOf(each));
      say(`${called(each)} removed`);
    }
    recount(-told.length);
  },
  changed(told) {
    for (const each of told) {
      const before = rows.get(keyOf(each))?.entry;
      hold(each);
      if (before?.address !== each.address) say(`${called(each)} is at another address`);
      else if (each.endpoint === "gone" && before.endpoint !== "gone") say(`the server of ${called(each)} is gone`);
    }
    recount(0);
  },
  rates(told) {
    registered = told.registered;
    for (const name of ["calls", "registered", "connections", "refusals", "drops"]) {
      put(name, number(told[name]));
    }
    const lately = [...told.procedures].sort((one, other) => other.rate - one.rate);
    const named = lately.map((each) => `${each.procedure} (version ${each.version}) ${number(each.rate)}`);
    put("procedures", named.slice(0, 5).join(", ") || "nothing");
    chart.add(told.time, told.calls);
    put("summary", `Calls a second over the last two minutes: now ${number(told.calls)}, at most ${number(chart.most())}.`);
  },
};

function recount(more) {
  registered += more;
  put("registered", number(registered));
  arrange();
}

function state(name) {
  byId("connection").dataset.state = name;
  put("connection", name === "lost" ? "connection lost, trying again" : name);
}

function listen() {
  const source = new EventSource("/api/events");
  for (const [name, obey] of Object.entries(OBEYED)) {
    source.addEventListener(name, (event) => obey(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => state("live"));
  source.addEventListener("error", () => {
    state("lost");
    chart.gap();
    // A refusal ends an EventSource for good.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

byId("filter").addEventListener("input", arrange);
byId("filter").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { event.target.value = ""; arrange(); }
});
table.tHead.addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.key;
  if (key) sortBy(key);
});
setInterval(() => {
  for (const held of rows.values()) {
    if (!held.row.isConnected) continue;
    const cell = held.row.cells[7];
    const text = shown(held.entry, "since");
    if (cell.textContent !== text) cell.textContent = text;
  }
}, 1000);
listen();
