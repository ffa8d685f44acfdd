// The page at PocketBase's address, outside its dashboard. Where that takes pages of ours, it leads there; else it is
// the page.
//
// Browsers keep /_/extensions.js for two weeks, also from when nothing was installed. Asking for it anew here is
// what makes the link appear.

import { welcome } from "./dialog.js";
import { Preferences } from "./preferences.js";
import { Session } from "./session.js";
import { show } from "./standalone.js";
import { speak } from "./words.js";

/** Where PocketBase's dashboard keeps its session: now, and before version 0.37. */
const KEYS = ["__pb_superusers__/_", "__pb_superuser_auth__"];
const DASHBOARD = "/_/";

async function takesPages() {
  try {
    const answer = await fetch(`${DASHBOARD}extensions.js`, { cache: "reload" });
    return answer.ok && (await answer.text()).includes("#/processes");
  } catch {
    return false;
  }
}

/** Asks with the session of PocketBase's dashboard, and keeps nothing of its own. */
class Borrowed extends Session {
  get token() {
    return KEYS.map((key) => read(localStorage.getItem(key))).find(Boolean) ?? "";
  }
}

function read(kept) {
  try {
    return JSON.parse(kept)?.token;
  } catch {
    return "";
  }
}

if (await takesPages()) location.replace(`${DASHBOARD}#/processes`);
else {
  const preferences = new Preferences();
  show({ session: new Borrowed(new URL("/api/pm/", location.href)), preferences, leave: false,
    refused: (root, { status }) => welcome({ t: speak(preferences.language) }, root, DASHBOARD, status === 403) });
}
