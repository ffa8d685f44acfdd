// The page on its own, where the API is mounted: who may come in, the theme, the language.

import { App } from "./app.js";
import { signIn } from "./dialog.js";
import { button, h } from "./dom.js";
import { Preferences } from "./preferences.js";
import { Session } from "./session.js";
import { speak } from "./words.js";

const root = h("div", { class: "pm" });
const preferences = new Preferences();
const session = new Session(new URL("./", document.baseURI));
let app = null;

function show() {
  const { language } = preferences;
  const t = speak(language);
  dress(t);
  app?.close();
  app = new App(root, { ask: session.ask, language, tools: tools(t), refused });
}

function dress(t) {
  document.documentElement.lang = preferences.language === "zh" ? "zh-Hans" : "en";
  document.title = t("title");
  root.dataset.theme = preferences.shownTheme;
  document.documentElement.dataset.theme = preferences.shownTheme;
}

function tools(t) {
  const other = preferences.language === "zh" ? "en" : "zh";
  const icons = { auto: "auto", light: "sun", dark: "moon" };
  const theme = button(icons[preferences.theme], t("theme", { theme: t(preferences.theme) }), () => {
    preferences.theme = preferences.nextTheme;
  }, { kind: "theme" });
  const language = button(null, t("language"), () => { preferences.language = other; }, { text: true, kind: "small language" });
  const leave = () => {
    session.token = "";
    refused({ status: 401 });
  };
  return [language, theme, session.token ? button("leave", t("signOut"), leave, { kind: "leave" }) : null];
}

/** Ask for a token, and begin anew with it. A token that was not good enough is forgotten. */
async function refused({ status }) {
  const t = speak(preferences.language);
  const complaint = status === 403 ? t("forbidden") : session.token ? t("wrongToken") : "";
  session.token = "";
  app?.close();
  app = null;
  session.token = await signIn({ t }, root, { complaint, token: "" });
  show();
}

preferences.addEventListener("change", () => {
  if (app) show();
  else dress(speak(preferences.language));
});
document.body.append(root);
show();
