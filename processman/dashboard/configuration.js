// The configuration of a process as the API shows it, with its secrets hidden there already.

import { h, icon } from "./dom.js";

const HIDDEN = "****";

/** Make the list of everything that *config* says. */
export function configuration({ t }, config) {
  const section = (title, ...rows) => h("section", {}, h("h3", {}, title), h("dl", {}, ...rows.filter(Boolean).flat()));
  const row = (name, value) => value === undefined ? null : [h("dt", {}, name), h("dd", {}, ...shown(t, value))];
  return h("div", { class: "configuration" },
    section(t("command"), row(t("command"), config.command), row(t("script"), config.script),
      row(t("interpreter"), config.script === undefined ? undefined : config.interpreter), row(t("args"), config.args),
      row(t("cwd"), config.cwd)),
    section(t("environment"), ...Object.entries(config.env).map(([name, value]) => row(name, value))),
    section(t("policy"), row(t("restartPolicy"), config.restart),
      row(t("maxRetries"), config.maxRetries < 0 ? t("endless") : config.maxRetries), row(t("backoff"), config.backoff),
      row(t("successExitCodes"), config.successExitCodes.join(", ")), row(t("stopSignal"), config.stopSignal),
      row(t("stopTimeout"), config.stopTimeout), row(t("autostart"), config.autostart)),
    section(t("devMode"), row(t("devMode"), config.devMode), row(t("watchPaths"), config.watchPaths),
      row(t("watchIgnore"), config.watchIgnore)));
}

function shown(t, value) {
  if (value === HIDDEN) return [h("span", { class: "secret" }, icon("lock"), t("masked"))];
  if (typeof value === "boolean") return [t(value ? "yes" : "no")];
  if (value === "" || value.length === 0) return [h("span", { class: "none" }, t("nothing"))];
  if (!Array.isArray(value)) return [h("code", {}, String(value))];
  return value.map((each) => h("code", {}, each === "" ? "''" : each));
}
