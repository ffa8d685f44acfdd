// The table: a row for each process, in the order of registration; search, filter, selection and keys.

import { h, set } from "./dom.js";
import { Row, empty, head } from "./row.js";

/** Dispatches `shown` when other rows are shown, `selection` when others are selected. */
export class Table extends EventTarget {
  #rows = new Map();
  #selected = new Set();
  #last = null;
  #words = [];
  #status = "all";

  constructor(says, { open, act, reset }) {
    super();
    this.says = says;
    this.does = { open, act, select: (id, on, range) => this.#select(id, on, range) };
    this.opened = null;
    this.all = h("input", { type: "checkbox", "aria-label": says.t("selectAll"), on: { change: () => this.#selectAll() } });
    this.body = h("div", { role: "rowgroup", class: "rows", on: { keydown: (event) => this.#key(event) } });
    this.empty = empty(says.t, reset);
    this.grid = h("div", { role: "table", class: "table", "aria-label": says.t("title") },
      h("div", { role: "rowgroup" }, head(says.t, this.all)), this.body);
    this.element = h("div", { class: "list" }, this.grid, this.empty.element);
  }

  get status() {
    return this.#status;
  }

  get selected() {
    return [...this.#rows.keys()].filter((id) => this.#selected.has(id));
  }

  /** The rows that are shown. */
  get shown() {
    return [...this.#rows.values()].filter((row) => !row.element.hidden);
  }

  update(processes, now) {
    const ids = new Set(processes.map((process) => process.id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let before = null;
    for (const process of processes) before = this.#place(process, now, before);
    this.refresh();
  }

  tick(now) {
    for (const row of this.shown) row.tick(now);
  }

  search(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.refresh();
  }

  filter(status) {
    this.#status = status;
    this.refresh();
  }

  unselect() {
    this.#selected.clear();
    this.refresh();
  }

  focus(id) {
    this.#rows.get(id)?.opener.focus();
  }

  /** Show again what is searched, filtered, selected and opened. */
  refresh() {
    for (const [id, row] of this.#rows) {
      row.element.hidden = !row.fits(this.#words, this.#status);
      row.mark({ selected: this.#selected.has(id), opened: id === this.opened });
    }
    const { shown } = this;
    this.empty.element.hidden = shown.length > 0;
    this.grid.hidden = shown.length === 0;
    this.empty.update(this.#rows.size > 0);
    const some = shown.filter((row) => row.box.checked).length;
    this.all.checked = some > 0 && some === shown.length;
    this.all.indeterminate = some > 0 && some < shown.length;
    set(this.element, "data-selecting", this.#selected.size > 0);
    this.dispatchEvent(new Event("selection"));
  }

  #place(process, now, before) {
    let row = this.#rows.get(process.id);
    if (row) row.update(process, now);
    else this.#rows.set(process.id, row = new Row(this.says, process, now, this.does));
    const next = before ? before.nextSibling : this.body.firstChild;
    if (row.element !== next) this.body.insertBefore(row.element, next);
    return row.element;
  }

  #remove(id) {
    this.#rows.get(id).element.remove();
    this.#rows.delete(id);
    this.#selected.delete(id);
  }

  #select(id, on, range) {
    const ids = this.shown.map((row) => row.id);
    const [from, to] = [ids.indexOf(this.#last), ids.indexOf(id)];
    const chosen = range && from >= 0 ? ids.slice(Math.min(from, to), Math.max(from, to) + 1) : [id];
    for (const each of chosen) this.#selected[on ? "add" : "delete"](each);
    this.#last = id;
    this.refresh();
  }

  #selectAll() {
    for (const { id } of this.shown) this.#selected[this.all.checked ? "add" : "delete"](id);
    this.refresh();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const { shown } = this;
    const at = shown.findIndex((row) => row.element.contains(event.target));
    const next = shown[at + step];
    if (!next) return;
    event.preventDefault();
    next.opener.focus();
  }
}
