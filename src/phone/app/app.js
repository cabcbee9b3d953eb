// The phone app: pairs, waits, shows what is asked, signs the answer.

import { Problem, call, now } from "./api.js";
import * as keys from "./keys.js";
import { listen } from "./live.js";
import { action, brand, countdown, el, onLeave, page, say, show, showProblem, support } from "./pages.js";
import { fromLink, resume, welcome } from "./pair.js";
import { signWith } from "./passkey.js";
import { canonicalText, onlyDigits, readLink, timeLeft, utf8 } from "./text.js";

const lines = new Map(); // phone id -> { phone, close, status, questions }
let install = null; // the browser's offer to put the app on the home screen
let answering = false; // the screen lock is asked: nothing may change the page

async function start() {
  const opened = location.href;
  // The secret leaves the address bar and the history before anything else happens.
  if (location.hash || location.pathname !== "/") history.replaceState(null, "", "/");
  if ("serviceWorker" in navigator) {
    navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).catch(() => {});
  }
  brand(null);
  const phones = await keys.phones().catch(() => []);
  for (const phone of phones) open(phone);
  const back = phones.length ? home : undefined;
  const link = readLink(opened, location.origin);
  if (link) return fromLink(link, paired, { back });
  if (await resume(paired)) return;
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
    approvals(questions) {
      line.questions = questions;
      look();
    },
    unpaired() {
      line.status = "unpaired";
      line.questions = [];
      if (page() === "home" || page() === "question") home();
    },
  });
}

function close(id) {
  lines.get(id)?.close();
  lines.delete(id);
}

function paired(phone) {
  open(phone);
  brand(phone);
  show(
    "paired",
    "This phone is paired",
    el("p.done", { "aria-hidden": "true" }, "✓"),
    el("p", {}, "Go back to your computer: it moves on by itself."),
    action("Done", home),
  );
}

/** Nothing waits; or it does, and the question is shown. */
function home() {
  if (lines.size === 0) return welcome(paired);
  const first = [...lines.values()];
  look(true);
  if (page() === "question") return;
  const one = first.length === 1 ? first[0].phone : null;
  brand(one);
  show(
    "home",
    "Nothing to approve",
    el("p", {}, "When you sign in on your computer, the question appears here by itself. Keep the app open while you sign in."),
    ...first.flatMap((line) => line.ending.map((one) => ends(one, line))),
    ...first.map(card),
    install && action("Put the app on the home screen", offerInstall, { look: "second" }),
    el(
      "details",
      {},
      el("summary", {}, "Pair with another site"),
      el("p", {}, "The other site shows a square on your computer too."),
      action("Pair with another site", () => welcome(paired, { back: home }), { look: "second" }),
    ),
    one && support(one),
  );
}

function card(line) {
  const { phone } = line;
  const words = {
    live: "Connected",
    waiting: "Connecting…",
    away: "We cannot reach the gate. We try again by ourselves.",
    offline: "This phone is offline. We try again by ourselves.",
    unpaired: "No longer paired. Pair it again from your computer, or call support.",
  };
  return el(
    "section.card",
    {},
    el("h2", {}, phone.site),
    el("p", {}, phone.person, el("br"), el("span.small", {}, phone.host)),
    el(`p.state.${line.status}`, { role: "status" }, words[line.status]),
    line.status === "unpaired" &&
      action("Remove it from this phone", () => remove(phone), { look: "second" }),
  );
}

/** The line comes back at least each quarter of an hour, and we look again. */
async function lookWhatEnds(line) {
  const who = { handle: line.phone.id, key: line.phone.key };
  const me = await call(who, "GET", "/api/me").catch(() => null);
  if (!me || JSON.stringify(me.ending) === JSON.stringify(line.ending)) return;
  line.ending = me.ending ?? [];
  if (page() === "home") home();
}

function ends({ device, until, said, ended }, { phone }) {
  const day = new Date(until).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return el(
    `section.card.ends${ended ? ".over" : ""}`,
    {},
    el("h2", {}, `The certificate of ${device} ${said}`),
    el(
      "p",
      {},
      ended
        ? `It ended on ${day}. Open ${phone.site} on that device: the page leads on to a new one. Or call support.`
        : `On ${day}. Sign in on that device before then and choose Settings, Security, Certificate to make a new one. Or call support.`,
    ),
  );
}

async function remove(phone) {
  close(phone.id);
  await keys.forgetPhone(phone.id);
  home();
}

/** Shows what waits, unless something else has the screen. */
function look(fromHome = false) {
  if (answering) return;
  const waiting = [...lines.values()]
    .flatMap((line) => line.questions.map((question) => ({ line, question })))
    .filter(({ question }) => now() < Date.parse(question.until));
  const shown = document.getElementById("main").dataset.question;
  if (page() === "question" && waiting.some(({ question }) => question.id === shown)) return;
  if (page() === "question" && !waiting.length) {
    return over({ title: "This question is over", detail: "It was answered, or a newer one took its place.", next: AGAIN });
  }
  if (!waiting.length || !(fromHome || ["home", "question", "over", "approved", "paired"].includes(page()))) return;
  const { line, question } = waiting[0];
  ask(line.phone, question);
}

function ask(phone, question) {
  brand(phone);
  const until = Date.parse(question.until);
  const said = el("p.said", { id: "digits-said", role: "alert" });
  const field = el("input.digits", {
    id: "digits",
    inputmode: "numeric",
    autocomplete: "off",
    "aria-describedby": "digits-said",
    placeholder: "··· ···",
    enterkeyhint: "done",
  });
  field.addEventListener("input", () => {
    const digits = onlyDigits(field.value);
    field.value = digits.length > 3 ? `${digits.slice(0, 3)} ${digits.slice(3)}` : digits;
    said.textContent = "";
  });
  const approving = action("Approve", () => approve(phone, question, field, said), { busy: "Waiting for the screen lock…", id: "approve" });
  field.addEventListener("keydown", (event) => event.key === "Enter" && approving.click());
  const row = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  show(
    "question",
    sentence(question),
    question.purpose in LOUD && el("p.loud", {}, LOUD[question.purpose]),
    question.rows.length > 0 && el("dl.rows", {}, ...question.rows.map(({ name, value }) => row(name, value))),
    el(
      "dl",
      {},
      row("What for", question.reason),
      row("Who", question.person),
      row("Device", question.device),
      row("Browser", question.browser),
      row("From", question.place ? `${question.place} (network address ${question.address})` : `network address ${question.address}`),
      row("When", when(question.asked)),
      row("Site", question.host),
    ),
    el("label", { for: "digits" }, "Type the six digits from your computer"),
    field,
    said,
    approving,
    action("Not me", () => deny(phone, question), { look: "danger", busy: "Stopping it…", id: "not-me" }),
    countdown(Date.parse(question.asked), until, now, timeLeft, () => {
      if (answering) return;
      over({ title: "The time for this question is over", detail: "Nothing was approved.", next: AGAIN });
    }),
    support(phone),
  );
  const main = document.getElementById("main");
  main.dataset.question = question.id;
  onLeave(() => delete main.dataset.question);
  navigator.vibrate?.(120);
}

function sentence({ purpose, site, device }) {
  if (purpose === "new-device") return `Are you adding a new device, ${device}, to ${site}, now?`;
  if (purpose === "resume-first-visit") return `Are you going on with your first visit to ${site} on ${device}, now?`;
  if (purpose === "renew-certificate") return `Are you making a new certificate for ${device} at ${site}, now?`;
  if (purpose === "renew-expired") return `Are you asking for a new certificate for ${device} at ${site}, now?`;
  if (purpose === "pair-phone") return `Are you pairing another phone with ${site}, now?`;
  if (purpose === "remove-phone") return `Are you removing a phone from ${site}, now?`;
  if (purpose === "recovery-codes") return `Are you making new recovery codes for ${site}, now?`;
  if (purpose === "confirm") return `Do you confirm this at ${site}?`;
  if (purpose === "step-up") return `${site} asks again: are you doing this on ${device}, now?`;
  return `Are you signing in to ${site} on ${device}, now?`;
}

const LOUD = {
  "new-device": "A new device is being added. From then on it can ask to come in as you. Approve only if you sit in front of it.",
  "renew-certificate": "A new certificate is being made. Whoever has it can ask to come in as you. Approve only if you asked for it.",
  "renew-expired": "A certificate that ended is being replaced. Approve only if you asked for it and spoke with our support.",
  "pair-phone": "Another phone is being added. From then on it can approve as you. Approve only if it is yours and in your hand.",
  "remove-phone": "A phone is being removed. It can then approve nothing any more.",
  "recovery-codes": "Ten new codes are being made. Whoever has one, and your password, can pair a phone as you. The old ones end.",
  confirm: "Look at each line. What you approve is carried out, and cannot be changed afterwards.",
  "resume-first-visit": "A first visit broke off and is being taken up again. Approve only if you sit in front of that device.",
};

const AGAIN = "If you still want to sign in, start again on your computer.";

function when(asked) {
  const time = new Date(asked).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const seconds = Math.round((now() - Date.parse(asked)) / 1000);
  return seconds < 60 ? `just now, ${time}` : `${Math.floor(seconds / 60)} min ago, ${time}`;
}

async function approve(phone, question, field, said) {
  const digits = onlyDigits(field.value);
  const wrong = (text) => {
    field.setAttribute("aria-invalid", "true");
    said.textContent = text;
    field.focus();
  };
  if (digits.length !== 6) return wrong("Type the six digits that your computer shows.");
  field.removeAttribute("aria-invalid");
  answering = true;
  try {
    const text = canonicalText(question, digits);
    const challenge = await crypto.subtle.digest("SHA-256", utf8(text));
    const signed = await signWith(phone.credential, challenge);
    const who = { handle: phone.id, key: phone.key };
    await call(who, "POST", `/api/approvals/${question.id}/approve`, { digits, ...signed });
    answered("approved", "Approved", "Your computer moves on by itself. You can put the phone away.", phone, "✓");
  } catch (problem) {
    const end = ["answered", "expired", "unknown"].includes(problem.code) || problem.left === 0;
    if (end) over(problem, phone);
    else if (problem.code === "wrong-digits") {
      field.value = "";
      wrong(`${problem.title}. ${problem.detail} ${problem.next}`);
    } else if (problem.code === "unpaired") showProblem(problem, { again: home, againLabel: "Go on", site: phone });
    else wrong(`${problem.title ?? "That did not work"}. ${problem.next ?? "Try again."}`);
  } finally {
    answering = false;
    if (page() === "question" && now() >= Date.parse(question.until)) {
      over({ title: "The time for this question is over", detail: "Nothing was approved.", next: AGAIN });
    } else look();
  }
}

async function deny(phone, question) {
  answering = true;
  try {
    await call({ handle: phone.id, key: phone.key }, "POST", `/api/approvals/${question.id}/deny`, {});
    answered("denied", "We have stopped it. Nobody is signed in.", "Everything that was signed in as you has been signed out. Please call support: somebody may have your password and your computer.", phone);
  } catch (problem) {
    if (["answered", "expired", "unknown"].includes(problem.code)) over(problem, phone);
    else showProblem(problem, { again: () => deny(phone, question), back: home, site: phone });
  } finally {
    answering = false;
  }
}

function answered(name, title, detail, phone, sign) {
  const line = lines.get(phone.id);
  if (line) line.questions = [];
  show(
    name,
    title,
    sign && el("p.done", { "aria-hidden": "true" }, sign),
    el("p", {}, detail),
    name === "denied" && phone.telephone && callSupport(phone),
    action("Done", home, { look: name === "denied" ? "second" : "main" }),
  );
  say(title);
}

function callSupport(phone) {
  const href = `tel:${phone.telephone.replace(/[^+\d]/g, "")}`;
  return el("a.button.main", { href }, `Call support: ${phone.telephone}`);
}

function over(problem, phone) {
  for (const line of lines.values()) {
    if (!phone || line.phone.id === phone.id) line.questions = [];
  }
  show(
    "over",
    problem.title ?? "This question is over",
    problem.detail && el("p", {}, problem.detail),
    el("p.next", {}, problem.next ?? AGAIN),
    action("Done", home),
    phone && support(phone),
  );
  document.getElementById("main").dataset.code = problem.code ?? "over";
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
  if (!answering) showProblem(reason instanceof Problem ? reason : new Problem({ title: "That did not work" }), { again: home, againLabel: "Go on" });
});

start();
