// A word about what was done, that goes by itself.

import { h, icon } from "./dom.js";

const STAYS = 5000;

export class Toasts {
  element = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

  /** Say *text*; *bad* says that something went wrong. */
  say = (text, bad = false) => {
    const toast = h("p", { class: `toast ${bad ? "bad" : ""}` }, icon(bad ? "alert" : "check"), h("span", {}, text));
    this.element.append(toast);
    setTimeout(() => toast.remove(), bad ? 2 * STAYS : STAYS);
    while (this.element.children.length > 3) this.element.firstChild.remove();
  };
}
