// The lines of one process as they come: a long poll, its cursor, and what to do when nobody answers.

import { pause, visible } from "./time.js";

/** Milliseconds: between two answers that have lines, after one that came back empty at once, after a failure. */
const BREATH = 250;
const REST = 1000;
const TRY_AGAIN = 2000;

/** Give every answer to *tell* as a list of entries, until *signal* ends it. */
export async function follow(api, id, tell, signal) {
  let cursor = { next: 0, epoch: "" };
  let run = null;
  while (!signal.aborted) {
    await visible(signal);
    const asked = performance.now();
    const news = await ask(api, id, cursor, signal, tell);
    if (signal.aborted) return;
    if (!news) {
      await pause(TRY_AGAIN, signal);
      continue;
    }
    const anew = cursor.epoch && news.epoch !== cursor.epoch;
    const entries = [...(anew ? [{ kind: "anew" }] : []), ...(news.missed ? [{ kind: "gap", count: news.missed }] : [])];
    for (const line of news.items) {
      if (run !== null && line.run !== run) entries.push({ kind: "run", run: line.run });
      run = line.run;
      entries.push({ kind: "line", line });
    }
    cursor = { next: news.next, epoch: news.epoch };
    tell({ entries });
    const quick = performance.now() - asked < REST;
    await pause(news.items.length ? BREATH : quick ? REST : 0, signal);
  }
}

async function ask(api, id, cursor, signal, tell) {
  try {
    return await api.news(id, cursor, signal);
  } catch (problem) {
    if (!signal.aborted) tell({ entries: [], gone: problem.status === 404 });
    return null;
  }
}
