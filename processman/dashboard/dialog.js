// Questions: whether something is really to be done to many, and who asks.

import { button, h, icon } from "./dom.js";

const SHOWN = 8;

/** Ask whether *action* is to be done to *ids*; resolve to the answer. */
export function confirm({ t }, root, action, ids) {
  const key = action[0].toUpperCase() + action.slice(1);
  const count = ids.length;
  const shown = ids.slice(0, count > SHOWN ? SHOWN - 1 : SHOWN);
  const list = h("ul", { class: "ids" }, ...shown.map((id) => h("li", {}, id)),
    count > shown.length ? h("li", { class: "rest" }, t("more", { count: count - shown.length })) : null);
  const asked = count > 1 ? t(`confirm${key}`, { count }) : t("question", { text: t(`${action}One`, { id: ids[0] }) });
  const title = h("h2", { id: "pm-question" }, asked);
  const cancel = button(null, t("cancel"), () => dialog.close("no"), { text: true });
  const yes = button(action, t(action), () => dialog.close("yes"), { text: true, kind: `solid ${action}` });
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "pm-question" },
    title, h("p", {}, t(`confirm${key}Hint`)), count > 1 ? list : null, h("div", { class: "answers" }, cancel, yes));
  root.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close("no"); });
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    dialog.showModal();
    cancel.focus();
  });
}

/** Show the page that asks for a token in place of everything else; resolve to what is given. */
export function signIn({ t }, root, complaint) {
  const input = h("input", { type: "password", id: "pm-token", name: "token", autocomplete: "current-password",
    spellcheck: "false", required: true, "aria-describedby": "pm-token-hint" });
  // for whoever keeps passwords: they go with a name
  const name = h("input", { type: "text", name: "username", autocomplete: "username", value: "processman", hidden: true });
  return new Promise((resolve) => {
    const submit = (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (given) resolve(given);
    };
    root.replaceChildren(h("main", { class: "welcome" }, h("form", { class: "card", on: { submit } },
      h("span", { class: "mark" }, icon("lock")), h("h1", {}, "processman"), h("p", {}, t("signInHint")),
      name, h("label", { for: "pm-token" }, t("token")), input,
      complaint ? h("p", { class: "complaint", role: "alert" }, icon("alert"), h("span", {}, complaint)) : null,
      h("button", { type: "submit", class: "button solid" }, t("signIn")),
      h("small", { id: "pm-token-hint" }, t("tokenHint")))));
    input.focus();
  });
}

/** Send whoever is not signed in to where that is done; there is no way on from here but to come back. */
export function welcome({ t }, root, address, forbidden) {
  root.replaceChildren(h("main", { class: "welcome" }, h("div", { class: "card" },
    h("span", { class: "mark" }, icon("lock")), h("h1", {}, "processman"),
    h("p", {}, t(forbidden ? "forbidden" : "signInThere")), h("a", { class: "button solid", href: address }, t("signIn")))));
  return new Promise(() => {});
}
