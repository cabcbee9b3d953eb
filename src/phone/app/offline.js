// Without a network: reads all that is asked from a square on the computer, and shows eight characters to type there.
// How strong that is stands in src/auth/phone/offline.rs.

import { now } from "./api.js";
import { action, el, onLeave, show, showProblem, support } from "./pages.js";
import { signWith } from "./passkey.js";
import { facts, title } from "./question.js";
import { viewfinder } from "./scan.js";
import { canonicalText, fromBase64url, hex, utf8 } from "./text.js";
import { has, t } from "./words.js";

const KIND = "portcullis offline 1";

/** Looks for the square. `phones` are those of this app. */
export function offline(phones, back) {
  const able = phones.filter((phone) => phone.agree && phone.gate_key);
  if (!able.length) return showProblem(problem("offline-none"), { back, site: phones[0] });
  viewfinder({
    name: "offline-scan",
    title: t("offline-scan"),
    other: t("offline-scan.other"),
    read: (text) => readSquare(text, able),
    found: (square) => ask(square, back),
    again: () => offline(phones, back),
    back,
    // Much stands in this square: its modules are small.
    side_px_max: 1280,
  });
}

/** What a square asks, where the gate signed it for a phone of this app; null otherwise. */
export async function readSquare(text, phones) {
  const end = text.lastIndexOf(".");
  let fields;
  try {
    fields = JSON.parse(text.slice(0, end));
  } catch {
    return null;
  }
  if (!Array.isArray(fields) || fields.length !== 19 || fields[0] !== KIND) return null;
  const [, handle, ours, id, purpose, reason, site, host, person, device, certificate, ...more] = fields;
  const [browser, address, place, asked, until, nonce, bound, rows] = more;
  const phone = phones.find((phone) => phone.id === handle);
  if (!phone) return null;
  const key = await importKey(phone.gate_key, { name: "ECDSA", namedCurve: "P-256" }, ["verify"]);
  const signature = fromBase64url(text.slice(end + 1));
  const signed = utf8(text.slice(0, end));
  if (!(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, signed))) return null;
  const question = {
    id, purpose, reason, site, host, person, device, browser, address, place, asked, until, nonce, bound,
    tenant: handle.split(".")[0],
    certificate: hex(fromBase64url(certificate)),
    rows: rows.map(([name, value]) => ({ name, value })),
  };
  return { phone, question, ours };
}

/** The eight characters for a text, under what this phone and the gate agree on. */
export async function answerTo(agree, ours, text) {
  const theirs = await importKey(ours, { name: "ECDH", namedCurve: "P-256" }, []);
  const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, agree, 256);
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(KIND) };
  const mac = await crypto.subtle.deriveKey(how, base, { name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign"]);
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", mac, utf8(text))).slice(0, 5);
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g).map((five) => ALPHABET[parseInt(five, 2)]).join("");
}

function ask({ phone, question, ours }, back) {
  // The phone's clock alone: without a network nobody corrects it. An old square is refused by the gate too.
  if (now() > Date.parse(question.until) + 60_000) return showProblem(problem("offline-old"), { back, site: phone });
  show(
    "offline-question",
    title(question),
    has(`loud-${question.purpose}`) && el("p.loud", {}, t(`loud-${question.purpose}`)),
    ...facts(question),
    action(t("offline-approve"), () => approve({ phone, question, ours }, back), { busy: t("busy-lock"), id: "approve" }),
    action(t("not-me"), () => notMe(phone, back), { look: "danger" }),
    action(t("back"), back, { look: "quiet" }),
    support(phone),
  );
}

async function approve({ phone, question, ours }, back) {
  try {
    const text = canonicalText(question, "");
    await signWith(phone.credential, await crypto.subtle.digest("SHA-256", utf8(text)));
    const answer = await answerTo(phone.agree, ours, text);
    show(
      "offline-answer",
      t("offline-answer"),
      el("p.words.answer", { "aria-label": [...answer].join(" ") }, el("span", {}, `${answer.slice(0, 4)} ${answer.slice(4)}`)),
      el("p", {}, t("offline-answer.text")),
      action(t("done"), back),
      support(phone),
    );
    const timer = setTimeout(back, SHOWN_MS_MAX);
    onLeave(() => clearTimeout(timer));
  } catch (problem) {
    showProblem(problem, { again: () => approve({ phone, question, ours }, back), back, site: phone });
  }
}

/** Without a network nobody can be told: a call does it. */
function notMe(phone, back) {
  show("offline-not-me", t("offline-not-me"), el("p", {}, t("offline-not-me.text")), support(phone), action(t("done"), back));
}

const problem = (code) => ({ code, title: t(code), detail: t(`${code}.text`), next: t(`${code}.next`) });

const importKey = (key, how, uses) => crypto.subtle.importKey("raw", fromBase64url(key), how, false, uses);

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SHOWN_MS_MAX = 5 * 60_000;
