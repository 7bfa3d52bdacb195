"use strict";
// The parts that all pages share. A page shows the events of its daemon (server-sent events), and
// has these places: #connection, #about, #news, #calls, #connections, #refusals, #drops with their
// causes, #procedures, #chart and #summary. Whatever comes from the network becomes text and nothing
// else.

const SAY_EVERY = 1500;
const UNKNOWN = "–";
const REFUSALS = { unauthorized: "unauthorized", declined: "declined", indirect: "indirect" };
const DROPS = {
  rate: "over their rate", busy: "while too busy", malformed: "malformed", overlong: "replies too long",
  kernel: "by the kernel",
};
const byId = (id) => document.getElementById(id);
const chart = new Chart(byId("chart"));
const news = [];
let startedAt = null;
let saying = 0;

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const counted = (count, one, many) => `${number(count)} ${count === 1 ? one : many ?? `${one}s`}`;

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

function duration(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let left = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [size, unit] of units) {
    const count = Math.floor(left / size);
    left %= size;
    if (count) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

function putCounts(id, causesId, counts, names) {
  put(id, number(sum(counts)));
  const causes = Object.entries(counts).filter(([, count]) => count);
  put(causesId, causes.map(([cause, count]) => `${number(count)} ${names[cause] ?? cause}`).join(", "));
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

// ---- what the events of all daemons have

// The daemon of a page: title is what it is, name its command.
function identify(told, { title, name }) {
  document.title = `${told.host} – ${title}`;
  put("host", ` of ${told.host}`);
  startedAt = Date.now() - told.uptime * 1000;
  byId("about").dataset.version = `${name} ${told.version}, process ${told.pid}`;
  putUptime();
  const { file, rules, missing } = told.policy;
  put("policy", `${file}, ${missing ? "missing" : counted(rules, "rule")}`);
  counts(told);
}

function putUptime() {
  if (startedAt === null) return;
  put("about", `${byId("about").dataset.version}, up ${duration((Date.now() - startedAt) / 1000)}`);
}

function counts(told) {
  put("connections", number(told.connections));
  putCounts("refusals", "refusal-causes", told.refusals, REFUSALS);
  putCounts("drops", "drop-causes", told.drops, DROPS);
}

function traffic(told) {
  put("calls", number(told.calls));
  counts(told);
  const lately = [...told.procedures].sort((one, other) => other.rate - one.rate);
  const named = lately.map((each) => `${each.procedure} (version ${each.version}) ${number(each.rate)}`);
  put("procedures", named.slice(0, 5).join(", ") || "nothing");
  chart.add(told.calls);
  put("summary", `Calls a second over the last two minutes: now ${number(told.calls)}, at most ${number(chart.most())}.`);
}

// What is not known any more is shown as unknown; tables stay, dimmed.
function forget() {
  startedAt = null;
  for (const place of document.querySelectorAll("#figures dd:not(.causes), #procedures, #about")) {
    place.textContent = UNKNOWN;
  }
  for (const place of document.querySelectorAll("#figures dd.causes")) place.textContent = "";
  put("summary", "Calls a second over the last two minutes.");
}

function state(name) {
  const lost = name === "lost" && byId("connection").dataset.state !== "lost";
  byId("connection").dataset.state = document.body.dataset.state = name;
  if (lost) put("connection", `connection lost at ${Chart.label(Date.now() / 1000)}, trying again`);
  else if (name !== "lost") put("connection", name);
}

// Listen to the events; handlers are functions by the name of an event.
function listen(handlers) {
  const source = new EventSource("/api/events");
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => state("live"));
  source.addEventListener("error", () => {
    state("lost");
    forget();
    chart.gap();
    // A refusal ends an EventSource for good.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(handlers), 3000);
  });
}
