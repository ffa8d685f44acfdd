// How the page itself asks: with what the host's session lets in, or with a token that the tab keeps.

import { Problem } from "./api.js";

export class Session {
  constructor(base) {
    this.base = base;
    this.key = `processman token ${base.pathname}`;
  }

  get token() {
    return sessionStorage.getItem(this.key) ?? "";
  }

  set token(token) {
    if (token) sessionStorage.setItem(this.key, token);
    else sessionStorage.removeItem(this.key);
  }

  /** Ask the API; a way as `Api` takes it. */
  ask = async (method, path, signal) => {
    // X-Processman: what no page of another site can send along with cookies
    const headers = { Accept: "application/json", "X-Processman": "1" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const options = { method, headers, signal, cache: "no-store", credentials: "same-origin", redirect: "error" };
    const answer = await reach(new URL(path, this.base), options);
    return { status: answer.status, body: await json(answer), date: answer.headers.get("Date") };
  };
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
}

async function json(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (answer.ok) throw new Problem(0); // cut short on the way
    return null; // a proxy's own page
  }
}
