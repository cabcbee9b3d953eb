// One question: what is asked, the six digits, yes or "not me". What is signed is what is shown.

import { call, now } from "./api.js";
import { action, brand, countdown, el, onLeave, page, row, say, show, showProblem, support } from "./pages.js";
import { signWith } from "./passkey.js";
import { canonicalText, onlyDigits, utf8 } from "./text.js";
import { clockTime, has, t, timeLeft, what } from "./words.js";

let busy = false;

/** The screen lock is asked, or an answer is on its way: nothing may change the page. */
export const answering = () => busy;

/** Shows what is asked. `then` has settled(phone), stopped(phone), home() and look() for what comes after;
    `newer`: it took the place of one that was on the screen. */
export function ask(phone, question, then, newer) {
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
  const approving = action(t("approve"), () => approve(phone, question, field, said, then), { busy: t("busy-lock"), id: "approve" });
  field.addEventListener("keydown", (event) => event.key === "Enter" && approving.click());
  const typed = [el("label", { for: "digits" }, t("digits")), field, said];
  // The digits are in sight on the smallest phone: right after what tells a fraud (of a payment amount and payee, else
  // where it comes from), and then the rest of what is signed, unfolded.
  const pays = question.purpose === "confirm";
  const [rows, around] = facts(question, !pays);
  const shown = [rows, !pays && el("dl.whence", {}, from(question)), ...typed, around];
  show(
    "question",
    title(question),
    newer && el("p.loud", {}, t("newer")),
    has(`loud-${question.purpose}`) && el("p.loud", {}, t(`loud-${question.purpose}`)),
    ...shown,
    approving,
    action(t("not-me"), () => deny(phone, question, then), { look: "danger", busy: t("busy-stopping"), id: "not-me" }),
    countdown(Date.parse(question.asked), until, now, timeLeft, () => {
      if (!busy) over(tooLate(), phone, then);
    }),
    support(phone),
  );
  const main = document.getElementById("main");
  main.dataset.question = question.id;
  onLeave(() => delete main.dataset.question);
  navigator.vibrate?.(120);
}

/** The sentence of a question. */
export const title = (question) =>
  t(has(`ask-${question.purpose}`) ? `ask-${question.purpose}` : "ask-other", question);

const from = (question) => row(t("row-from"), t(question.place ? "from-place" : "from-address", question));

/** All that is signed, line by line; but for where it comes from, where that stands `apart`. */
export function facts(question, apart = false) {
  return [
    question.rows.length > 0 && el("dl.rows", {}, ...question.rows.map(({ name, value }) => row(name, value))),
    el(
      "dl",
      {},
      row(t("row-reason"), what(question)),
      row(t("row-who"), question.person),
      row(t("row-device"), question.device),
      row(t("row-browser"), question.browser),
      !apart && from(question),
      row(t("row-when"), when(question.asked)),
      row(t("row-site"), question.host),
    ),
  ];
}

function when(asked) {
  const time = clockTime(asked);
  const seconds = Math.round((now() - Date.parse(asked)) / 1000);
  return seconds < 60 ? t("just-now", { time }) : t("minutes-ago", { n: Math.floor(seconds / 60), time });
}

async function approve(phone, question, field, said, then) {
  const digits = onlyDigits(field.value);
  const wrong = (text) => {
    field.setAttribute("aria-invalid", "true");
    said.textContent = text;
    field.focus();
  };
  if (digits.length !== 6) return wrong(t("digits.missing"));
  field.removeAttribute("aria-invalid");
  busy = true;
  try {
    const text = canonicalText(question, digits);
    const challenge = await crypto.subtle.digest("SHA-256", utf8(text));
    const signed = await signWith(phone.credential, challenge);
    const who = { handle: phone.id, key: phone.key };
    await call(who, "POST", `/api/approvals/${question.id}/approve`, { digits, ...signed });
    answered("approved", t("approved"), t("approved.text"), phone, then, "✓");
  } catch (problem) {
    const end = ["answered", "expired", "unknown", "phone-blocked"].includes(problem.code) || problem.left === 0;
    if (problem.code === "frozen") then.stopped(phone);
    else if (end) over(problem, phone, then);
    else if (problem.code === "wrong-digits") {
      field.value = "";
      wrong(`${problem.title}. ${problem.detail} ${problem.next}`);
    } else if (problem.code === "unpaired" || String(problem.code).startsWith("removed-") || ["synced", "shut-out"].includes(problem.code)) showProblem(problem, { again: then.home, againLabel: t("go-on"), site: phone });
    else wrong(`${problem.title ?? t("problem")}. ${problem.next ?? t("problem.next")}`);
  } finally {
    busy = false;
    if (page() === "question" && now() >= Date.parse(question.until)) {
      over(tooLate(), phone, then);
    } else then.look();
  }
}

async function deny(phone, question, then) {
  busy = true;
  try {
    await call({ handle: phone.id, key: phone.key }, "POST", `/api/approvals/${question.id}/deny`, {});
    then.stopped(phone);
    say(t("frozen"));
  } catch (problem) {
    if (problem.code === "frozen") then.stopped(phone);
    else if (["answered", "expired", "unknown"].includes(problem.code)) over(problem, phone, then);
    else showProblem(problem, { again: () => deny(phone, question, then), back: then.home, site: phone });
  } finally {
    busy = false;
  }
}

function answered(name, title, detail, phone, then, sign) {
  then.settled(phone);
  show(
    name,
    title,
    sign && el("p.done", { "aria-hidden": "true" }, sign),
    el("p", {}, detail),
    action(t("done"), then.home),
  );
  say(title);
}

const tooLate = () => ({ title: t("time-over"), detail: t("time-over.text") });

/** The question is over: why, and what to do. */
export function over(problem, phone, then) {
  then.settled(phone);
  show(
    "over",
    problem.title ?? t("over"),
    problem.detail && el("p", {}, problem.detail),
    el("p.next", {}, problem.next ?? t("again")),
    action(t("done"), then.home),
    phone && support(phone),
  );
  document.getElementById("main").dataset.code = problem.code ?? "over";
}
