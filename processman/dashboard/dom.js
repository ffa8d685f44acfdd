// Elements made of text. Nothing here, nor anywhere else in the dashboard, reads a string as HTML.

/** Make an element: attributes by name, listeners by `on: {click: …}`, children as nodes or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") listen(element, value);
    else set(element, name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Set an attribute; `false` and nothing at all take it away. Listeners are functions and never come this way. */
export function set(element, name, value) {
  if (name.startsWith("on")) throw new TypeError("listeners are functions");
  if (value === false || value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

/** Show *text* in *element*; what is shown already costs nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function listen(element, listeners) {
  for (const [event, listener] of Object.entries(listeners)) element.addEventListener(event, listener);
}

const SVG = "http://www.w3.org/2000/svg";

/** Drawn on 24 by 24 with a line of 2. */
const ICONS = {
  start: "M7 4.500v15L19.500 12z",
  stop: "M6 6h12v12H6z",
  restart: "M20 12a8 8 0 1 1-2.6-5.9M20 4v4.5h-4.5",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM20 20l-4-4",
  terminal: "M4 5h16v14H4zM8 9.500l2.500 2.500L8 14.500M13 15h3.500",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  wrap: "M4 6h16M4 12h13a3 3 0 0 1 0 6h-4m2-2.5L12.500 18l2.500 2.500M4 18h5",
  down: "M12 5v14M6 13l6 6 6-6",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M5 19l1.400-1.400"
    + "M17.600 6.400L19 5",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  auto: "M12 3a9 9 0 1 1 0 18zM12 3a9 9 0 0 0 0 18",
  leave: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h10",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.5",
};

/** Draw the icon *name*; it says nothing to a screen reader, its button does. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Make a button: an icon with *label* for who cannot see it, or both where *text* is asked for. */
export function button(name, label, click, { text = false, kind = "", ...more } = {}) {
  const hidden = text ? {} : { "aria-label": label, title: label };
  return h("button", { type: "button", class: `button ${kind} ${text ? "" : "square"}`, ...hidden, ...more,
    on: { click } }, name && icon(name), text ? h("span", {}, label) : null);
}
