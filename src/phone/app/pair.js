// Pairing: the square, the phone's key, two words, a yes on the computer.

import { Problem, call, clockIs, now } from "./api.js";
import { homeScreenSteps, onIphoneBrowser } from "./home-screen.js";
import * as keys from "./keys.js";
import { action, brand, countdown, el, onLeave, page, show, showProblem, support, tongues } from "./pages.js";
import * as passkey from "./passkey.js";
import { viewfinder } from "./scan.js";
import { base64url, readLink } from "./text.js";
import { t, timeLeft } from "./words.js";

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
      t("link"),
      el("p", {}, t("link.text")),
      action(t("link.yes"), () => begin(link, done, back)),
      action(t("not-now"), back ?? (() => welcome(done)), { look: "quiet" }),
    );
  if (onIphoneBrowser()) return homeScreenFirst(ask, back);
  ask();
}

/** Takes up a pairing that a reload broke off. */
export async function resume(done) {
  const under = await keys.pairingUnderWay().catch(() => null);
  if (!under) return false;
  brand(under);
  words(under, done);
  return true;
}

async function ready(again, back) {
  show("checking", t("one-moment"), el("p", {}, t("checking")));
  if (!(await keys.canKeep())) {
    showProblem(
      new Problem({ code: "no-storage" }),
      { again, back },
    );
    return false;
  }
  if (!(await passkey.hasLock())) {
    showProblem(
      new Problem({ code: "no-lock" }),
      { again, back },
    );
    return false;
  }
  return true;
}

function invite(done, back) {
  show(
    "welcome",
    t("welcome"),
    el("p", {}, t("welcome.text")),
    action(t("welcome.scan"), () => scanner(done, back), { busy: t("busy-camera"), id: "scan" }),
    pasteLink(done, back),
    tongues(() => welcome(done, { back })),
    back && action(t("back"), back, { look: "quiet" }),
  );
}

function homeScreenFirst(anyway, back) {
  show(
    "home-screen",
    t("home-screen"),
    el("p", {}, t("home-screen.text")),
    ...homeScreenSteps(),
    action(t("home-screen.anyway"), anyway, { look: "quiet" }),
    back && action(t("back"), back, { look: "quiet" }),
  );
}

function pasteLink(done, back) {
  const field = el("input", { id: "link", type: "url", autocomplete: "off", inputmode: "url", spellcheck: "false" });
  const said = el("p.said", { role: "alert" });
  const go = () => {
    const link = readLink(field.value, location.origin);
    if (link) return begin(link, done, back);
    said.textContent = t("paste.wrong", { start: `${location.origin}/pair` });
    field.focus();
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && go());
  return el(
    "details",
    {},
    el("summary", {}, t("paste")),
    el("p", {}, t("paste.text")),
    el("label", { for: "link" }, t("paste.label")),
    field,
    said,
    action(t("paste.go"), go, { look: "second" }),
  );
}

function scanner(done, back) {
  return viewfinder({
    name: "scan",
    title: t("scan"),
    other: t("scan.other"),
    read: (text) => readLink(text, location.origin),
    found: (link) => begin(link, done, back),
    again: () => scanner(done, back),
    back: () => welcome(done, { back }),
  });
}

async function begin(link, done, back) {
  const again = () => welcome(done, { back });
  show("pairing", t("one-moment"), el("p", {}, t("pairing")));
  try {
    const [pair, agreement] = [await keys.makeKey(), await keys.makeAgreement()];
    const api_key = base64url(await keys.publicBytes(pair));
    const who = { handle: "new", key: pair.privateKey };
    const begun = await call(who, "POST", "/api/pair/begin", { ...link, api_key });
    clockIs(begun.now);
    brand(begun);
    const under = { ...begun, pairing: link.pairing, api_key, key: pair.privateKey, agree: agreement.privateKey, agreement: base64url(await keys.publicBytes(agreement)) };
    show(
      "pair-key",
      t("are-you", begun),
      el("p", {}, t("are-you.text", begun)),
      action(t("are-you.yes"), () => makeKey(under, done, back), { busy: t("busy-lock") }),
      action(t("are-you.no"), () => stop(under, done, back), { look: "quiet" }),
      support(begun),
    );
  } catch (problem) {
    showProblem(problem, { again, againLabel: t("to-start"), back });
  }
}

async function makeKey(under, done, back) {
  try {
    const made = await passkey.make(under);
    const { words: both, phone, gate_key } = await call(
      { handle: "new", key: under.key },
      "POST",
      "/api/pair/finish",
      { pairing: under.pairing, api_key: under.api_key, name: phoneName(), client_data: made.client_data, attestation: made.attestation, offline_key: under.agreement },
    );
    const claimed = { ...under, credential: made.credential, phone, gate_key, words: both, from: now(), until: now() + WORDS_MS_MAX };
    await keys.keepPairing(claimed);
    words(claimed, done);
  } catch (problem) {
    const locked = String(problem.code).startsWith("lock-");
    showProblem(problem, {
      again: locked ? () => makeKey(under, done, back) : () => welcome(done, { back }),
      againLabel: locked ? t("try-again") : t("to-start"),
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
  const waiting = el("p", {}, t("words.text"));
  show(
    "words",
    t("words", { one, two }),
    el("p.words", { "aria-hidden": "true" }, el("span", {}, one), el("span", {}, two)),
    waiting,
    action(t("words.no"), () => differ(under, done), { look: "danger" }),
    countdown(under.from, under.until, now, timeLeft, () => end("expired")),
    support(under),
  );
  let over = false;
  onLeave(() => (over = true));
  const end = async (state) => {
    over = true;
    try {
      // The computer may have said yes while the phone slept: its key is thrown away only when the gate does not know it.
      if (state === "confirmed" || (state === "expired" && (await isPaired(under)))) {
        const { phone: id, key, agree, gate_key, credential, site, host, person, telephone, monogram, accent } = under;
        const phone = { id, key, agree, gate_key, credential, site, host, person, telephone, monogram, accent };
        await keys.keepPhone(phone);
        await keys.forgetPairing();
        navigator.storage?.persist?.().catch(() => {});
        return done(phone);
      }
    } catch (problem) {
      return showProblem(problem, { again: () => end(state), site: under });
    }
    await keys.forgetPairing();
    showProblem(new Problem({ code: state === "expired" ? "pairing-over" : state }), { again: () => welcome(done), againLabel: t("to-start"), site: under });
  };
  const look = async () => {
    if (over) return;
    try {
      const body = { pairing: under.pairing, api_key: under.api_key };
      const { state } = await call(who, "POST", "/api/pair/state", body);
      if (over) return;
      waiting.textContent = t("words.text");
      if (["confirmed", "refused", "contested", "expired"].includes(state)) return end(state);
    } catch (problem) {
      waiting.textContent = `${problem.title}. ${problem.next}`;
    }
    setTimeout(look, ASK_EVERY_MS);
  };
  look();
}

async function isPaired(under) {
  try {
    await call({ handle: under.phone, key: under.key }, "GET", "/api/me");
    return true;
  } catch (problem) {
    if (problem.code === "unpaired") return false;
    throw problem;
  }
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
  showProblem(new Problem({ code: "differ" }), { again: () => welcome(done), againLabel: t("to-start"), site: under });
}


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

const WORDS_MS_MAX = 5 * 60_000;
const ASK_EVERY_MS = 1_500;
