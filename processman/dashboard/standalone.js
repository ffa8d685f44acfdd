// A page that is ours alone: the dashboard in it, with buttons for the theme and the language.

import { App } from "./app.js";
import { button, h, icon, set } from "./dom.js";
import { speak } from "./words.js";

const ICONS = { auto: "auto", light: "sun", dark: "moon" };

/**
 * Show the dashboard as the whole page.
 * @param session asks the API
 * @param leave whether there is a button that forgets the token
 * @param refused called with where to say it, and the problem, when nobody may look; once it resolves we try again
 */
export function show({ session, preferences, leave, refused }) {
  const root = h("div", { class: "pm" });
  let app = null;

  const begin = () => {
    const { language } = preferences;
    const t = speak(language);
    const opened = app?.opened;
    dress(root, preferences, t);
    app?.close();
    const out = leave && session.token && button("leave", t("signOut"), () => end({ status: 401 }, true), { kind: "leave" });
    const tools = [languageButton(preferences, t), themeButton(preferences, t), out || null];
    app = new App(root, { ask: session.ask, language, tools, opened, refused: end });
  };

  const end = async (problem, wanted = false) => {
    app?.close();
    app = null;
    await refused(root, problem, wanted);
    begin();
  };

  preferences.addEventListener("change", () => {
    // another language is another page; another theme is only other colours
    if (app && app.says.language !== preferences.language) begin();
    else dress(root, preferences, speak(preferences.language));
  });
  document.body.append(root);
  begin();
}

function dress(root, preferences, t) {
  const { documentElement } = document;
  documentElement.lang = preferences.language === "zh" ? "zh-Hans" : "en";
  document.title = t("title");
  root.dataset.theme = documentElement.dataset.theme = preferences.shownTheme;
}

function languageButton(preferences, t) {
  return button(null, t("language"), () => {
    preferences.language = preferences.language === "zh" ? "en" : "zh";
  }, { text: true, kind: "small language" });
}

function themeButton(preferences, t) {
  const made = button(ICONS[preferences.theme], "", () => {
    preferences.theme = preferences.nextTheme;
    look();
  }, { kind: "theme" });
  const look = () => {
    const label = t("theme", { theme: t(preferences.theme) });
    made.replaceChildren(icon(ICONS[preferences.theme]));
    set(made, "aria-label", label);
    set(made, "title", label);
  };
  look();
  return made;
}
