// Shows the rates as they come; after a break it tries again, ever more slowly.
"use strict";

const ticker = document.getElementById("ticker");
const list = document.getElementById("rate-list");
const note = document.getElementById("rate-note");
const waitMsMax = 30000;
let waitMs = 2000;

function show(rates) {
  list.replaceChildren(...rates.map(({ pair, rate }) => {
    const row = document.createElement("div");
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    name.textContent = pair;
    value.textContent = rate;
    row.append(name, value);
    return row;
  }));
  ticker.dataset.ticks = String(Number(ticker.dataset.ticks || 0) + 1);
  if (ticker.dataset.state !== "live") {
    ticker.dataset.state = "live";
    note.textContent = "Live, updated each second.";
  }
  waitMs = 2000;
}

function connect() {
  const socket = new WebSocket(`wss://${location.host}/ws/ticker`);
  socket.addEventListener("message", (event) => show(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    ticker.dataset.state = "paused";
    note.textContent = "Rates are paused. We try again by ourselves; reload the page to see whether you are still signed in.";
    setTimeout(connect, waitMs);
    waitMs = Math.min(waitMs * 2, waitMsMax);
  });
}

connect();
