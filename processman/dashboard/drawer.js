// The drawer: everything about one process, its live log first.

import { configuration } from "./configuration.js";
import { button, h, say, set } from "./dom.js";
import { Logs } from "./logs.js";
import { actions, note, pill } from "./row.js";
import { follow } from "./tail.js";
import { date, duration } from "./time.js";

export class Drawer {
  #end = new AbortController();
  #facts = {};
  #terms = {};
  #shownConfig = "";

  constructor(says, process, now, { api, act, close, toast }) {
    const { t } = this.says = says;
    this.id = process.id;
    this.status = pill(t);
    this.actions = actions(t, this.id, act);
    this.logs = new Logs(says, { toast });
    this.config = h("div", { class: "panel", role: "tabpanel", id: "pm-panel-configuration", tabindex: "0", hidden: true });
    this.log = h("div", { class: "panel", role: "tabpanel", id: "pm-panel-logs" }, this.logs.element);
    this.note = h("p", { class: "note", hidden: true });
    this.gone = h("p", { class: "note gone", role: "alert", hidden: true }, t("gone"));
    this.title = h("h2", { tabindex: "-1" }, this.id);
    this.element = h("aside", { class: "drawer", role: "dialog", "aria-label": t("details", { id: this.id }) },
    h("header", {}, h("div", { class: "top" }, this.title, this.status.element, this.actions.element,
      button("close", t("close"), close)), this.#fact(t, ["pid", "uptime", "started", "runs", "restarts", "exitCode"]),
      this.note, this.gone, this.#tabs(t)),
    this.log, this.config);
    this.update(process, now);
    follow(api, this.id, (told) => this.#told(told), this.#end.signal);
  }

  #fact(t, names) {
    return h("dl", { class: "facts" }, ...names.map((name) =>
      h("div", {}, this.#terms[name] = h("dt", {}, t(name)), this.#facts[name] = h("dd", {}))));
  }

  #tabs(t) {
    const panels = { logs: this.log, configuration: this.config };
    const tabs = Object.keys(panels).map((name) => h("button", { type: "button", role: "tab", id: `pm-tab-${name}`,
      "aria-controls": `pm-panel-${name}`, on: { click: () => choose(name), keydown: (event) => step(event) } }, t(name)));
    const choose = (name) => Object.keys(panels).forEach((each, index) => {
      panels[each].hidden = each !== name;
      set(panels[each], "aria-labelledby", `pm-tab-${each}`);
      set(tabs[index], "aria-selected", String(each === name));
      set(tabs[index], "tabindex", each === name ? "0" : "-1");
    });
    const step = (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tabs[1 - tabs.indexOf(event.target)];
      other.click();
      other.focus();
    };
    choose("logs");
    return h("div", { role: "tablist", class: "tabs" }, ...tabs);
  }

  update(process, now) {
    this.process = process;
    this.status.update(process.shown);
    this.actions.update(process);
    const shown = { pid: process.pid, runs: process.run, restarts: process.restartCount,
      started: process.startTime && date(process.startTime, this.says.language), exitCode: process.signal ?? process.exitCode };
    for (const [name, value] of Object.entries(shown)) say(this.#facts[name], value == null ? "–" : String(value));
    say(this.#terms.exitCode, this.says.t(process.signal ? "endedBy" : "exitCode"));
    const config = JSON.stringify(process.config);
    if (config !== this.#shownConfig) this.config.replaceChildren(configuration(this.says, process.config));
    this.#shownConfig = config;
    this.tick(now);
  }

  tick(now) {
    const { since } = this.process;
    say(this.#facts.uptime, since === null ? "–" : duration((now - since) / 1000));
    const text = note(this.says, this.process, now);
    say(this.note, text);
    this.note.hidden = !text;
    set(this.note, "data-status", this.process.shown);
  }

  close() {
    this.#end.abort();
    this.element.remove();
  }

  #told({ entries, gone = false }) {
    this.gone.hidden = !gone;
    this.logs.add(entries);
  }
}
