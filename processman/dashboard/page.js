// The page where the API is mounted: whoever the host's session does not let in is asked for a token, once.

import { signIn } from "./dialog.js";
import { Preferences } from "./preferences.js";
import { Session } from "./session.js";
import { show } from "./standalone.js";
import { speak } from "./words.js";

const preferences = new Preferences();
const session = new Session(new URL("./", document.baseURI));

/** Ask for a token. One that was not good enough is forgotten. */
async function refused(root, { status }, wanted) {
  const t = speak(preferences.language);
  const wrong = session.token && !wanted ? t("wrongToken") : "";
  session.token = "";
  session.token = await signIn({ t }, root, status === 403 ? t("forbidden") : wrong);
}

show({ session, preferences, leave: true, refused });
