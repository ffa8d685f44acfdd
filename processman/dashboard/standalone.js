// A page that is ours alone: the dashboard in it, with buttons for the theme and the language.

import { App } from "./app.js";
import { button, h } from "./dom.js";
import { speak } from "./words.js";

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
    dress(root, preferences, t);
    app?.close();
    const more = leave && session.token ? [button("leave", t("signOut"), () => end({ status: 401 }, true), { kind: "leave" })] : [];
    app = new App(root, { ask: session.ask, language, tools: [...tools(preferences, t), ...more], refused: end });
  };

  const end = async (problem, wanted = false) => {
    app?.close();
    app = null;
    await refused(root, problem, wanted);
    begin();
  };

  preferences.addEventListener("change", () => {
    if (app) begin();
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

function tools(preferences, t) {
  const language = button(null, t("language"), () => {
    preferences.language = preferences.language === "zh" ? "en" : "zh";
  }, { text: true, kind: "small language" });
  const icon = { auto: "auto", light: "sun", dark: "moon" }[preferences.theme];
  const theme = button(icon, t("theme", { theme: t(preferences.theme) }), () => {
    preferences.theme = preferences.nextTheme;
  }, { kind: "theme" });
  return [language, theme];
}
