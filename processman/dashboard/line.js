// One entry of a log as an element: a line with its time, stream and colours, or what happened between two.

import { pieces } from "./ansi.js";
import { h } from "./dom.js";
import { clock } from "./time.js";

/** Make the element of *entry*; *words* are marked in its text. */
export function entryElement({ t }, entry, words) {
  if (entry.kind !== "line") return between(t, entry);
  const { line } = entry;
  const error = line.stream === "stderr";
  const text = h("span", { class: "text" }, ...pieces(line.content).flatMap((piece) => spans(piece, words)));
  return h("div", { class: error ? "line error" : "line" }, h("time", {}, clock(line.timestamp)),
    error ? h("span", { class: "tag" }, t("stderr")) : null, text);
}

function between(t, { kind, run, count }) {
  return h("div", { class: `between ${kind}` }, h("span", {}, { run: () => t("run", { run }), anew: () => t("anew"),
    gap: () => t("gap", { count }) }[kind]()));
}

function spans({ text, classes }, words) {
  const parts = words ? marked(text, words) : [text];
  return classes ? [h("span", { class: classes }, ...parts)] : parts;
}

function marked(text, words) {
  const parts = [];
  const lower = text.toLowerCase();
  let at = 0;
  for (let found = lower.indexOf(words); found >= 0; found = lower.indexOf(words, at)) {
    parts.push(text.slice(at, found), h("mark", {}, text.slice(found, found + words.length)));
    at = found + words.length;
  }
  return [...parts, text.slice(at)];
}
