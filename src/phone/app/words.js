// The app's words in the person's language: words/*.ftl have the same ids and the same variables
// (tests/phone_app.rs). What is signed is shown as it was sent and is never translated.

import * as keys from "./keys.js";
import { leftOf } from "./text.js";
import { FluentBundle, FluentResource } from "./vendor/fluent.js";

/** What the app speaks, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", it: "Italiano" };

let bundle;
let locale = "en-GB";

/** Takes the language that was chosen, else the browser's first that the app speaks, else English. */
export async function speak() {
  const chosen = await keys.language().catch(() => null);
  const wanted = navigator.languages ?? [];
  const language = [chosen, ...wanted].map((tag) => tag?.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
  const response = await fetch(`/words/${language}.ftl`);
  if (!response.ok) throw new Error("no words");
  locale = wanted.find((tag) => tag.startsWith(language)) ?? HOMES[language];
  bundle = made(await response.text(), locale);
  document.documentElement.lang = language;
}

/** The language of the page. */
export const language = () => document.documentElement.lang;

/** Keeps the choice and takes it up. */
export async function choose(language) {
  await keys.keepLanguage(language);
  await speak();
}

/** The words of an id, or of an attribute of it: `t("home")`, `t("home.text", { n: 1 })`. */
export function t(id, args) {
  return found(id, args) ?? id;
}

/** Whether there are words of this id. */
export const has = (id) => bundle.hasMessage(id);

/** What is asked: in the app's words where it is the usual, as it was sent where it is not. */
export const what = ({ purpose, reason, usual }) => (usual && has(`what-${purpose}`) ? t(`what-${purpose}`) : reason);

/** Sentence, why and next step for a problem's code; nothing of what the app has no words for. */
export function problemWords(code, args) {
  const words = {};
  for (const [part, id] of [["title", ""], ["detail", ".detail"], ["next", ".next"]]) {
    const text = found(`problem-${code}${id}`, args);
    if (text) words[part] = text;
  }
  return words;
}

/** "2 minutes left", "40 seconds left". */
export function timeLeft(ms) {
  const [id, n] = leftOf(ms);
  return t(id, { n });
}

/** "14:05". */
export const clockTime = (time) => new Date(time).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });

/** "14 December 2026". */
export const day = (time, timeZone) =>
  new Date(time).toLocaleDateString(locale, { day: "numeric", month: "long", year: "numeric", timeZone });

/** "14 December, 14:05". */
export const moment = (time) =>
  new Date(time).toLocaleString(locale, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

function found(id, args) {
  const [name, attribute] = id.split(".");
  const message = bundle?.getMessage(name);
  const pattern = attribute ? message?.attributes[attribute] : message?.value;
  return pattern ? bundle.formatPattern(pattern, straight(args), []) : undefined;
}

/** Names stand among the words: what turns the direction of text must not reach out of them. */
function straight(args = {}) {
  const clean = (value) => (typeof value === "string" ? value.replace(/[\u202a-\u202e\u2066-\u2069]/g, "") : value);
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, clean(value)]));
}

/** Made of a file's text. */
export function made(text, locale) {
  const bundle = new FluentBundle(locale, { useIsolating: false });
  bundle.addResource(new FluentResource(text));
  return bundle;
}

// Where the browser names no country: that of most who use the app.
const HOMES = { en: "en-GB", de: "de-CH", fr: "fr-CH", it: "it-CH" };
