// One process in the table.

import { button, h, icon, say, set } from "./dom.js";
import { duration } from "./time.js";
import { failure } from "./words.js";

const RUNS = ["running", "starting", "restarting"];

/** A status in words, with its colour, and with a pulse while it is on its way to another. */
export function pill(t) {
  const word = h("span", {});
  const element = h("span", { class: "pill" }, h("i", { class: "dot" }), word);
  return { element, update(status) { set(element, "data-status", status); say(word, t(status)); } };
}

/** The buttons for what can be asked of a process: start or stop, and restart. */
export function actions(t, id, act) {
  const make = (action) => button(action, t(`${action}One`, { id }), (event) => { event.stopPropagation(); act(action); },
    { kind: action });
  const [start, stop, restart] = ["start", "stop", "restart"].map(make);
  const element = h("span", { class: "actions" }, start, stop, restart);
  return { element, update({ shown }) {
    start.hidden = RUNS.includes(shown) || shown === "stopping";
    stop.hidden = !start.hidden;
    stop.disabled = shown === "stopping";
  } };
}

/** Return what of *process* needs words: when it is tried again, its last error, what could not be ended. */
export function note({ t, language }, process, now) {
  const said = [];
  const error = failure(language, process.lastError);
  if (process.shown === "crashed" && process.retryAt) {
    const left = Math.ceil((process.retryAt - now) / 1000);
    said.push(left > 0 ? t("retry", { time: duration(left) }) : t("retryNow"));
  }
  if (error) said.unshift(error);
  if (process.escaped.length) said.push(t("escaped", { names: process.escaped.join(", ") }));
  if (process.watch?.startsWith("degraded")) said.push(failure(language, `file watch ${process.watch}`));
  return said.join(" · ");
}

export class Row {
  #cells = {};

  constructor(says, process, now, { open, act, select }) {
    const { t } = this.says = says;
    const { id } = process;
    const cell = (name, ...children) =>
      this.#cells[name] = h("span", { role: "cell", class: `cell ${name}` }, ...children);
    this.id = id;
    this.status = pill(t);
    this.actions = actions(t, id, (action) => act(id, action));
    this.box = h("input", { type: "checkbox", "aria-label": t("selectOne", { id }),
      on: { click: (event) => { event.stopPropagation(); select(id, this.box.checked, event.shiftKey); } } });
    this.opener = h("button", { type: "button", class: "open", title: t("openOne", { id }) }, id);
    this.what = h("small", { class: "what" });
    this.element = h("div", { role: "row", class: "row", "data-id": id, on: { click: () => open(id) } },
      cell("box", h("label", { class: "tick", on: { click: (event) => event.stopPropagation() } }, this.box)),
      cell("name", this.opener, this.what), cell("status", this.status.element), cell("pid"), cell("uptime"),
      cell("restarts"), cell("note"), cell("do", this.actions.element));
    this.update(process, now);
  }

  update(process, now) {
    const { config } = process;
    this.process = process;
    const what = [config.command ?? config.script, ...config.args].join(" ");
    say(this.what, what);
    set(this.what, "title", what);
    this.status.update(process.shown);
    this.actions.update(process);
    set(this.element, "data-status", process.shown);
    say(this.#cells.pid, process.pid === null ? "–" : String(process.pid));
    say(this.#cells.restarts, String(process.restartCount));
    set(this.#cells.restarts, "data-some", process.restartCount > 0);
    this.tick(now);
  }

  /** Show what moves with the time alone. */
  tick(now) {
    const { since } = this.process;
    say(this.#cells.uptime, since === null ? "–" : duration((now - since) / 1000));
    const text = note(this.says, this.process, now);
    say(this.#cells.note, text);
    set(this.#cells.note, "title", text || null);
  }

  mark({ selected, opened }) {
    this.box.checked = selected;
    set(this.element, "data-selected", selected);
    set(this.element, "aria-current", opened && "true");
  }

  fits(words, status) {
    const { id, config, lastError, shown, pid } = this.process;
    if (status !== "all" && status !== shown) return false;
    const text = [id, config.command, config.script, ...config.args, lastError, pid].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  }
}

/** The head of the columns. */
export function head(t, selectAll) {
  const cell = (name, ...children) => h("span", { role: "columnheader", class: `cell ${name}` }, ...children);
  return h("div", { role: "row", class: "row head" }, cell("box", h("label", { class: "tick" }, selectAll)),
    cell("name", t("process")), cell("status", t("status")), cell("pid", t("pid")), cell("uptime", t("uptime")),
    cell("restarts", t("restarts")), cell("note", t("note")), cell("do", h("span", { class: "unseen" }, t("actions"))));
}

/** What stands where no row does. */
export function empty(t, reset) {
  const title = h("strong", {});
  const hint = h("p", {});
  const all = button(null, t("reset"), reset, { text: true });
  const drawn = h("span", {});
  const element = h("div", { class: "empty" }, drawn, title, hint, all);
  return { element, update(any) {
    if (all.hidden === any || !drawn.firstChild) drawn.replaceChildren(icon(any ? "search" : "terminal"));
    say(title, t(any ? "noMatch" : "none"));
    say(hint, t(any ? "noMatchHint" : "noneHint"));
    all.hidden = !any;
  } };
}
