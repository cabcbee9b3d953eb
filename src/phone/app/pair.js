// Pairing: the square, the phone's key, two words, a yes on the computer.

import { Problem, call, clockIs, now } from "./api.js";
import * as keys from "./keys.js";
import { action, brand, countdown, el, onLeave, page, show, showProblem, support } from "./pages.js";
import * as passkey from "./passkey.js";
import { scan } from "./scan.js";
import { base64url, readLink, timeLeft } from "./text.js";

/** The first page of a phone that is not paired. `done` is called with the phone once it is. */
export async function welcome(done, { back } = {}) {
  if (!(await ready(() => welcome(done, { back }), back))) return;
  brand(null);
  if (onIphoneBrowser()) return homeScreenFirst(() => invite(done, back), back);
  invite(done, back);
}

/** The app was opened by the link in the square: asked before the secret is spent. */
export async function fromLink(link, done, { back } = {}) {
  if (!(await ready(() => fromLink(link, done, { back }), back))) return;
  brand(null);
  const ask = () =>
    show(
      "pair-link",
      "Pair this phone?",
      el("p", {}, "You opened a link from a square on a computer. Only go on if that computer is in front of you and you asked for it yourself."),
      action("Pair this phone", () => begin(link, done, back)),
      action("Not now", back ?? (() => welcome(done)), { look: "quiet" }),
    );
  if (onIphoneBrowser()) return homeScreenFirst(ask, back);
  ask();
}

/** Takes up a pairing that a reload broke off. */
export async function resume(done) {
  const under = await keys.pairingUnderWay().catch(() => null);
  if (!under) return false;
  if (now() >= under.until) {
    await keys.forgetPairing();
    return false;
  }
  brand(under);
  words(under, done);
  return true;
}

async function ready(again, back) {
  show("checking", "One moment", el("p", {}, "We look whether this phone has what it takes."));
  if (!(await keys.canKeep())) {
    showProblem(
      new Problem({
        code: "no-storage",
        title: "This browser keeps nothing",
        detail: "A paired phone must remember its key. A private window forgets it.",
        next: "Open this page in a normal window, not a private one, then try again.",
      }),
      { again, back },
    );
    return false;
  }
  if (!(await passkey.hasLock())) {
    showProblem(
      new Problem({
        code: "no-lock",
        title: "This phone needs a screen lock",
        detail: "The app signs for you only after your PIN, fingerprint or face. We found none that a web page may use.",
        next: "Switch on a screen lock in the phone's settings, then come back and try again. If it is on, open this page in Chrome or Safari.",
      }),
      { again, back },
    );
    return false;
  }
  return true;
}

function invite(done, back) {
  show(
    "welcome",
    "Pair this phone",
    el("p", {}, "Your computer shows a square. This phone reads it with its camera, and from then on you approve here what you do there."),
    action("Scan the square", () => scanner(done, back), { busy: "Waiting for the camera…", id: "scan" }),
    pasteLink(done, back),
    back && action("Back", back, { look: "quiet" }),
  );
}

function homeScreenFirst(anyway, back) {
  show(
    "home-screen",
    "Put this app on your home screen first",
    el("p", {}, "An iPhone keeps the app's key only there."),
    el(
      "ol.steps",
      {},
      el("li", {}, "Tap the share button: a square with an arrow."),
      el("li", {}, "Tap “Add to Home Screen”, then “Add”."),
      el("li", {}, "Open Portcullis from the home screen and scan the square from there."),
    ),
    action("Go on here all the same", anyway, { look: "quiet" }),
    back && action("Back", back, { look: "quiet" }),
  );
}

function pasteLink(done, back) {
  const field = el("input", { id: "link", type: "url", autocomplete: "off", inputmode: "url", spellcheck: "false" });
  const said = el("p.said", { role: "alert" });
  const go = () => {
    const link = readLink(field.value, location.origin);
    if (link) return begin(link, done, back);
    said.textContent = `That is not a link from your computer. It begins with ${location.origin}/pair`;
    field.focus();
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && go());
  return el(
    "details",
    {},
    el("summary", {}, "No camera at hand?"),
    el("p", {}, "Below the square stands a link. Open it on this phone, or paste it here."),
    el("label", { for: "link" }, "Link from your computer"),
    field,
    said,
    action("Go on with the link", go, { look: "second" }),
  );
}

async function scanner(done, back) {
  const leave = () => welcome(done, { back });
  const video = el("video", { playsinline: true, muted: true, autoplay: true, "aria-label": "Picture of the camera" });
  video.muted = true;
  const said = el("p.said", { role: "status" }, "Looking for the square…");
  let stop;
  try {
    const seen = (text) => {
      const link = readLink(text, location.origin);
      if (!link) {
        said.textContent = "That is another square. We look for the one on your computer's page.";
        return false;
      }
      queueMicrotask(() => begin(link, done, back));
      return true;
    };
    const starting = scan(video, seen);
    stop = await starting;
  } catch (problem) {
    return showProblem(problem, { again: () => scanner(done, back), back: leave });
  }
  if (page() !== "welcome" && page() !== "problem") return stop();
  show(
    "scan",
    "Point the phone at the square",
    el("div.finder", {}, video, el("span.frame", { "aria-hidden": "true" })),
    said,
    action("Stop", leave, { look: "quiet" }),
  );
  const hint = setTimeout(() => {
    said.textContent = "We have not found it yet. Hold the phone so that the whole square is in the picture, a hand's width away, and wipe the lens.";
  }, HINT_AFTER_MS);
  const end = setTimeout(() => {
    showProblem(
      new Problem({
        code: "nothing-seen",
        title: "We have not found the square",
        detail: "We looked for two minutes and switched the camera off.",
        next: "See that the square is on your computer's screen and bright enough. Or use the link below it.",
      }),
      { again: () => scanner(done, back), back: leave },
    );
  }, SCAN_MS_MAX);
  onLeave(() => {
    clearTimeout(hint);
    clearTimeout(end);
    stop();
  });
}

async function begin(link, done, back) {
  const again = () => welcome(done, { back });
  show("pairing", "One moment", el("p", {}, "We tell the gate that this phone is here."));
  try {
    const pair = await keys.makeKey();
    const api_key = base64url(await keys.publicBytes(pair));
    const who = { handle: "new", key: pair.privateKey };
    const begun = await call(who, "POST", "/api/pair/begin", { ...link, api_key });
    clockIs(begun.now);
    brand(begun);
    const under = { ...begun, pairing: link.pairing, api_key, key: pair.privateKey };
    show(
      "pair-key",
      `Are you ${begun.person}?`,
      el("p", {}, `This phone will approve for ${begun.person} at ${begun.site}. It now makes a key behind its screen lock: the phone asks for your PIN, fingerprint or face.`),
      action("Yes, go on", () => makeKey(under, done, back), { busy: "Waiting for the screen lock…" }),
      action("No, stop", () => stop(under, done, back), { look: "quiet" }),
      support(begun),
    );
  } catch (problem) {
    showProblem(problem, { again, againLabel: "Back to the start", back });
  }
}

async function makeKey(under, done, back) {
  try {
    const made = await passkey.make(under);
    const { words: both, phone } = await call(
      { handle: "new", key: under.key },
      "POST",
      "/api/pair/finish",
      { pairing: under.pairing, api_key: under.api_key, name: phoneName(), client_data: made.client_data, attestation: made.attestation },
    );
    const claimed = { ...under, credential: made.credential, phone, words: both, from: now(), until: now() + WORDS_MS_MAX };
    await keys.keepPairing(claimed);
    words(claimed, done);
  } catch (problem) {
    const locked = problem.code?.startsWith("lock-");
    showProblem(problem, {
      again: locked ? () => makeKey(under, done, back) : () => welcome(done, { back }),
      againLabel: locked ? "Try again" : "Back to the start",
      site: under,
    });
  }
}

async function stop(under, done, back) {
  const who = { handle: "new", key: under.key };
  await call(who, "POST", "/api/pair/refuse", { pairing: under.pairing, api_key: under.api_key }).catch(() => {});
  await keys.forgetPairing().catch(() => {});
  if (back) back();
  else welcome(done);
}

/** Two words, until the computer has answered. */
function words(under, done) {
  const [one, two] = under.words;
  const who = { handle: "new", key: under.key };
  const waiting = el("p", {}, "Now answer on your computer. This page moves on by itself.");
  show(
    "words",
    `Does your computer show ${one} and ${two}?`,
    el("p.words", { "aria-hidden": "true" }, el("span", {}, one), el("span", {}, two)),
    waiting,
    action("No, other words", () => differ(under, done), { look: "danger" }),
    countdown(under.from, under.until, now, timeLeft, () => end("expired")),
    support(under),
  );
  let over = false;
  onLeave(() => (over = true));
  const end = async (state) => {
    over = true;
    if (state === "confirmed") {
      const { phone: id, key, credential, site, host, person, telephone, monogram, accent } = under;
      const phone = { id, key, credential, site, host, person, telephone, monogram, accent };
      await keys.keepPhone(phone);
      await keys.forgetPairing();
      navigator.storage?.persist?.().catch(() => {});
      return done(phone);
    }
    await keys.forgetPairing();
    showProblem(new Problem(ENDS[state]), { again: () => welcome(done), againLabel: "Back to the start", site: under });
  };
  const look = async () => {
    if (over) return;
    try {
      const body = { pairing: under.pairing, api_key: under.api_key };
      const { state } = await call(who, "POST", "/api/pair/state", body);
      if (over) return;
      waiting.textContent = "Now answer on your computer. This page moves on by itself.";
      if (state === "confirmed" || ENDS[state]) return end(state);
    } catch (problem) {
      waiting.textContent = `${problem.title}. ${problem.next}`;
    }
    setTimeout(look, ASK_EVERY_MS);
  };
  look();
}

async function differ(under, done) {
  const who = { handle: "new", key: under.key };
  const body = { pairing: under.pairing, api_key: under.api_key };
  try {
    await call(who, "POST", "/api/pair/refuse", body);
  } catch (problem) {
    if (problem.code !== "gone" && problem.code !== "contested") {
      return showProblem(problem, { again: () => differ(under, done), site: under });
    }
  }
  await keys.forgetPairing();
  showProblem(new Problem(ENDS.differ), { again: () => welcome(done), againLabel: "Back to the start", site: under });
}

const ENDS = {
  refused: {
    code: "refused",
    title: "Your computer said no",
    detail: "This phone is not paired.",
    next: "If you did not say no yourself, call support. Otherwise show a new square and scan it.",
  },
  differ: {
    code: "refused",
    title: "We have stopped it. This phone is not paired.",
    detail: "Other words mean that somebody may have come between.",
    next: "Call support before you try again.",
  },
  contested: {
    code: "contested",
    title: "Two phones came with the same square",
    detail: "So that nobody else's phone is paired, we have stopped both.",
    next: "If the other one was not yours, call support. Then show a new square and scan it once.",
  },
  expired: {
    code: "expired",
    title: "The time for pairing is over",
    detail: "Your computer did not answer within five minutes, or it shows a newer square.",
    next: "Show a new square on your computer and scan that.",
  },
};

function phoneName() {
  const agent = navigator.userAgent;
  const known = [
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android.*Mobile/, "Android phone"],
    [/Android/, "Android tablet"],
    [/Windows/, "app on Windows"],
    [/Mac OS X/, "app on a Mac"],
    [/Linux/, "app on Linux"],
  ];
  return known.find(([mark]) => mark.test(agent))?.[1] ?? "phone";
}

function onIphoneBrowser() {
  const touchMac = /Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1;
  const apple = /iPhone|iPad/.test(navigator.userAgent) || touchMac;
  return apple && !navigator.standalone && !matchMedia("(display-mode: standalone)").matches;
}

const WORDS_MS_MAX = 5 * 60_000;
const ASK_EVERY_MS = 1_500;
const HINT_AFTER_MS = 20_000;
const SCAN_MS_MAX = 120_000;
