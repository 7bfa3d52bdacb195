"use strict";
// The page shows the events of the daemon (server-sent events). Whatever comes from the network
// becomes text and nothing else.

const SAY_EVERY = 1500;
const UNKNOWN = "–";
const REFUSALS = { unauthorized: "unauthorized", declined: "declined", indirect: "indirect" };
const DROPS = {
  rate: "over their rate", busy: "while too busy", malformed: "malformed", overlong: "replies too long",
  kernel: "by the kernel",
};
const byId = (id) => document.getElementById(id);
const chart = new Chart(byId("chart"));
const table = new Registrations(byId("registrations"), () => byId("filter").value);
const headings = [...table.table.tHead.rows[0].cells];
const narrow = matchMedia("(max-width: 44rem)");
const news = [];
let registered = 0;
let startedAt = null;
let saying = 0;

const called = (each) => `${each.name ?? each.program} version ${each.version} on ${each.netid}`;
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

function put(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  let left = bytes;
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${left.toFixed(Math.min(unit, 1))} ${units[unit]}`;
}

function putCounts(id, causesId, counts, names) {
  put(id, number(sum(counts)));
  const causes = Object.entries(counts).filter(([, count]) => count);
  put(causesId, causes.map(([cause, count]) => `${number(count)} ${names[cause] ?? cause}`).join(", "));
}

// ---- the registrations

function arrange() {
  const count = table.show();
  const all = table.entries.size;
  const more = registered > all ? `, the first ${number(all)} of ${number(registered)}` : "";
  put("shown", count === all ? `all shown${more}` : `${number(count)} of ${number(all)} shown${more}`);
}

function sortBy(key, down) {
  table.order = { key, down };
  for (const each of headings) {
    if (each.firstElementChild.dataset.key === key) {
      each.setAttribute("aria-sort", down ? "descending" : "ascending");
    } else {
      each.removeAttribute("aria-sort");
    }
  }
  byId("order").value = `${key} ${down ? "down" : "up"}`;
  arrange();
}

// In a narrow window the headings are hidden, and this takes their place.
function fillOrder() {
  for (const each of headings) {
    for (const [way, said] of [["up", ""], ["down", ", descending"]]) {
      const option = document.createElement("option");
      option.value = `${each.firstElementChild.dataset.key} ${way}`;
      option.textContent = each.textContent.toLowerCase() + said;
      byId("order").append(option);
    }
  }
}

function narrowed() {
  for (const each of headings) each.firstElementChild.tabIndex = narrow.matches ? -1 : 0;
}

// ---- news of changes, for screen readers too: not more often than one can listen

function say(text) {
  news.push(text);
  if (!saying) saying = setTimeout(tell, news.length > 1 ? SAY_EVERY : 0);
}

function tell() {
  const said = news.splice(0);
  put("news", said.length > 3 ? `${said.length} changes; the last one: ${said.at(-1)}` : said.join("; "));
  saying = setTimeout(() => { saying = 0; if (news.length) tell(); }, SAY_EVERY);
}

// ---- events

const HANDLERS = {
  daemon(told) {
    document.title = `${told.host} – port mapper`;
    put("host", ` of ${told.host}`);
    startedAt = Date.now() - told.uptime * 1000;
    byId("about").dataset.version = `portmap ${told.version}, process ${told.pid}`;
    putUptime();
    const rules = told.policy.rules === 1 ? "1 rule" : `${told.policy.rules} rules`;
    put("policy", `${told.policy.file}, ${rules}`);
    put("state", told.state ? `${told.state.directory}, journal ${size(told.state.journal)}` : "not kept");
    counts(told);
  },
  registry(told) {
    table.clear();
    registered = told.registered;
    put("registered", number(registered));
    told.registrations.forEach((each) => table.put(each));
    arrange();
  },
  added(told) {
    for (const each of told) {
      table.put(each, { isNew: true });
      say(`${called(each)} registered`);
    }
    recount(told.length);
  },
  removed(told) {
    for (const each of told) {
      table.remove(each);
      say(`${called(each)} removed`);
    }
    recount(-told.length);
  },
  changed(told) {
    for (const each of told) {
      const before = table.find(each);
      table.put(each);
      if (before?.address !== each.address) say(`${called(each)} is at another address`);
      else if (each.endpoint === "gone" && before.endpoint !== "gone") say(`the server of ${called(each)} is gone`);
    }
    recount(0);
  },
  rates(told) {
    registered = told.registered;
    put("registered", number(registered));
    put("calls", number(told.calls));
    counts(told);
    const lately = [...told.procedures].sort((one, other) => other.rate - one.rate);
    const named = lately.map((each) => `${each.procedure} (version ${each.version}) ${number(each.rate)}`);
    put("procedures", named.slice(0, 5).join(", ") || "nothing");
    chart.add(told.calls);
    put("summary", `Calls a second over the last two minutes: now ${number(told.calls)}, at most ${number(chart.most())}.`);
  },
};

function counts(told) {
  put("connections", number(told.connections));
  putCounts("refusals", "refusal-causes", told.refusals, REFUSALS);
  putCounts("drops", "drop-causes", told.drops, DROPS);
}

function putUptime() {
  if (startedAt === null) return;
  put("about", `${byId("about").dataset.version}, up ${duration((Date.now() - startedAt) / 1000)}`);
}

function recount(more) {
  registered += more;
  put("registered", number(registered));
  arrange();
}

// What is not known any more is shown as unknown; the table stays, dimmed.
function forget() {
  startedAt = null;
  for (const id of ["about", "calls", "registered", "connections", "refusals", "drops", "procedures"]) put(id, UNKNOWN);
  for (const id of ["refusal-causes", "drop-causes"]) put(id, "");
  put("summary", "Calls a second over the last two minutes.");
}

function state(name) {
  const lost = name === "lost" && byId("connection").dataset.state !== "lost";
  byId("connection").dataset.state = document.body.dataset.state = name;
  if (lost) put("connection", `connection lost at ${Chart.label(Date.now() / 1000)}, trying again`);
  else if (name !== "lost") put("connection", name);
}

function listen() {
  const source = new EventSource("/api/events");
  for (const [name, handle] of Object.entries(HANDLERS)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => state("live"));
  source.addEventListener("error", () => {
    state("lost");
    forget();
    chart.gap();
    // A refusal ends an EventSource for good.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

fillOrder();
narrowed();
narrow.addEventListener("change", narrowed);
byId("order").addEventListener("change", (event) => {
  const [key, way] = event.target.value.split(" ");
  sortBy(key, way === "down");
});
byId("filter").addEventListener("input", arrange);
byId("filter").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { event.target.value = ""; arrange(); }
});
table.table.tHead.addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.key;
  if (key) sortBy(key, table.order.key === key && !table.order.down);
});
setInterval(() => {
  table.age();
  putUptime();
}, 1000);
listen();
