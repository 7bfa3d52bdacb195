"use strict";
// The page of the NFS server: exports, clients, mounts, open files and procedures.

const MODES = {
  root: "the user of each call",
  handles: "all work as {user}",
  plain: "all work as {user}, without capabilities",
};
const MAPPERS = { host: "of this host", own: "in this daemon", none: "none" };
const ago = (time) => `${duration((Date.now() - time) / 1000)} ago`;
const long = (time) => duration((Date.now() - time) / 1000);
const before = (seconds) => Date.now() - seconds * 1000;
const procedures = new Map(); // what was called, by program, version and procedure
let names = {};

const FORMS = {
  calls: number, connections: number, mounts: number, unsynced: size, opened: long,
  rate: (value) => (value ? number(value) : ""),
  took: (value) => (value ? `${(1000 * value).toFixed(2)} ms` : ""),
};
const rows = (id, key, options) => new PlainRows(byId(id), {
  key,
  times: ["since", "opened"],
  ...options,
  text: (entry, column) => (options.forms?.[column] ?? FORMS[column] ?? String)(entry[column]),
});
const tables = {
  exports: rows("exports", "path", { id: (each) => each.path }),
  clients: rows("clients", "calls", { id: (each) => each.host, down: true, forms: { since: ago } }),
  mounts: rows("mounts", "host", { id: (each) => `${each.host} ${each.path}` }),
  files: rows("files", "since", { id: (each) => each.path, forms: { since: long } }),
  locks: rows("locks", "path", {
    id: (each) => `${each.path} ${each.client} ${each.process} ${each.bytes} ${each.lock}`,
    forms: { since: long },
  }),
  called: rows("called", "calls", { id: (each) => each.name, down: true }),
};

// What was not there before, and what is not there any more, by what the reader knows it by.
function differences(name, entries) {
  const table = tables[name];
  const held = new Map(table.entries.map((each) => [table.id(each), each]));
  const now = new Set(entries.map(table.id));
  return {
    added: entries.filter((each) => !held.has(table.id(each))),
    removed: [...held.values()].filter((each) => !now.has(table.id(each))),
  };
}

// Show a table; its changes are news, but not on the first time.
function update(name, entries, added, removed) {
  const changes = differences(name, entries);
  tables[name].put(entries);
  if (!tables[name].known) {
    tables[name].known = true;
    return;
  }
  changes.added.forEach((each) => say(added(each)));
  changes.removed.forEach((each) => say(removed(each)));
}

function keyOf(each) {
  return `${each.program} ${each.version} ${each.procedure}`;
}

function showCalled() {
  tables.called.put([...procedures.values()]);
}

// The calls of a procedure since the last second, and the time that each took on average.
function noteCalled(each) {
  const key = keyOf(each);
  const name = `${names[each.program] ?? each.program} ${each.procedure} v${each.version}`;
  const earlier = procedures.get(key);
  const grown = each.calls - (earlier?.calls ?? 0);
  const took = each.seconds && grown > 0 ? each.seconds / grown : earlier?.took ?? 0;
  procedures.set(key, { name, calls: each.calls, rate: each.rate, took });
}

function troubles(told) {
  const items = told.map((each) => {
    const item = document.createElement("li");
    item.dataset.severity = each.severity;
    item.textContent = each.text;
    return item;
  });
  byId("troubles").replaceChildren(...items);
}

const HANDLERS = {
  daemon(told) {
    identify(told, { title: "NFS server", name: "nfsd" });
    ({ names } = told);
    put("programs", told.programs.join(", "));
    put("mode", (MODES[told.mode] ?? told.mode).replace("{user}", () => told.user));
    const port = told.mapper.port ? `, port ${told.mapper.port}` : "";
    const fault = told.mapper.fault ? `, ${told.mapper.fault}` : "";
    put("mapper", `${MAPPERS[told.mapper.kind] ?? told.mapper.kind}${port}${fault}`);
    put("state", told.state ?? "not kept");
  },
  calls(told) {
    procedures.clear();
    for (const each of told) {
      noteCalled({ ...each, rate: 0 });
    }
    showCalled();
  },
  rates(told) {
    traffic(told);
    put("client-count", number(told.clients));
    put("mount-count", number(told.mounts));
    put("file-count", number(told.open_files));
    put("lock-count", number(told.locks));
    const notes = told.waiting ? [`${number(told.waiting)} waiting`] : [];
    if (told.grace !== null) notes.push(`grace: ${duration(told.grace)}, for ${counted(told.awaited, "client")}`);
    put("lock-notes", notes.join(", "));
    for (const each of procedures.values()) each.rate = 0;
    told.procedures.forEach(noteCalled);
    showCalled();
  },
  exports(told) {
    const entries = told.map((each) => ({ ...each, clients: each.clients.join("\n") }));
    update("exports", entries, (each) => `${each.path} is exported`, (each) => `${each.path} is no longer exported`);
  },
  mounts(told) {
    update("mounts", told, (each) => `${each.host} mounted ${each.path}`, (each) => `${each.host} unmounted ${each.path}`);
  },
  clients(told) {
    tables.clients.put(told.map((each) => ({ ...each, since: before(each.idle) })));
  },
  files(told) {
    tables.files.put(told.map((each) => ({ ...each, since: before(each.idle), opened: before(each.age) })));
  },
  locks(told) {
    tables.locks.put(told.map((each) => ({ ...each, since: before(each.seconds) })));
  },
  troubles,
};

for (const table of Object.values(tables)) table.show();
setInterval(() => {
  tables.clients.show();
  tables.files.show();
  tables.locks.show();
  putUptime();
}, 1000);
listen(HANDLERS);
