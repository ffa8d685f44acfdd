// Durations as the API writes them, and as people read them.

const SECONDS = { h: 3600, m: 60, s: 1 };

/** Return the seconds of a Go duration such as `2h30m15s`. */
export function seconds(text) {
  let total = 0;
  for (const [, number, unit] of (text ?? "").matchAll(/(\d+)([hms])/g)) total += number * SECONDS[unit];
  return total;
}

/** Return *seconds* in its two largest units: `3d 4h`, `12m 5s`. */
export function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  const [d, h, m, s] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60];
  if (d) return `${d}d ${h}h`;
  if (h) return `${h}h ${m}m`;
  return m ? `${m}m ${s}s` : `${s}s`;
}

const two = (number) => String(number).padStart(2, "0");

/** Return the time of day of an RFC 3339 *moment*, here, to the millisecond. */
export function clock(moment) {
  const at = new Date(moment);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** Return the date and time of an RFC 3339 *moment*, here, in *language*. */
export function date(moment, language) {
  return new Date(moment).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
}

/** Resolve after so many milliseconds, or as soon as *signal* says. */
export function pause(milliseconds, signal) {
  return first((done) => {
    const over = setTimeout(done, milliseconds);
    return () => clearTimeout(over);
  }, signal);
}

/** Resolve when somebody may be looking, or as soon as *signal* says. */
export function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return first((done) => {
    document.addEventListener("visibilitychange", done);
    return () => document.removeEventListener("visibilitychange", done);
  }, signal);
}

/** Resolve with what *begin* waits for, or with *signal*; leave nothing that listens. */
function first(begin, signal) {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      end();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const end = begin(done);
    signal?.addEventListener("abort", done);
  });
}
