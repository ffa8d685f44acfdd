// What is said across the page when nobody answers, and until when.

import { button, h, icon, say } from "./dom.js";
import { duration } from "./time.js";

/** What the server says where trying again will do; anything else keeps the manager from starting. */
const NOW = /^(The process manager|Authentication) (is|does) /;

export class Notice {
  constructor({ t }, again) {
    this.t = t;
    this.title = h("strong", {}, t("lostTitle"));
    this.why = h("span", { class: "why" });
    this.hint = h("span", { "aria-hidden": "true" }); // it counts, which nobody wants to be read
    this.again = button("restart", t("tryNow"), again, { text: true, kind: "small" });
    this.element = h("div", { class: "notice", role: "alert", hidden: true },
      icon("alert"), this.title, this.why, this.hint, this.again);
  }

  update({ connection, problem, seenAt, retryAt }) {
    const away = NOW.test(problem?.message) ? "awayTitle" : "startTitle";
    const title = { lost: "lostTitle", refused: "forbidden", away }[connection];
    if (this.element.hidden === Boolean(title)) this.element.hidden = !title;
    if (!title) return;
    say(this.title, this.t(title));
    say(this.why, problem.message);
    this.again.hidden = this.hint.hidden = connection === "refused";
    const next = Math.ceil((retryAt - Date.now()) / 1000);
    const age = duration((Date.now() - seenAt) / 1000);
    say(this.hint, next > 0 && seenAt ? this.t("lostHint", { time: age, next: duration(next) }) : this.t("trying"));
  }
}
