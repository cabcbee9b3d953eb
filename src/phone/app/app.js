// The phone app: pairs, waits, shows what is asked, signs the answer.

import { Problem, call, now } from "./api.js";
import { frozen } from "./frozen.js";
import { lastApprovals } from "./history.js";
import * as keys from "./keys.js";
import { listen } from "./live.js";
import { offline } from "./offline.js";
import { action, brand, el, page, show, showProblem, support, tongues } from "./pages.js";
import { fromLink, resume, welcome } from "./pair.js";
import * as push from "./push.js";
import { answering, ask, over } from "./question.js";
import { readLink } from "./text.js";
import { day, speak, t } from "./words.js";

const lines = new Map(); // phone id -> { phone, close, status, questions }
let install = null; // the browser's offer to put the app on the home screen

async function start() {
  const opened = location.href;
  // The secret leaves the address bar and the history before anything else happens.
  if (location.hash || location.search || location.pathname !== "/") history.replaceState(null, "", "/");
  if ("serviceWorker" in navigator) {
    navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).catch(() => {});
  }
  try {
    await speak();
  } catch {
    document.getElementById("stuck").hidden = false;
    return;
  }
  brand(null);
  let phones;
  try {
    phones = await keys.phones();
  } catch {
    return showProblem(new Problem({ code: "no-storage" }), { again: start });
  }
  for (const phone of phones) open(phone);
  push.keep(phones);
  const back = phones.length ? home : undefined;
  const link = readLink(opened, location.origin);
  if (link) return fromLink(link, paired, { back });
  if (await resume(paired)) return;
  // From the app's icon, held down.
  if (phones.length && new URL(opened).searchParams.has("history")) return past();
  if (phones.length) return home();
  welcome(paired);
}

function open(phone) {
  close(phone.id);
  const line = { phone, status: "waiting", questions: [], ending: [] };
  lines.set(phone.id, line);
  line.close = listen(phone, {
    status(status) {
      if (line.status === status) return;
      line.status = status;
      if (status === "live") lookWhatEnds(line);
      if (page() === "home") home();
    },
    approvals(questions, ended) {
      const was = line.frozen;
      Object.assign(line, { questions, ended, frozen: null });
      if (!questions.length) push.quiet(phone.site);
      if (was && ["frozen", "home"].includes(page())) home();
      else look();
    },
    frozen(since) {
      line.frozen = since;
      line.questions = [];
      push.quiet(phone.site);
      if (!answering() && ["home", "question", "over", "approved", "problem", "history", "not-mine"].includes(page())) stopped(phone);
    },
    unpaired({ code, at }) {
      line.status = "unpaired";
      line.removed = String(code).startsWith("removed-") ? { code, at } : null;
      line.questions = [];
      push.keep(woken());
      if (["home", "question", "over", "approved", "frozen"].includes(page())) home();
    },
  });
}

/** "Not me" was said: nothing else is shown until support has opened the access again. */
function stopped(phone) {
  const line = lines.get(phone.id);
  if (line) Object.assign(line, { questions: [], frozen: line.frozen ?? now() });
  frozen(phone, { back: lines.size > 1 && overview });
}

function close(id) {
  lines.get(id)?.close();
  lines.delete(id);
}

/** The phones that the gate still knows. */
const woken = () => [...lines.values()].filter(({ status }) => status !== "unpaired").map(({ phone }) => phone);

async function paired(phone) {
  // The same person's older key in this phone's lock gave way to the new one, and signs nothing any more.
  const whose = (id) => id.split(".").slice(0, 2).join(".");
  for (const { phone: older } of [...lines.values()]) {
    if (older.id !== phone.id && whose(older.id) === whose(phone.id)) {
      close(older.id);
      await keys.forgetPhone(older.id);
    }
  }
  open(phone);
  push.keep(woken());
  brand(phone);
  show(
    "paired",
    t("paired"),
    el("p.done", { "aria-hidden": "true" }, "✓"),
    el("p", {}, t("paired.text")),
    push.slot(),
    action(t("done"), home),
  );
}

/** Nothing waits; or it does, and the question is shown. */
function home() {
  if (lines.size === 0) return welcome(paired);
  const first = [...lines.values()];
  look(true);
  if (page() === "question") return;
  if (first.length === 1 && first[0].frozen) return stopped(first[0].phone);
  overview();
}

function overview() {
  const first = [...lines.values()];
  const one = first.length === 1 ? first[0].phone : null;
  brand(one);
  show(
    "home",
    t("home"),
    el("p", {}, t("home.text")),
    ...first.flatMap((line) => line.ending.map((one) => ends(one, line))),
    ...first.map(card),
    push.slot(),
    first.some(({ phone }) => phone.agree) &&
      action(t("offline"), () => offline(first.map(({ phone }) => phone), home), { look: "second", id: "offline", busy: t("busy-camera") }),
    action(t("history"), past, { look: "second", id: "history" }),
    install && action(t("home.install"), offerInstall, { look: "second" }),
    el(
      "details",
      {},
      el("summary", {}, t("home.pair")),
      el("p", {}, t("home.pair-text")),
      action(t("home.pair"), () => welcome(paired, { back: home }), { look: "second" }),
    ),
    tongues(home),
    one && support(one),
  );
}

const past = () => lastApprovals([...lines.values()].map(({ phone }) => phone), { home, stopped });

function card(line) {
  const { phone } = line;
  const state = line.frozen && line.status === "live" ? "frozen" : line.status;
  return el(
    "section.card",
    {},
    el("h2", {}, phone.site),
    el("p", {}, phone.person, el("br"), el("span.small", {}, phone.host)),
    el(`p.state.${state}`, { role: "status" }, line.removed ? gone(line.removed) : t(`state-${state}`)),
    line.status === "unpaired" &&
      action(t("home.remove"), () => remove(phone), { look: "second" }),
  );
}

/** "Removed on 3 November by you", where the gate has said so. */
const gone = ({ code, at }) => t(`state-${code}`, { day: day(at) });

/** The line comes back at least each quarter of an hour, and we look again. */
async function lookWhatEnds(line) {
  const who = { handle: line.phone.id, key: line.phone.key };
  const me = await call(who, "GET", "/api/me").catch(() => null);
  if (me?.gate_key && me.gate_key !== line.phone.gate_key) {
    line.phone.gate_key = me.gate_key;
    await keys.keepPhone(line.phone);
  }
  if (!me || JSON.stringify(me.ending) === JSON.stringify(line.ending)) return;
  line.ending = me.ending ?? [];
  if (page() === "home") home();
}

function ends({ device, until, days, ended }, { phone }) {
  const id = ended ? "ended" : "ends";
  return el(
    `section.card.ends${ended ? ".over" : ""}`,
    {},
    el("h2", {}, t(id, { device, days })),
    el("p", {}, t(`${id}.text`, { day: day(until, "UTC"), site: phone.site })),
  );
}

async function remove(phone) {
  close(phone.id);
  await keys.forgetPhone(phone.id);
  push.keep(woken());
  home();
}

/** Shows what waits, unless something else has the screen. */
function look(fromHome = false) {
  if (answering()) return;
  const waiting = [...lines.values()]
    .flatMap((line) => line.questions.map((question) => ({ line, question })))
    .filter(({ question }) => now() < Date.parse(question.until));
  const shown = document.getElementById("main").dataset.question;
  if (page() === "question" && waiting.some(({ question }) => question.id === shown)) return;
  const gone = page() === "question" && shown;
  if (gone && !waiting.length) {
    const ended = [...lines.values()].map((line) => line.ended).find((ended) => ended?.id === shown);
    return over({ code: ended?.how, title: t("over"), detail: t(ENDED[ended?.how] ?? "over.text") }, undefined, { settled, home });
  }
  if (!waiting.length || !(fromHome || ["home", "question", "over", "approved", "paired", "frozen", "history"].includes(page()))) return;
  const { line, question } = waiting[0];
  ask(line.phone, question, { settled, home, look, stopped }, gone);
}

/** How a question may have ended without this phone. */
const ENDED = {
  approved: "over.approved",
  denied: "over.denied",
  "wrong-digits": "over.wrong-digits",
  withdrawn: "over.withdrawn",
  expired: "over.expired",
};

/** What waited is no more: of one phone, or of all. */
function settled(phone) {
  for (const line of lines.values()) {
    if (!phone || line.phone.id === phone.id) line.questions = [];
  }
}

async function offerInstall() {
  const offer = install;
  install = null;
  await offer.prompt().catch(() => {});
  home();
}

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  install = event;
  if (page() === "home") home();
});
addEventListener("hashchange", start);
addEventListener("unhandledrejection", ({ reason }) => {
  if (!answering()) showProblem(reason instanceof Problem ? reason : new Problem({}), { again: home, againLabel: t("go-on") });
});

start();
