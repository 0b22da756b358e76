/**
 * Sends predict requests: one at a time, rate-limited, and always for the newest drawing.
 *
 * While a request is under way, or Retry-After has not passed, all new requests become one.
 */

const PAUSE_MS = 50;
const PATIENCE_MS = 10_000;
const LONGEST_WAIT_S = 60;
const QUERY = "fields=label,class,probability,probabilities,notes,pixels&prepare=always";
/** Statuses worth a retry: too busy, not ready, or timed out. */
const TRY_AGAIN = new Set([429, 502, 503, 504]);

/** @typedef {{sentence: string, waitS?: number, keyNeeded?: boolean}} Trouble */

export class Predictor {
  #options;
  #wanted = false;
  #busy = false;
  #notBefore = 0;
  #timer = null;
  #failures = 0;
  #abort = null;

  /**
   * @param {object} options
   * @param {() => Promise<Blob | null>} options.file the drawing to classify
   * @param {() => string} options.address of the model's predict route
   * @param {() => string | null} options.key the caller's API key
   * @param {(busy: boolean) => void} options.onBusy whether a newer answer is expected
   * @param {(answer: object) => Promise<void>} options.onAnswer
   * @param {(trouble: Trouble) => void} options.onTrouble
   */
  constructor(options) {
    this.#options = options;
  }

  /** Requests a prediction as soon as possible. */
  ask() {
    this.#wanted = true;
    this.#options.onBusy(true);
    this.#next();
  }

  /** Cancels; an answer under way is not shown. */
  cancel() {
    this.#wanted = false;
    this.#abort?.abort();
    this.#abort = null;
    this.#options.onBusy(false);
  }

  #next() {
    if (!this.#wanted || this.#busy || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#wanted) void this.#ask();
    }, this.#notBefore - performance.now());
  }

  async #ask() {
    this.#wanted = false;
    this.#busy = true;
    const abort = new AbortController();
    this.#abort = abort;
    this.#notBefore = performance.now() + PAUSE_MS;
    try {
      const file = await this.#options.file();
      const outcome = file && (await this.#request(file, abort.signal));
      if (outcome) await this.#settle(outcome, abort.signal.aborted);
    } finally {
      if (!this.#wanted) this.#options.onBusy(false);
      this.#busy = false;
      this.#next();
    }
  }

  /** Returns `{answer}` or `{trouble, retryS}`. */
  async #request(file, aborted) {
    const headers = { "Content-Type": file.type, Accept: "application/json" };
    const key = this.#options.key();
    if (key) headers.Authorization = `Bearer ${key}`;
    const signal = AbortSignal.any([aborted, AbortSignal.timeout(PATIENCE_MS)]);
    const began = performance.now();
    try {
      const url = `${this.#options.address()}?${QUERY}`;
      const response = await fetch(url, { method: "POST", headers, body: file, signal });
      const said = await response.json().catch(() => ({}));
      if (response.ok) return read(said, response.headers, performance.now() - began);
      return refusal(said, response);
    } catch (error) {
      if (aborted.aborted) return null;
      if (error.name === "TimeoutError") return { trouble: "The request timed out.", retryS: 0 };
      return { trouble: "The service cannot be reached.", retryS: 0 };
    }
  }

  async #settle(outcome, aborted) {
    const { answer, trouble, retryS, keyNeeded } = outcome;
    if (answer) {
      this.#failures = 0;
      if (!aborted) await this.#options.onAnswer(answer);
      return;
    }
    let waitS;
    if (retryS !== undefined) {
      waitS = Math.min(LONGEST_WAIT_S, Math.max(retryS, 2 ** Math.min(4, this.#failures)));
      this.#failures += 1;
      this.#notBefore = performance.now() + waitS * 1000; // holds for the next request, too
    }
    if (aborted) return;
    this.#wanted ||= retryS !== undefined;
    this.#options.onTrouble({ sentence: trouble, waitS, keyNeeded });
  }
}

function read({ predictions, model }, headers, roundTripMs) {
  const prediction = predictions?.[0];
  if (!prediction || !model) return { trouble: "The response of the service is invalid." };
  const spent = timings(headers.get("Server-Timing"));
  return { answer: { prediction, model, roundTripMs, timings: spent } };
}

/** Reads `queue;dur=0.1, inference;dur=0.4` as pairs of a name and milliseconds. */
function timings(header) {
  const found = (header ?? "").matchAll(/([\w-]+)\s*;[^,]*?dur=([\d.]+)/g);
  return [...found].map(([, name, ms]) => [name, Number(ms)]);
}

function refusal(said, response) {
  const trouble = sentence(said.error ?? `the service answered with status ${response.status}`);
  if (response.status === 401) return { trouble, keyNeeded: true };
  if (!TRY_AGAIN.has(response.status)) return { trouble };
  return { trouble, retryS: Number(response.headers.get("Retry-After")) || 1 };
}

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
