// The texts that are signed: built here from what is shown, and by the server from what it asked.
// Pure; tests/phone_app.rs compares the two.

/** What an approval signs. Fields as the API gave them; digits as typed. */
export function canonicalText(question, digits) {
  const lines = [
    ["id", question.id],
    ["purpose", question.purpose],
    ["reason", question.reason],
    ["site", question.site],
    ["host", question.host],
    ["tenant", question.tenant],
    ["person", question.person],
    ["device", question.device],
    ["certificate", question.certificate],
    ["browser", question.browser],
    ["address", question.address],
    ["place", question.place],
    ["asked", question.asked],
    ["until", question.until],
    ["nonce", question.nonce],
    ["bound", question.bound],
    ["rows", String(question.rows.length)],
    ...question.rows.flatMap(({ name, value }) => [["name", name], ["value", value]]),
    ["verdict", "approve"],
    ["digits", digits],
  ];
  return "portcullis approval 2\n" + lines.map(([name, value]) => `${name}: ${value}\n`).join("");
}

/** What every call of the API signs. */
export function callText(method, path, time, nonce, bodyHash) {
  return `portcullis call 1\n${method}\n${path}\n${time}\n${nonce}\n${bodyHash}\n`;
}

/** The pairing and its secret from a link, where it is one of ours; null otherwise. */
export function readLink(text, origin) {
  let url;
  try {
    url = new URL(text.trim());
  } catch {
    return null;
  }
  const parts = /^#([a-z2-7]{8,64})\.([a-z2-7]{26,64})$/.exec(url.hash.toLowerCase());
  if (url.origin !== origin || url.pathname !== "/pair" || !parts) return null;
  return { pairing: parts[1], secret: parts[2] };
}

/** Digits alone, six at most, from whatever was typed or pasted. */
export function onlyDigits(text) {
  return text.replace(/\D/g, "").slice(0, 6);
}

/** Time left in whole minutes, or in seconds at the end, as a word of the app and a number. */
export function leftOf(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return seconds > 60 ? ["minutes-left", Math.ceil(seconds / 60)] : ["seconds-left", seconds];
}

export function base64url(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function fromBase64url(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

export const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const utf8 = (text) => new TextEncoder().encode(text);
