// Time left in words and as a bar. At the end the page offers the next step by itself: it
// shows #end in the place of #while, or goes on to the link marked data-onward.

const TRIES_MAX = 3;

for (const box of document.querySelectorAll("[data-countdown]")) run(box);

function run(box) {
  const words = box.querySelector("[data-words]");
  const bar = box.querySelector("progress");
  const spoken = box.querySelector("[role=status]");
  const ends = Date.now() + Number(box.dataset.countdown) * 1000;
  const goes = "go" in box.dataset;
  if (goes && !mayTry()) return;
  box.hidden = false;
  let said = "";

  const tick = () => {
    const left = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
    const text = box.dataset.say.replace("#", inWords(left));
    words.textContent = text;
    bar.value = left;
    // A screen reader hears the minutes and the last half minute, not every second.
    if ((left % 60 === 0 || left === 30) && text !== said) {
      said = text;
      spoken.textContent = text;
    }
    if (left > 0) setTimeout(tick, 250);
    else if (goes) whenSeen(go);
    else end(box);
  };
  tick();
}

function inWords(seconds) {
  const [count, unit] = seconds >= 60 ? [Math.ceil(seconds / 60), "minute"] : [seconds, "second"];
  const language = document.documentElement.lang || "en";
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

function end(box) {
  const over = document.getElementById("while");
  const next = document.getElementById("end");
  if (!next) {
    box.hidden = true;
    document.querySelector("a[data-onward]")?.focus();
    return;
  }
  if (over) over.hidden = true;
  next.hidden = false;
  const button = document.getElementById("renew");
  button?.classList.remove("quiet");
  button?.focus();
}

// Three times, then the person decides: a page that reloads for ever would keep a forgotten
// session alive.
function tries() {
  try {
    return JSON.parse(sessionStorage.getItem("portcullis.tries") ?? "null") ?? { count: 0, at: 0 };
  } catch {
    return { count: TRIES_MAX, at: Date.now() };
  }
}

function mayTry() {
  const { count, at } = tries();
  return count < TRIES_MAX || Date.now() - at > 600_000;
}

function go() {
  const { count, at } = tries();
  const fresh = Date.now() - at > 600_000;
  try {
    sessionStorage.setItem("portcullis.tries", JSON.stringify({ count: fresh ? 1 : count + 1, at: Date.now() }));
  } catch {
    return;
  }
  const link = document.querySelector("a[data-onward]");
  if (link) location.replace(link.href);
}

function whenSeen(act) {
  if (document.visibilityState === "visible") return act();
  document.addEventListener("visibilitychange", act, { once: true });
}
