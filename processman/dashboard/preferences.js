// What somebody has chosen before: the theme and the language of the page.

const THEMES = ["auto", "light", "dark"];
const LANGUAGES = ["en", "zh"];
const dark = matchMedia("(prefers-color-scheme: dark)");

export class Preferences extends EventTarget {
  constructor() {
    super();
    dark.addEventListener("change", () => this.#changed());
  }

  /** `auto`, `light` or `dark`. */
  get theme() {
    const kept = read("theme");
    return THEMES.includes(kept) ? kept : "auto";
  }

  set theme(theme) {
    write("theme", theme);
    this.#changed();
  }

  get nextTheme() {
    return THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
  }

  /** `light` or `dark`. */
  get shownTheme() {
    if (this.theme !== "auto") return this.theme;
    return dark.matches ? "dark" : "light";
  }

  /** `en` or `zh`. */
  get language() {
    const kept = read("language");
    if (LANGUAGES.includes(kept)) return kept;
    return (navigator.languages?.[0] ?? navigator.language ?? "").startsWith("zh") ? "zh" : "en";
  }

  set language(language) {
    write("language", language);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// A browser that keeps nothing throws.
function read(name) {
  try {
    return localStorage.getItem(`processman ${name}`);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(`processman ${name}`, value);
  } catch {
    // then it holds until the page is left
  }
}
