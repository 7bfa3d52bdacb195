"use strict";
// The rows of a table whose columns sort it. A row is kept for as long as its key is there, so that
// it keeps its place and its focus.

class LiveRows {
  // The columns are the keys of the buttons in the headings; a row has a cell for each.
  constructor(table, { key, down = false }) {
    this.table = table;
    this.body = table.tBodies[0];
    this.headings = [...table.tHead.rows[0].cells];
    this.columns = this.headings.map((each) => each.firstElementChild.dataset.key);
    this.rows = new Map(); // rows of the table by what they show
    this.order = { key, down };
    this.sorted = () => {};
    table.tHead.addEventListener("click", (event) => {
      const chosen = event.target.closest("button")?.dataset.key;
      if (chosen) this.sortBy(chosen, this.order.key === chosen && !this.order.down);
    });
  }

  sortBy(key, down) {
    this.order = { key, down };
    for (const each of this.headings) {
      if (each.firstElementChild.dataset.key === key) {
        each.setAttribute("aria-sort", down ? "descending" : "ascending");
      } else {
        each.removeAttribute("aria-sort");
      }
    }
    this.sorted();
  }

  static compareValues(a, b) {
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  // Put rows in this order without moving those that are in place: moving takes away the focus.
  place(rows) {
    const kept = new Set(rows);
    for (const row of [...this.body.rows]) if (!kept.has(row)) row.remove();
    let next = this.body.firstElementChild;
    for (const row of rows) {
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
  }

  newRow() {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    this.columns.forEach((column, at) => {
      const cell = row.insertCell();
      cell.setAttribute("role", "cell");
      cell.className = column;
      cell.dataset.label = this.headings[at].textContent;
    });
    return row;
  }

  static write(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }
}

// A table of plain entries. id is what an entry is known by, text what a column shows of it. The
// columns of times have the time when something began; they sort by how long ago that is.
class PlainRows extends LiveRows {
  constructor(table, { key, down, id, text = (entry, column) => String(entry[column]), times = [] }) {
    super(table, { key, down });
    this.id = id;
    this.text = text;
    this.times = times;
    this.entries = [];
    this.sorted = () => this.show();
  }

  put(entries) {
    this.entries = entries;
    this.show();
  }

  show() {
    const { key, down } = this.order;
    const way = (down ? -1 : 1) * (this.times.includes(key) ? -1 : 1);
    const ordered = [...this.entries].sort((one, other) => (
      way * LiveRows.compareValues(one[key], other[key])
        || LiveRows.compareValues(this.id(one), this.id(other))
    ));
    const before = this.rows;
    this.rows = new Map();
    for (const entry of ordered) {
      const row = before.get(this.id(entry)) ?? this.newRow();
      this.columns.forEach((column, at) => LiveRows.write(row.cells[at], this.text(entry, column)));
      this.rows.set(this.id(entry), row);
    }
    this.place([...this.rows.values()]);
    this.table.closest("section").classList.toggle("empty", !ordered.length);
  }
}
