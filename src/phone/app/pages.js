// What a page is made of: one sentence, one thing to do, help below. Text only, never markup.

import { LANGUAGES, choose, language, t } from "./words.js";

const main = document.getElementById("main");
let leaving = [];
let arriving = [];

/** An element: name.class, attributes, children. */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** Shows a page in place of the one before, and moves the reader to its sentence. */
export function show(name, sentence, ...children) {
  for (const leave of leaving.splice(0)) leave();
  const title = el("h1", { tabindex: "-1" }, sentence);
  for (const arrive of arriving.splice(0)) arrive();
  main.dataset.page = name;
  main.replaceChildren(title, ...children.filter((child) => child != null && child !== false));
  gather();
  document.title = `${sentence} - Portcullis`;
  scrollTo(0, 0);
  title.focus({ preventScroll: true });
}

/** What is to be done on a page, together; within reach of a thumb where it leaves room to read. */
function gather() {
  const buttons = [...main.querySelectorAll(":scope > button, :scope > .button")];
  if (!buttons.length) return;
  const together = el("div.actions");
  buttons[0].before(together);
  together.append(...buttons);
  near();
}

function near() {
  const together = main.querySelector(":scope > .actions");
  const weighs = together?.querySelector(":scope > .main, :scope > .danger");
  together?.classList.toggle("near", Boolean(weighs) && together.offsetHeight < innerHeight * 0.36);
}

addEventListener("resize", near);

/** Which page is shown. */
export const page = () => main.dataset.page;

/** Done when the page goes. */
export function onLeave(work) {
  leaving.push(work);
}

/** Done when the page that is being made is shown. */
function onArrival(work) {
  arriving.push(work);
}

/** Says something to those who listen, where the page's sentence stays. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** The one thing to do. While it runs the button says so and cannot be pressed again. */
export function action(label, work, { busy = t("busy"), look = "main", id } = {}) {
  const button = el(`button.${look}`, { type: "button", id }, label);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    button.textContent = busy;
    try {
      await work();
    } finally {
      button.removeAttribute("aria-disabled");
      button.textContent = label;
    }
  });
  return button;
}

/** A problem as a page of its own. */
export function showProblem(problem, { again, againLabel = t("try-again"), back, site } = {}) {
  show(
    "problem",
    problem.title || t("problem"),
    problem.detail && el("p", {}, problem.detail),
    el("p.next", {}, problem.next || t("problem.next")),
    again && action(againLabel, again),
    back && action(t("back"), back, { look: "quiet" }),
    support(site),
    problem.number && el("p.small", {}, t("number"), " ", el("span.number", {}, problem.number)),
  );
  main.dataset.code = problem.code ?? "unknown";
}

/** Support's telephone, where we know whose. */
export function support(site) {
  if (!site?.telephone) return null;
  const href = `tel:${site.telephone.replace(/[^+\d]/g, "")}`;
  return el("p.help", {}, t("support"), " ", el("a", { href }, site.telephone));
}

/** Each language by its own name, to choose from. */
export function tongues(again) {
  const choice = (tag) => el("option", { value: tag, lang: tag, selected: tag === language() }, LANGUAGES[tag]);
  const list = el("select", { id: "language" }, ...Object.keys(LANGUAGES).map(choice));
  list.addEventListener("change", () => choose(list.value).then(again));
  return el("div.tongues", {}, el("label", { for: "language" }, t("language")), list);
}

/** One line of a list of facts. */
export const row = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

/** Time left, as words and as a bar. Calls `over` at the end. */
export function countdown(from, until, now, words, over) {
  const bar = el("div.bar", { "aria-hidden": "true" }, el("span"));
  const text = el("p.small.left");
  const tell = () => {
    const left = until - now();
    text.textContent = words(left);
    bar.firstChild.style.width = `${Math.max(0, Math.min(100, (100 * left) / (until - from)))}%`;
    return left;
  };
  // Only later than the page it stands on can it take that page away.
  const timer = setInterval(() => tell() <= 0 && over(), 500);
  onArrival(() => leaving.push(() => clearInterval(timer)));
  tell();
  return el("div.time", {}, text, bar);
}

/** Whose page it is: name, letters and colour at the top, address and telephone at the foot. */
export function brand(site) {
  document.getElementById("site").textContent = site?.site || "Portcullis";
  const monogram = document.getElementById("monogram");
  monogram.textContent = site?.monogram || (site?.site ? site.site[0] : "P");
  const root = document.documentElement.style;
  const accent = /^#[0-9a-f]{6}$/i.test(site?.accent ?? "") ? site.accent : null;
  if (accent) {
    root.setProperty("--accent-light", shade(accent, [255, 255, 255], -1));
    root.setProperty("--accent-dark", shade(accent, [29, 33, 37], 1));
  } else {
    root.removeProperty("--accent-light");
    root.removeProperty("--accent-dark");
  }
  document.getElementById("foot").replaceChildren(
    el("span", {}, "Portcullis"),
    " · ", t("address"), " ",
    el("span", {}, location.host),
  );
}

/** The colour, darkened or lightened until it reads against `ground` (4.5:1). */
function shade(hex, ground, direction) {
  const colour = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  for (let step = 0; step < 40 && contrast(colour, ground) < 4.6; step += 1) {
    for (let i = 0; i < 3; i += 1) {
      colour[i] = Math.round(direction < 0 ? colour[i] * 0.93 : Math.min(255, colour[i] * 1.08 + 4));
    }
  }
  return `rgb(${colour.join(" ")})`;
}

function contrast(a, b) {
  const light = (colour) => {
    const [r, g, bl] = colour.map((part) => {
      const c = part / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl;
  };
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}
