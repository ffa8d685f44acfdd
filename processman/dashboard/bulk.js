// What is done to all that are selected: a bar of buttons, a question, and a few at a time.

import { button, h, say } from "./dom.js";
import { confirm } from "./dialog.js";

/** A stop is answered when it is done; a browser has six connections, and the page needs some of them. */
const AT_A_TIME = 3;

export class Bulk {
  #table;
  #processes;

  constructor(says, { table, processes, root, toast }) {
    Object.assign(this, { says, root, toast });
    this.#table = table;
    this.#processes = processes;
    const { t } = says;
    const make = (action) => button(action, t(action), () => this.#ask(action), { text: true, kind: action });
    this.count = h("span", { class: "count", role: "status" });
    this.element = h("div", { class: "bulk", role: "toolbar", "aria-label": t("actions") }, this.count,
      ...["start", "restart", "stop"].map(make), button("close", t("clear"), () => table.unselect()));
    table.addEventListener("selection", () => this.update());
    this.update();
  }

  update() {
    const { selected, shown } = this.#table;
    const count = selected.length;
    const hidden = count - shown.filter(({ id }) => selected.includes(id)).length;
    this.element.hidden = count === 0;
    say(this.count, count ? this.says.t(hidden ? "selectedHidden" : "selected", { count, hidden }) : "");
  }

  async #ask(action) {
    const ids = this.#table.selected;
    if (!await confirm(this.says, this.root, action, ids)) return;
    this.#table.unselect();
    const failed = await this.#act(ids, action);
    const { t } = this.says;
    if (!failed.length) this.toast(t("doneAll", { count: ids.length }));
    else this.toast(t("doneSome", { done: ids.length - failed.length, failed: failed.length, why: failed[0] }), true);
  }

  /** Do it; return what went wrong, in words. */
  async #act(ids, action) {
    const left = [...ids];
    const failed = [];
    const worker = async () => {
      for (let id = left.shift(); id !== undefined; id = left.shift()) await this.#actOn(id, action, failed);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    return failed;
  }

  async #actOn(id, action, failed) {
    const runs = ["running", "starting"].includes(this.#processes.get(id)?.status);
    if (action === "start" && runs) return;
    try {
      await this.#processes.act(id, action);
    } catch (problem) {
      failed.push(this.says.t("could", { id, why: problem.message || this.says.t("unreachable") }));
    }
  }
}
