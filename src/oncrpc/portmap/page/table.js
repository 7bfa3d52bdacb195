"use strict";
// The table of registrations. One row has the versions and netids of one program at one address; the
// port mapper's own registrations are one row until they are unfolded.

const PORT_MAPPER = 100000;
const NEW_FOR = 3000;

// Host and port of a universal address (RFC 5665 §5.2.3.3); "" for a path or an invalid address.
function hostPort(netid, address) {
  const found = /^(\d+\.\d+\.\d+\.\d+|[\da-f:.]*:[\da-f:.]*)\.(\d{1,3})\.(\d{1,3})$/i.exec(address);
  if (!found || netid === "local" || found[2] > 255 || found[3] > 255) return "";
  const host = found[1].includes(":") ? `[${found[1]}]` : found[1];
  return `${host}:${found[2] * 256 + Number(found[3])}`;
}

// Numbers as ranges: 1-3, 5.
function ranges(numbers) {
  const found = [];
  for (const each of [...numbers].sort((one, other) => one - other)) {
    if (found.length && found.at(-1)[1] === each - 1) found.at(-1)[1] = each;
    else found.push([each, each]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
}

function gather(map, key, value) {
  const held = map.get(key);
  if (held) held.push(value);
  else map.set(key, [value]);
}

class Registrations extends LiveRows {
  // filter is a function that returns what the reader has typed.
  constructor(table, filter) {
    super(table, { key: "program" });
    this.filter = filter;
    this.entries = new Map(); // registrations by program, version and netid
    this.unfolded = false;
  }

  static key(each) {
    return `${each.program} ${each.version} ${each.netid.toLowerCase()}`;
  }

  clear() {
    this.entries.clear();
  }

  find(each) {
    return this.entries.get(Registrations.key(each));
  }

  put(each, { isNew = false } = {}) {
    const held = { ...each, since: Date.now() - each.age * 1000 };
    held.hostPort = hostPort(each.netid, each.address);
    held.text = [
      each.program, each.name, each.version, each.netid, each.address, held.hostPort, each.owner,
      each.endpoint,
    ].join(" ").toLowerCase();
    if (isNew) held.newUntil = Date.now() + NEW_FOR;
    this.entries.set(Registrations.key(each), held);
  }

  remove(each) {
    this.entries.delete(Registrations.key(each));
  }

  // The registrations that the filter lets through.
  found() {
    const words = this.filter().toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...this.entries.values()];
    return words.length ? all.filter((each) => words.every((word) => each.text.includes(word))) : all;
  }

  // The groups to show, in order. Without a filter the port mapper's own are one, with a button that
  // shows them.
  groups(found) {
    const fold = !this.filter().trim();
    const own = fold ? found.filter((each) => each.program === PORT_MAPPER) : [];
    const others = fold ? found.filter((each) => each.program !== PORT_MAPPER) : found;
    const sorted = (groups) => groups.sort((one, other) => this.compare(one, other));
    const groups = Registrations.grouped(others);
    if (own.length) {
      const netids = [...new Set(own.map((each) => each.netid))].join(", ");
      groups.push({ ...Registrations.group("own", own), netids, folds: true });
    }
    return sorted(groups).flatMap((group) => (
      group.folds && this.unfolded ? [group, ...sorted(Registrations.grouped(own))] : [group]
    ));
  }

  // One group for each row: the same program, address, owner and state of the server.
  static grouped(found) {
    const places = new Map();
    for (const each of found) {
      gather(places, JSON.stringify([each.program, each.address, each.owner, each.endpoint]), each);
    }
    return [...places].map(([place, entries]) => Registrations.group(place, entries));
  }

  static group(key, entries) {
    const [first] = entries;
    const addresses = new Set(entries.map((each) => each.address));
    const ends = new Set(entries.map((each) => each.endpoint));
    return {
      key,
      program: first.program,
      name: first.name ?? "",
      version: Math.min(...entries.map((each) => each.version)),
      versions: ranges(new Set(entries.map((each) => each.version))),
      netids: Registrations.netids(entries),
      address: addresses.size === 1 ? first.address : `${addresses.size} addresses`,
      hostPort: addresses.size === 1 ? first.hostPort : "",
      owner: [...new Set(entries.map((each) => each.owner))].join(", "),
      endpoint: ends.size === 1 ? first.endpoint : "unknown",
      since: Math.min(...entries.map((each) => each.since)),
      isNew: entries.some((each) => each.newUntil > Date.now()),
    };
  }

  // The netids; with their versions if those differ: tcp (3-4), udp (3).
  static netids(entries) {
    const versions = new Map();
    for (const each of entries) gather(versions, each.netid, each.version);
    const named = [...versions].map(([netid, own]) => [netid, ranges(own)]);
    const alike = named.every(([, own]) => own === named[0][1]);
    return named.map(([netid, own]) => (alike ? netid : `${netid}\u00A0(${own})`)).join(", ");
  }

  compare(one, other) {
    const { key, down } = this.order;
    // The longest time has the earliest start.
    const way = (key === "since" ? -1 : 1) * (down ? -1 : 1);
    const [a, b] = key === "versions" ? [one.version, other.version] : [one[key], other[key]];
    return way * LiveRows.compareValues(a, b) || one.program - other.program || one.version - other.version
      || one.netids.localeCompare(other.netids) || one.address.localeCompare(other.address);
  }

  // Show what is registered now; returns how many registrations are shown.
  show() {
    const found = this.found();
    const groups = this.groups(found).sort((one, other) => this.compare(one, other));
    const before = this.rows;
    this.rows = new Map();
    for (const group of groups) {
      const row = before.get(group.key) ?? this.newRow();
      this.fill(row, group);
      this.rows.set(group.key, row);
    }
    this.place([...this.rows.values()]);
    return found.length;
  }

  newRow() {
    const row = super.newRow();
    for (const part of ["host", "uaddr"]) {
      const span = document.createElement("span");
      span.className = part;
      row.cells[4].append(span);
    }
    return row;
  }

  fill(row, group) {
    row.group = group;
    this.columns.forEach((column, at) => {
      if (column === "address" || (column === "name" && group.folds)) return;
      LiveRows.write(row.cells[at], Registrations.text(group, column));
    });
    const [host, uaddr] = row.cells[4].children;
    LiveRows.write(host, group.hostPort || group.address);
    LiveRows.write(uaddr, group.hostPort ? group.address : "");
    row.cells[6].dataset.endpoint = group.endpoint;
    row.classList.toggle("new", group.isNew);
    if (group.isNew) setTimeout(() => row.classList.remove("new"), NEW_FOR);
    if (group.folds) this.fillFold(row.cells[1], group);
  }

  fillFold(cell, group) {
    let button = cell.querySelector("button");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "fold";
      button.addEventListener("click", () => {
        this.unfolded = !this.unfolded;
        this.show();
      });
      cell.append(button);
    }
    LiveRows.write(button, group.name || "port mapper");
    button.setAttribute("aria-expanded", String(this.unfolded));
  }

  static text(group, column) {
    if (column === "since") return duration((Date.now() - group.since) / 1000);
    return String(group[column]);
  }

  // Write how long ago everything was registered.
  age() {
    for (const row of this.rows.values()) {
      LiveRows.write(row.cells[7], Registrations.text(row.group, "since"));
    }
  }
}
