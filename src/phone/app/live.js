// A line to the gate while the app is open: what waits for an answer arrives by itself.

import { clockIs, openStream } from "./api.js";

/** Listens as `phone`. `on` has approvals(list, how the last one ended), status("live" | "waiting" | "away" | "offline"), frozen(since), unpaired({ code, at }). */
export function listen(phone, on) {
  let closed = false;
  let tries = 0;
  let line = new AbortController();
  let wake = () => {};

  async function run() {
    while (!closed) {
      line = new AbortController();
      try {
        await follow(phone, line, (event, data) => {
          tries = 0;
          if (event === "approvals") {
            const { now, approvals, ended } = JSON.parse(data);
            clockIs(now);
            on.status("live");
            on.approvals(approvals, ended);
          } else if (event === "frozen") {
            const { now, frozen } = JSON.parse(data);
            clockIs(now);
            on.status("live");
            on.frozen(frozen);
          } else if (event === "unpaired") {
            closed = true;
            on.unpaired(JSON.parse(data));
          }
        });
      } catch (error) {
        if (error.code === "unpaired" || String(error.code).startsWith("removed-")) {
          closed = true;
          on.unpaired(error);
        }
        tries += 1;
      }
      if (closed) return;
      on.status(navigator.onLine === false ? "offline" : tries > 1 ? "away" : "waiting");
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, Math.min(PAUSE_MS_MAX, 500 * 2 ** tries));
      });
    }
  }

  const again = () => {
    if (document.visibilityState === "hidden") return;
    tries = 0;
    wake();
  };
  const off = () => line.abort();
  addEventListener("online", again);
  addEventListener("offline", off);
  document.addEventListener("visibilitychange", again);
  run();

  return () => {
    closed = true;
    line.abort();
    wake();
    removeEventListener("online", again);
    removeEventListener("offline", off);
    document.removeEventListener("visibilitychange", again);
  };
}

async function follow(phone, line, heard) {
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => line.abort(), SILENCE_MS_MAX);
  };
  alive();
  try {
    const who = { handle: phone.id, key: phone.key };
    const response = await openStream(who, "/api/events", line.signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const field = (name) => block.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
        heard(field("event"), field("data"));
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

// The gate speaks at least every 20 seconds.
const SILENCE_MS_MAX = 45_000;
const PAUSE_MS_MAX = 30_000;
