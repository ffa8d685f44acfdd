// What is known of the processes, kept up to date by asking again; and what was asked of them and is under way.

import { Problem } from "./api.js";
import { pause, seconds, visible } from "./time.js";

/** Milliseconds between two looks: while nothing happens, and while something does. */
const CALM = 2000;
const BUSY = 500;
const TRIES = [1000, 2000, 4000, 5000];
/** Milliseconds after which what was asked is taken to have happened, whatever it looks like. */
const FORGET = 30_000;
const MOVING = ["starting", "stopping"];

/** The order in which statuses are counted. */
export const STATUSES = ["running", "starting", "restarting", "stopping", "crashed", "failed", "exited", "stopped"];

/** Dispatches `change` after every look, `refused` when nobody may look, `back` when a connection is there again. */
export class Processes extends EventTarget {
  #api;
  #wake = new AbortController();
  #end = new AbortController();
  #asked = new Map();
  #failures = 0;

  constructor(api) {
    super();
    this.#api = api;
    this.all = [];
    /** `connecting`, `live`, `lost`, `away` where somebody answers that the manager is not there, or `refused`. */
    this.connection = "connecting";
    /** The problem, where it is lost, away or refused. */
    this.problem = null;
    this.seenAt = this.retryAt = 0;
  }

  /** The time up to which what is shown is true: it stands still while nobody answers. */
  get now() {
    return this.connection === "live" ? Date.now() : this.seenAt;
  }

  get(id) {
    return this.all.find((process) => process.id === id);
  }

  /** Look again and again, until `stop`. */
  async start() {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#look();
      if (signal.aborted) return;
      this.dispatchEvent(new Event("change"));
      if (this.connection === "refused") {
        this.dispatchEvent(new Event("refused"));
        return;
      }
      await pause(this.#rest(), this.#wake.signal);
      await visible(signal);
    }
  }

  stop() {
    this.#end.abort();
    this.hurry();
  }

  /** Look now. */
  hurry() {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** Ask *action* of process *id*; what comes of it is seen by looking. */
  async act(id, action) {
    const ticket = { action, run: this.get(id)?.run, at: Date.now() };
    this.#asked.set(id, ticket);
    this.#show();
    try {
      const answered = this.#api.act(id, action);
      this.hurry();
      await answered;
      if (action === "stop") this.#forget(id, ticket);
    } catch (error) {
      this.#forget(id, ticket);
      throw error;
    } finally {
      this.hurry();
    }
  }

  async #look() {
    try {
      const list = await this.#api.list();
      if (this.seenAt && this.connection !== "live") this.dispatchEvent(new Event("back"));
      Object.assign(this, { connection: "live", problem: null, seenAt: Date.now() });
      this.#failures = 0;
      this.all = list.map((process) => this.#view(process));
    } catch (problem) {
      this.#fail(problem instanceof Problem ? problem : new Problem(0));
    }
  }

  #fail(problem) {
    this.problem = problem;
    this.connection = !problem.passing ? "refused" : problem.away ? "away" : "lost";
    this.#failures += 1;
  }

  #rest() {
    if (this.connection !== "live") {
      const rest = TRIES[Math.min(this.#failures, TRIES.length) - 1];
      this.retryAt = Date.now() + rest;
      return rest;
    }
    const busy = this.#asked.size > 0 || this.all.some((process) => MOVING.includes(process.status));
    return busy ? BUSY : CALM;
  }

  /** Return *process* as it is shown: with times of our clock, and with what was asked of it. */
  #view(process) {
    const before = this.get(process.id);
    const since = Date.now() - seconds(process.uptime) * 1000;
    const same = before?.run === process.run && Math.abs(before.since - since) < 1500;
    return {
      ...process,
      since: process.uptime === null ? null : same ? before.since : since,
      retryAt: process.nextRetryAt && Date.parse(process.nextRetryAt) - this.#api.skew,
      shown: this.#shown(process),
    };
  }

  /** Return the status of *process*, or the one in between that was asked for. */
  #shown(process) {
    const asked = this.#asked.get(process.id);
    if (!asked) return process.status;
    if (asked.action !== "stop" && (isDone(process, asked) || Date.now() - asked.at > FORGET)) {
      this.#asked.delete(process.id);
      return process.status;
    }
    return { start: "starting", stop: "stopping", restart: "restarting" }[asked.action];
  }

  #show() {
    this.all = this.all.map((process) => ({ ...process, shown: this.#shown(process) }));
    this.dispatchEvent(new Event("change"));
  }

  #forget(id, ticket) {
    if (this.#asked.get(id) !== ticket) return;
    this.#asked.delete(id);
    this.#show();
  }
}

/** Whether the run that was asked for has come. */
function isDone(process, asked) {
  return process.run !== asked.run && !MOVING.includes(process.status);
}
