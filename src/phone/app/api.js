// Calls of the gate's API, each signed by the app's own key, each with an end.

import { sign } from "./keys.js";
import { base64url, callText, utf8 } from "./text.js";
import { problemWords } from "./words.js";

/** What did not go on: a sentence, why, and the next step, in the app's words for its code; in the
    gate's own where the app knows the code not. */
export class Problem extends Error {
  constructor({ code, ...more }) {
    super(code);
    Object.assign(this, more, { code }, problemWords(code, more));
  }
}

// How far our clock is from the gate's; set when the gate says so.
let ahead = 0;

/** The gate's time, as far as we know it. */
export const now = () => Date.now() + ahead;

export function clockIs(time) {
  if (Number.isFinite(time)) ahead = time - Date.now();
}

/** Calls as `who` ({ handle, key }); `handle` is "new" while pairing. */
export async function call(who, method, path, body) {
  const response = await send(who, method, path, body, AbortSignal.timeout(CALL_MS_MAX));
  return response.json();
}

/** Opens a stream; `signal` closes it. */
export function openStream(who, path, signal) {
  return send(who, "GET", path, undefined, signal);
}

async function send(who, method, path, body, signal, again = true) {
  const bytes = body === undefined ? new Uint8Array() : utf8(JSON.stringify(body));
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        "Portcullis-Proof": await proof(who, method, path, bytes),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : bytes,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal,
    });
  } catch {
    throw new Problem({ code: navigator.onLine === false ? "offline" : "unreachable" });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (problem.code === "clock" && again) {
    clockIs(problem.now);
    return send(who, method, path, body, signal, false);
  }
  if (!problem.code) throw new Problem({ code: "unreachable" });
  throw new Problem(problem);
}

async function proof(who, method, path, bytes) {
  const time = Math.round(now());
  const nonce = base64url(crypto.getRandomValues(new Uint8Array(16)));
  const hash = base64url(await crypto.subtle.digest("SHA-256", bytes));
  const signature = await sign(who.key, utf8(callText(method, path, time, nonce, hash)));
  return `phone=${who.handle};time=${time};nonce=${nonce};sig=${base64url(signature)}`;
}

const CALL_MS_MAX = 20_000;
