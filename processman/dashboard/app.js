// The dashboard: everything on the page, put together, and what moves between its parts.

import { Api } from "./api.js";
import { Bulk } from "./bulk.js";
import { Drawer } from "./drawer.js";
import { h, icon, say, set } from "./dom.js";
import { Notice } from "./notice.js";
import { Processes } from "./processes.js";
import { Summary } from "./summary.js";
import { Table } from "./table.js";
import { Toasts } from "./toast.js";
import { speak } from "./words.js";

/** Where the drawer covers everything else; the style sheet has the same width. */
const NARROW = matchMedia("(max-width: 760px)");

export class App {
  #end = new AbortController();
  #opened = null;

  /**
   * @param root where it is shown; it is emptied
   * @param ask a way to ask the API
   * @param tools more buttons for the head of the page
   * @param opened the id of the process whose drawer is open from the beginning
   * @param refused called with the problem when nobody may look
   */
  constructor(root, { ask, language, tools = [], opened = null, refused }) {
    this.says = { t: speak(language), language };
    this.root = root;
    this.refused = refused;
    this.api = new Api(ask);
    this.processes = new Processes(this.api);
    this.toasts = new Toasts();
    // one above the list, and one in the drawer for where that covers it
    this.notices = [1, 2].map(() => new Notice(this.says, () => this.processes.hurry()));
    this.summary = new Summary(this.says.t, (status) => this.#filter(status));
    this.table = new Table(this.says, { open: (id) => this.open(id), act: (id, action) => this.act(id, action),
      reset: () => this.#reset() });
    this.bulk = new Bulk(this.says, { table: this.table, processes: this.processes, root, toast: this.toasts.say });
    this.#build(tools);
    this.#listen();
    this.processes.addEventListener("change", () => this.open(opened), { once: true });
    this.processes.start();
  }

  #build(tools) {
    const { t } = this.says;
    this.live = h("span", {});
    this.badge = h("span", { class: "live", role: "status" }, h("i", { class: "dot" }), this.live);
    this.search = h("input", { type: "search", placeholder: t("hintSearch"), "aria-label": t("search"), spellcheck: "false",
      "aria-keyshortcuts": "/", on: { input: () => this.#search() } });
    this.count = h("span", { class: "unseen", role: "status" });
    this.side = h("div", { class: "side" });
    const name = h("h1", {}, h("span", { class: "mark" }, h("i"), h("i"), h("i")), t("title"));
    this.head = h("header", { class: "head" }, name, this.badge,
      h("label", { class: "search" }, icon("search"), this.search, h("kbd", {}, "/")), h("span", { class: "tools" }, ...tools));
    this.main = h("main", {}, this.summary.element, this.table.element);
    this.body = h("div", { class: "body", hidden: true }, this.main, this.side);
    this.root.replaceChildren(this.head, this.notices[0].element, this.body, this.bulk.element, this.toasts.element, this.count);
  }

  #listen() {
    const { signal } = this.#end;
    this.processes.addEventListener("change", () => this.#update());
    this.processes.addEventListener("back", () => this.toasts.say(this.says.t("back")));
    this.processes.addEventListener("refused", () => this.refused(this.processes.problem));
    addEventListener("online", () => this.processes.hurry(), { signal });
    addEventListener("keydown", (event) => this.#key(event), { signal });
    NARROW.addEventListener("change", () => this.#cover(), { signal });
    const ticker = setInterval(() => this.#tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(ticker));
  }

  /** Take it off the page, and let go of everything. */
  close() {
    this.#end.abort();
    this.processes.stop();
    this.#opened?.close();
    this.root.replaceChildren();
  }

  /** The id of the process whose drawer is open. */
  get opened() {
    return this.#opened?.id ?? null;
  }

  open(id) {
    const process = this.processes.get(id);
    if (!process || this.#opened?.id === id) return;
    this.#opened?.close();
    this.#opened = new Drawer(this.says, process, this.processes.now, { api: this.api, toast: this.toasts.say,
      act: (action) => this.act(id, action), close: () => this.closeDrawer() });
    this.side.replaceChildren(this.notices[1].element, this.#opened.element);
    this.#mark(id);
    this.#opened.title.focus({ preventScroll: true }); // what is not shown takes no focus
  }

  closeDrawer() {
    const { id } = this.#opened;
    this.#opened.close();
    this.#opened = null;
    this.#mark(null);
    this.table.focus(id);
  }

  async act(id, action) {
    try {
      await this.processes.act(id, action);
    } catch (problem) {
      const { t } = this.says;
      this.toasts.say(t("could", { id, why: problem.message || t("unreachable") }), true);
    }
  }

  #mark(id) {
    this.table.opened = id;
    this.table.refresh();
    set(this.root, "data-open", id !== null);
    this.#cover();
  }

  /** Keep the keyboard off what the drawer covers; in the page of another, our head stays above it. */
  #cover() {
    const covered = NARROW.matches && this.#opened !== null;
    this.main.inert = this.bulk.element.inert = covered;
    this.head.inert = this.notices[0].element.inert = covered && !this.root.classList.contains("embedded");
  }

  #update() {
    const { connection, all, now } = this.processes;
    say(this.live, this.says.t(connection));
    set(this.badge, "data-connection", connection);
    set(this.root, "data-connection", connection);
    for (const notice of this.notices) notice.update(this.processes);
    this.body.hidden = !this.processes.seenAt;
    if (this.body.hidden) return;
    this.summary.update(all, this.table.status);
    this.table.update(all, now);
    const opened = this.#opened && this.processes.get(this.#opened.id);
    if (opened) this.#opened.update(opened, now);
    this.#count();
  }

  #tick() {
    if (document.hidden) return;
    const { now } = this.processes;
    this.table.tick(now);
    this.#opened?.tick(now);
    for (const notice of this.notices) notice.update(this.processes);
  }

  #filter(status) {
    this.table.filter(status === this.table.status ? "all" : status);
    this.summary.update(this.processes.all, this.table.status);
    this.#count();
  }

  #search() {
    this.table.search(this.search.value);
    this.#count();
  }

  #reset() {
    this.search.value = "";
    this.table.search("");
    this.table.filter("all");
    this.summary.update(this.processes.all, "all");
    this.search.focus();
  }

  /** Tell a screen reader how many are shown, when that is not all. */
  #count() {
    const [shown, all] = [this.table.shown.length, this.processes.all.length];
    say(this.count, shown === all ? "" : this.says.t("shown", { shown, all }));
  }

  #key(event) {
    const at = event.composedPath()[0] ?? event.target;
    if (event.key === "Escape") this.#escape(event, at);
    if (event.key !== "/" || event.ctrlKey || event.metaKey || at.matches?.("input, textarea, select")) return;
    event.preventDefault();
    this.search.focus();
  }

  #escape(event, at) {
    // it is a question's, or a search field's that has something, or somebody else's who has taken it
    const taken = event.isComposing || event.defaultPrevented || (at.type === "search" && at.value);
    if (this.#opened && !taken && !this.root.querySelector("dialog")) this.closeDrawer();
  }
}
