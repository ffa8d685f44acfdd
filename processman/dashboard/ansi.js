// Colours of a terminal, by an allow-list: known colours and weights become classes, everything else is shown as it is.

const ESCAPE = "\u001b";
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const BRIGHT = NAMES.map((name) => `bright-${name}`);
const PALETTE = [...NAMES, ...BRIGHT];

/** What 16 colours are meant to be, so that one of many more finds the nearest of them. */
const RGB = [[0, 0, 0], [205, 0, 0], [0, 205, 0], [205, 205, 0], [0, 0, 238], [205, 0, 205], [0, 205, 205],
  [229, 229, 229], [127, 127, 127], [255, 0, 0], [0, 255, 0], [255, 255, 0], [92, 92, 255], [255, 0, 255],
  [0, 255, 255], [255, 255, 255]];

const FLAGS = { 1: ["bold", true], 2: ["dim", true], 3: ["italic", true], 4: ["underline", true], 7: ["inverse", true],
  9: ["strike", true], 22: ["bold", false], 23: ["italic", false], 24: ["underline", false], 27: ["inverse", false],
  29: ["strike", false] };

/** Return *text* as pieces `{text, classes}`, in order. Takes one step for each character, whatever they are. */
export function pieces(text) {
  if (!UNUSUAL.test(text)) return [{ text, classes: "" }];
  const found = [];
  let style = {};
  for (let at = 0; at < text.length;) {
    const next = text.indexOf(ESCAPE, at);
    const end = next < 0 ? text.length : next;
    if (end > at) found.push({ text: printable(text.slice(at, end)), classes: classes(style) });
    if (next < 0) break;
    const code = sequence(text, next);
    if (code === null) found.push({ text: "␛", classes: "control" });
    else style = apply(style, code);
    at = code === null ? next + 1 : next + code.length + 3;
  }
  return found;
}

/** Return *text* without its colours, and with every other control character visible. */
export function plain(text) {
  return pieces(text).map((piece) => piece.text).join("");
}

// Controls, and marks that turn around or hide what stands beside them.
const UNUSUAL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const EACH = new RegExp(UNUSUAL.source, "g");

function printable(text) {
  return text.replace(EACH, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Return the numbers of the colour sequence that begins at *at*; `null` when it is anything else. */
function sequence(text, at) {
  if (text[at + 1] !== "[") return null;
  let end = at + 2;
  while (end < text.length && end < at + 64 && /[\d;]/.test(text[end])) end += 1;
  return text[end] === "m" ? text.slice(at + 2, end) : null;
}

function apply(style, code) {
  const numbers = code.split(";").map(Number);
  let now = { ...style };
  for (let at = 0; at < numbers.length; at += 1) {
    const number = numbers[at];
    if (number === 0) now = {};
    else if (FLAGS[number]) flag(now, number);
    else if (number === 38 || number === 48) at += many(now, number === 38 ? "fg" : "bg", numbers.slice(at + 1));
    else colour(now, number);
  }
  return now;
}

function flag(style, number) {
  const [name, on] = FLAGS[number];
  style[name] = on;
  if (number === 22) style.dim = false;
}

function colour(style, number) {
  const tens = Math.floor(number / 10);
  const [place, names] = { 3: ["fg", NAMES], 4: ["bg", NAMES], 9: ["fg", BRIGHT], 10: ["bg", BRIGHT] }[tens] ?? [];
  if (place) style[place] = number % 10 === 9 ? undefined : names[number % 10] ?? style[place];
}

/** Take one of 256 or of all colours; return how many numbers that took. */
function many(style, place, [kind, ...rest]) {
  if (kind === 5) {
    style[place] = PALETTE[rest[0] < 16 ? rest[0] : nearest(of256(rest[0]))];
    return 2;
  }
  if (kind !== 2) return 0;
  style[place] = PALETTE[nearest(rest)];
  return 4;
}

function of256(number) {
  if (number >= 232) return Array(3).fill(8 + (number - 232) * 10);
  const steps = [0, 95, 135, 175, 215, 255];
  const at = number - 16;
  return [steps[Math.floor(at / 36)], steps[Math.floor(at / 6) % 6], steps[at % 6]];
}

function nearest([red, green, blue]) {
  const far = RGB.map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
  return Math.max(0, far.indexOf(Math.min(...far)));
}

function classes({ fg, bg, ...flags }) {
  const on = Object.keys(flags).filter((name) => flags[name]);
  return [fg && `fg-${fg}`, bg && `bg-${bg}`, ...on].filter(Boolean).join(" ");
}
