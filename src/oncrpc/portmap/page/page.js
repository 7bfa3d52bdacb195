"use strict";
// The page of the port mapper: its registrations, and the events about them.

const table = new Registrations(byId("registrations"), () => byId("filter").value);
const narrow = matchMedia("(max-width: 44rem)");
let registered = 0;

const called = (each) => `${each.name ?? each.program} version ${each.version} on ${each.netid}`;

// ---- the registrations

function arrange() {
  const count = table.show();
  const all = table.entries.size;
  const more = registered > all ? `, the first ${number(all)} of ${number(registered)}` : "";
  put("shown", count === all ? `all shown${more}` : `${number(count)} of ${number(all)} shown${more}`);
}

table.sorted = () => {
  byId("order").value = `${table.order.key} ${table.order.down ? "down" : "up"}`;
  arrange();
};

// In a narrow window the headings are hidden, and this takes their place.
function fillOrder() {
  for (const each of table.headings) {
    for (const [way, said] of [["up", ""], ["down", ", descending"]]) {
      const option = document.createElement("option");
      option.value = `${each.firstElementChild.dataset.key} ${way}`;
      option.textContent = each.textContent.toLowerCase() + said;
      byId("order").append(option);
    }
  }
}

function narrowed() {
  for (const each of table.headings) each.firstElementChild.tabIndex = narrow.matches ? -1 : 0;
}

// ---- events

const HANDLERS = {
  daemon(told) {
    identify(told, { title: "port mapper", name: "portmap" });
    put("state", told.state ? `${told.state.directory}, journal ${size(told.state.journal)}` : "not kept");
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
    traffic(told);
  },
};

function recount(more) {
  registered += more;
  put("registered", number(registered));
  arrange();
}

fillOrder();
narrowed();
narrow.addEventListener("change", narrowed);
byId("order").addEventListener("change", (event) => {
  const [key, way] = event.target.value.split(" ");
  table.sortBy(key, way === "down");
});
byId("filter").addEventListener("input", arrange);
byId("filter").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { event.target.value = ""; arrange(); }
});
setInterval(() => {
  table.age();
  putUptime();
}, 1000);
listen(HANDLERS);
