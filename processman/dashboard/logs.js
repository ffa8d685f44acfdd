// The live log: it follows the newest line, stands still when somebody scrolls up, and keeps so many lines.

import { plain } from "./ansi.js";
import { button, h, icon, say, set } from "./dom.js";
import { entryElement } from "./line.js";

/** Entries that are kept, and shown. */
const KEEP = 2000;
/** Pixels from the end within which it follows. */
const NEAR = 40;

export class Logs {
  #kept = [];
  #waiting = [];
  #unseen = 0;
  #following = true;
  #words = "";
  #errorsOnly = false;
  #frame = 0;
  #size = "";

  constructor(says, { toast }) {
    const { t } = this.says = says;
    this.toast = toast;
    this.lines = h("div", { class: "lines", role: "log", "aria-live": "off", "aria-label": t("logs"), tabindex: "0",
      on: { scroll: () => this.#scrolled() } });
    new ResizeObserver(() => this.#resized()).observe(this.lines);
    this.nothing = h("p", { class: "nothing" }, t("noLines"));
    this.unseen = h("span", {});
    this.jump = h("button", { type: "button", class: "jump", hidden: true, on: { click: () => this.#follow() } },
      icon("down"), this.unseen);
    this.element = h("div", { class: "logs" }, this.#tools(t), h("div", { class: "paper" }, this.lines, this.nothing, this.jump));
  }

  #tools(t) {
    const search = h("input", { type: "search", placeholder: t("searchLogs"), "aria-label": t("searchLogs"), spellcheck: "false",
      on: { input: () => this.#search(search.value) } });
    const pressed = (make, on, change) => {
      const tool = make(() => {
        on = !on;
        set(tool, "aria-pressed", String(on));
        change(on);
      });
      set(tool, "aria-pressed", String(on));
      return tool;
    };
    const errors = pressed((click) => button(null, t("onlyErrors"), click, { text: true, kind: "small" }), false,
      (on) => { this.#errorsOnly = on; this.#rebuild(); });
    const wrap = pressed((click) => button("wrap", t("wrap"), click), true, (on) => {
      set(this.lines, "data-nowrap", !on);
      if (this.#following) this.#toEnd();
    });
    return h("div", { class: "tools" }, h("label", { class: "search" }, icon("search"), search), errors, wrap,
      button("copy", t("copy"), () => this.#copy()));
  }

  /** Take in *entries*; they are drawn with the next frame, or when somebody wants to see them. */
  add(entries) {
    if (!entries.length) return;
    this.#kept.push(...entries);
    if (this.#kept.length > KEEP) this.#kept.splice(0, this.#kept.length - KEEP);
    if (!this.#following) {
      this.#unseen += entries.filter((entry) => this.#fits(entry)).length;
      this.#tell();
      return;
    }
    this.#waiting.push(...entries);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const fitting = this.#waiting.splice(0).slice(-KEEP).filter((entry) => this.#fits(entry));
    if (fitting.length) {
      // a block of its own for each answer: what is old goes, and what is new comes, without the rest being laid out
      this.lines.append(h("div", { class: "block" }, ...fitting.map((entry) => entryElement(this.says, entry, this.#words))));
      this.#trim();
    }
    this.#tell();
    this.#toEnd();
  }

  #toEnd() {
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  #trim() {
    const blocks = [...this.lines.children];
    let count = blocks.reduce((sum, block) => sum + block.childElementCount, 0);
    for (const block of blocks) {
      if (count - block.childElementCount < KEEP) return;
      count -= block.childElementCount;
      block.remove();
    }
  }

  #rebuild() {
    this.lines.replaceChildren();
    this.#waiting = [...this.#kept];
    this.#following = true;
    this.#unseen = 0;
    this.#draw();
  }

  #follow() {
    this.#rebuild();
    this.lines.focus();
  }

  #resized() {
    this.#size = sizeOf(this.lines);
    if (this.#following) this.#toEnd();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.lines;
    const near = scrollHeight - scrollTop - clientHeight < NEAR;
    // another size has moved the lines, and nobody has scrolled
    if (near === this.#following || this.#frame || this.#size !== sizeOf(this.lines)) return;
    if (near) this.#rebuild();
    this.#following = near;
    this.#tell();
  }

  #tell() {
    const { t } = this.says;
    this.jump.hidden = this.#following;
    say(this.unseen, this.#unseen ? t("unseen", { count: this.#unseen }) : t("follow"));
    this.nothing.hidden = this.lines.childElementCount > 0;
    say(this.nothing, t(this.#kept.length ? "noLinesMatch" : "noLines"));
  }

  #search(text) {
    this.#words = text.toLowerCase();
    this.#rebuild();
  }

  #fits({ kind, line }) {
    if (kind !== "line") return !this.#words && !this.#errorsOnly;
    if (this.#errorsOnly && line.stream !== "stderr") return false;
    return !this.#words || plain(line.content).toLowerCase().includes(this.#words);
  }

  async #copy() {
    const lines = this.#kept.filter((entry) => entry.kind === "line" && this.#fits(entry));
    const text = lines.map(({ line }) => plain(line.content)).join("\n");
    const { t } = this.says;
    if (await write(text, this.element)) this.toast(t("copied", { count: lines.length }));
    else this.toast(t("notCopied"), true);
  }
}

function sizeOf({ clientWidth, clientHeight }) {
  return `${clientWidth} ${clientHeight}`;
}

/** Copy *text*; without a secure context there is only the old way. */
async function write(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
    area.value = text;
    near.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
