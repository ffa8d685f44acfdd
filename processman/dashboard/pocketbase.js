// The dashboard as a page of PocketBase's: asked through its SDK, in its colours, apart from its styles.

import { Problem } from "./api.js";
import { App } from "./app.js";
import { h } from "./dom.js";
import { Preferences } from "./preferences.js";

const API = "/api/pm/";

/** Make the element of the page; it lets go of everything when PocketBase shows another one. */
export function page(pocketbase, folder) {
  pocketbase.store.title = "Processes";
  const host = h("div", { class: "page processman" });
  const root = h("div", { class: "pm embedded" });
  const style = h("link", { rel: "stylesheet", href: new URL("dashboard.css", folder) });
  host.attachShadow({ mode: "open" }).append(style, root);
  const { language } = new Preferences();
  const app = new App(root, { ask: way(pocketbase.pb), language, refused: (problem) => refused(pocketbase.pb, problem) });
  const dressed = dress(root);
  leave(host, () => { app.close(); dressed.disconnect(); });
  return host;
}

/** Return a way to ask the API through PocketBase's SDK, which adds who asks. */
function way(pb) {
  return async (method, path, signal) => {
    try {
      // no key: else a second question would cancel the first
      const body = await pb.send(API + path, { method, signal, requestKey: null });
      return { status: 200, body };
    } catch (error) {
      if (signal?.aborted) throw error;
      return answer(error);
    }
  };
}

function answer({ status, response }) {
  if (!status) throw new Problem(0);
  return { status, body: response };
}

function refused(pb, { status }) {
  if (status !== 401) return;
  pb.authStore.clear();
  location.hash = "#/login";
}

/** Follow the theme of PocketBase's dashboard. */
function dress(root) {
  const { documentElement } = document;
  const look = () => {
    const { colorScheme } = documentElement.dataset;
    root.dataset.theme = colorScheme === "dark" ? "dark" : "light";
  };
  const observer = new MutationObserver(look);
  observer.observe(documentElement, { attributes: true, attributeFilter: ["data-color-scheme"] });
  look();
  return observer;
}

/** Call *gone* once *host*, which is about to be shown, is shown no longer. */
function leave(host, gone) {
  let shown = false;
  const look = setInterval(() => {
    shown ||= host.isConnected;
    if (host.isConnected || !shown) return;
    clearInterval(look);
    gone();
  }, 500);
}
