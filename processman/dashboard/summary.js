// How many processes there are of each status: a bar, and a filter that counts.

import { h, say, set } from "./dom.js";
import { STATUSES } from "./processes.js";

/** These are there even when nothing is; the others come and go. */
const ALWAYS = ["running", "crashed", "failed", "stopped"];

export class Summary {
  #chips = new Map();
  #parts = new Map();

  constructor(t, choose) {
    this.bar = h("div", { class: "bar", "aria-hidden": "true" });
    this.chips = h("div", { class: "chips", role: "group", "aria-label": t("filter") });
    for (const status of ["all", ...STATUSES]) this.#add(status, t(status), choose);
    this.element = h("section", { class: "summary" }, this.bar, this.chips);
  }

  #add(status, label, choose) {
    const count = h("strong", {}, "0");
    const chip = h("button", { type: "button", class: "chip", "data-status": status, on: { click: () => choose(status) } },
      h("i", { class: "dot" }), count, h("span", {}, label));
    this.#chips.set(status, { chip, count });
    this.chips.append(chip);
    if (status === "all") return;
    const part = h("i", { "data-status": status });
    this.#parts.set(status, part);
    this.bar.append(part);
  }

  update(processes, chosen) {
    for (const [status, { chip, count }] of this.#chips) {
      const number = status === "all" ? processes.length : processes.filter((one) => one.shown === status).length;
      say(count, String(number));
      set(chip, "aria-pressed", String(status === chosen));
      set(chip, "data-zero", number === 0);
      chip.hidden = !(number || status === "all" || status === chosen || ALWAYS.includes(status));
      const part = this.#parts.get(status);
      if (!part) continue;
      part.hidden = number === 0;
      part.style.flexGrow = number;
    }
  }
}
