// The API, whichever way it is asked. A way is `ask(method, path, signal)`, which answers `{status, body, date}`.

/** Seconds that a question for news waits at most; half of what the API allows, for it holds a thread there. */
const WAIT = 10;
const PATIENCE = 15_000;

/** What went wrong. Status 0: nobody answered. */
export class Problem extends Error {
  constructor(status, message = "") {
    super(message);
    this.status = status;
  }

  /** Whether trying again may help: nobody answered, or somebody who could not. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Whether somebody answered, and said why the manager does not. */
  get away() {
    return this.status === 503 && Boolean(this.message);
  }
}

export class Api {
  constructor(ask) {
    this.ask = ask;
    /** Milliseconds that the server's clock is ahead of ours. */
    this.skew = 0;
  }

  /** Return every process, as `GET /list` has it. */
  list() {
    return this.#answer("GET", "list", AbortSignal.timeout(PATIENCE));
  }

  /** Return the lines after *cursor*, waiting for some. */
  news(id, { next, epoch }, signal) {
    const query = new URLSearchParams({ after: next, epoch, wait: WAIT });
    return this.#answer("GET", `${encodeURIComponent(id)}/logs?${query}`, signal);
  }

  /** Ask for `start`, `stop` or `restart`. */
  act(id, action) {
    return this.#answer("POST", `${encodeURIComponent(id)}/${action}`);
  }

  async #answer(method, path, signal) {
    const { status, body, date } = await this.ask(method, path, signal);
    const skew = Date.parse(date) - Date.now();
    // the header has whole seconds, so less than two is none
    if (!Number.isNaN(skew)) this.skew = Math.abs(skew) < 2000 ? 0 : skew;
    if (status >= 200 && status < 300) return body;
    throw new Problem(status, body?.message);
  }
}
