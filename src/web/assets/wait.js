// Moves the page on when the server says so. Where the stream breaks it says so and tries
// again; where streams do not work at all it loads the page again now and then.

const POLL_MS = 10_000;
const KEPT = "portcullis.kept";
const box = document.querySelector("[data-wait]");
restore();
if (box) listen(box);

function listen(box) {
  const state = box.querySelector("[data-state]");
  const waiting = state?.textContent;
  const stream = new EventSource(box.dataset.wait);
  let polling = 0;
  let broken = false;

  stream.addEventListener("moved", () => {
    // What somebody is typing is sent by them, and then the page moves on too.
    if (!handsOff()) return;
    stream.close();
    again();
  });
  stream.addEventListener("changed", () => {
    if (handsOff()) {
      stream.close();
      again();
    } else {
      const news = document.querySelector("[data-news]");
      if (news) news.hidden = false;
    }
  });
  stream.addEventListener("open", () => {
    clearTimeout(polling);
    // What was told while the stream was broken is not told again.
    if (broken && performance.now() > POLL_MS && handsOff()) {
      stream.close();
      return again();
    }
    if (state) state.textContent = waiting;
  });
  stream.addEventListener("error", () => {
    broken = true;
    if (state) state.textContent = "The connection was lost. We are trying again; you need not do anything.";
    clearTimeout(polling);
    polling = setTimeout(() => handsOff() && again(), POLL_MS);
  });
  // What a form of this page does moves the page on by itself: loading it again would break the form off.
  document.addEventListener("submit", () => stream.close());
  addEventListener("pagehide", () => stream.close());
}

// Nothing typed, ticked or chosen that loading again would lose.
function handsOff() {
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (field.closest("[data-keep]")) continue;
    if (field.type === "radio" || field.type === "checkbox") {
      if (field.checked !== field.defaultChecked) return false;
    } else if (field.value !== (field.defaultValue ?? "")) {
      return false;
    }
  }
  return true;
}

// Ticks of a form marked data-keep outlast the loading.
function keep() {
  const ticked = [...document.querySelectorAll("[data-keep] input:checked")].map((field) => field.id);
  if (ticked.length) sessionStorage.setItem(KEPT, JSON.stringify({ path: location.pathname, ticked }));
}

function restore() {
  try {
    const { path, ticked } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    sessionStorage.removeItem(KEPT);
    if (path !== location.pathname) return;
    for (const id of ticked) {
      const field = document.getElementById(id);
      if (field?.closest("[data-keep]")) field.checked = true;
    }
  } catch {
    // Without storage the ticks are lost, and the agent ticks again.
  }
}

function again() {
  try {
    keep();
  } catch {
    // The same.
  }
  location.replace(location.pathname + location.search);
}
