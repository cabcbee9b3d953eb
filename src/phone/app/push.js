// Waking the phone: whether the gate may, and how to let it. What is pushed says only whose site asks; the app then
// asks the gate what it is about. Without push the app works by being opened.

import { Problem, call } from "./api.js";
import { homeScreenSteps, onIphoneBrowser } from "./home-screen.js";
import { action, el } from "./pages.js";
import { base64url, fromBase64url, utf8 } from "./text.js";
import { t } from "./words.js";

let phones = [];
let state = "unknown";
let failure = null;
let box = null; // where the page shown now tells of it
let running = null;
let again = false; // something changed while we were at it
let permission = null; // what the owner had said when we looked last

/** Sees that the gate can wake this phone for each of its pairings, as far as its owner lets it. */
export function keep(pairings) {
  phones = pairings;
  again = true;
  running ??= run().finally(() => (running = null));
  return running;
}

/** The place on a page where it says whether the phone is woken. */
export function slot() {
  box = el("div.push");
  draw();
  teach().catch(() => {});
  return box;
}

/** Nothing waits at a site any more: what rang for it goes. */
export async function quiet(site) {
  const worker = await navigator.serviceWorker?.getRegistration().catch(() => null);
  const rung = (await worker?.getNotifications?.({ tag: `question:${site}` }).catch(() => [])) ?? [];
  for (const one of rung) one.close();
}

async function run() {
  while (again) {
    again = false;
    try {
      is(await settle());
    } catch (problem) {
      failure = problem;
      is("failed");
    }
  }
}

async function settle() {
  if (!phones.length) return "unknown";
  if (onIphoneBrowser()) return "home-screen";
  if (!("serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis)) return "unavailable";
  permission = Notification.permission;
  if (permission === "denied") {
    await Promise.all(phones.map(withdraw));
    return "blocked";
  }
  if (permission !== "granted") return "off";
  const held = await Promise.all(phones.map((phone) => ask(phone, "GET").catch((problem) => ({ problem }))));
  const keyed = held.find(({ key }) => key);
  if (!keyed) {
    const { problem } = held.find((it) => it.problem) ?? {};
    if (problem && problem.code !== "unpaired") throw problem;
    return "gate-off";
  }
  const subscription = await within(SUBSCRIBE_MS_MAX, subscribe(fromBase64url(keyed.key)));
  const endpoint = base64url(await crypto.subtle.digest("SHA-256", utf8(subscription.endpoint)));
  await Promise.all(
    phones.map((phone, at) => {
      const { problem, endpoint: known, with: made } = held[at];
      if (problem || (known === endpoint && made === keyed.key)) return null;
      const { keys } = subscription.toJSON();
      return ask(phone, "PUT", { endpoint: subscription.endpoint, keys, key: keyed.key });
    }),
  );
  return "on";
}

/** The browser's subscription under this key of the gate; one under an older key is given up. */
async function subscribe(key) {
  const { pushManager } = await navigator.serviceWorker.ready;
  let held = await pushManager.getSubscription();
  const under = held?.options?.applicationServerKey;
  if (under && base64url(under) !== base64url(key)) {
    await held.unsubscribe();
    held = null;
  }
  return held ?? pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

async function withdraw(phone) {
  const { subscribed } = await ask(phone, "GET").catch(() => ({}));
  if (subscribed) await ask(phone, "DELETE").catch(() => {});
}

const ask = (phone, method, body) => call({ handle: phone.id, key: phone.key }, method, "/api/push", body);

/** What a browser does may never end; then we say so. */
async function within(ms, work) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Problem({ code: "push-slow" })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function switchOn() {
  await within(PERMISSION_MS_MAX, Notification.requestPermission()).catch(() => {});
  await keep(phones);
}

function is(now) {
  state = now;
  draw();
}

function draw() {
  if (!box) return;
  box.dataset.push = state;
  box.replaceChildren(...(SAID[state]?.() ?? []));
}

/** What the worker says when it rings, in the language of the app: it has no words of its own. */
async function teach() {
  const words = { title: t("rings", { site: "{site}" }), body: t("rings.text") };
  const kept = await caches.open("said");
  await kept.put("/rings", new Response(JSON.stringify(words)));
}

const card = (...children) => [el("section.card.wakes", {}, el("h2", {}, t(`push-${state}`)), ...children)];
const text = (args) => el("p", {}, t(`push-${state}.text`, args));
const openIt = () => el("p", {}, t("push-open"));

const SAID = {
  on: () => [el("p.state.live", { role: "status" }, t("push-on"))],
  off: () => card(text(), action(t("push-off.yes"), switchOn, { busy: t("push-off.busy"), id: "push-on" })),
  blocked: () => card(text({ host: location.hostname }), openIt()),
  "home-screen": () => card(...homeScreenSteps(), openIt()),
  unavailable: () => card(text()),
  "gate-off": () => card(text()),
  failed: () =>
    card(
      el("p", {}, failure instanceof Problem ? failure.title : t("push-failed.text")),
      openIt(),
      action(t("try-again"), () => keep(phones), { look: "second", id: "push-again" }),
    ),
};

// What was allowed or blocked in the settings meanwhile counts as soon as the app is looked at again.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && permission && permission !== Notification.permission) keep(phones);
});

const SUBSCRIBE_MS_MAX = 15_000;
const PERMISSION_MS_MAX = 120_000;
