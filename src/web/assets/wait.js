// Moves the page on when the server says so. Where the stream breaks it says so and tries
// again; where streams do not work at all it loads the page again now and then.

const POLL_MS = 10_000;
// Where something that is watched changes all the time, the page is loaded again once in so long.
const RESTS_MS = 1_000;
const KEPT = "portcullis.kept";
const box = document.querySelector("[data-wait]");
restore();
if (box) listen(box);

function listen(box) {
  const state = box.querySelector("[data-state]");
  const waiting = state?.textContent;
  const stream = new EventSource(box.dataset.wait);
  let polling = 0;
  let leaving = 0;
  let broken = false;

  stream.addEventListener("moved", () => {
    // What somebody is typing is sent by them, and then the page moves on too.
    if (handsOff()) leave();
  });
  stream.addEventListener("changed", () => {
    if (handsOff()) {
      leave();
    } else {
      const news = document.querySelector("[data-news]");
      if (news) news.hidden = false;
    }
  });
  stream.addEventListener("open", () => {
    clearTimeout(polling);
    // What changed while the stream was broken is told now, but the gate may have been started anew and
    // know nothing any more of the digits on this page.
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
  document.addEventListener("submit", stay);
  addEventListener("pagehide", stay);

  function leave() {
    stay();
    // Somebody may have begun to type meanwhile: then what they send moves the page on.
    leaving = setTimeout(() => handsOff() && again(), Math.max(0, RESTS_MS - performance.now()));
  }

  function stay() {
    stream.close();
    clearTimeout(polling);
    clearTimeout(leaving);
  }
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
