// What the phone keeps: its pairings and the key that signs each call, which no script can read out.

const NAME = "portcullis";
// One more whenever a store is added. What an older app kept stays: stores are only ever added.
const VERSION = 2;
const STORES = ["phones", "pairing", "trial", "settings"];

/** Whether this browser keeps anything; false in some private modes. */
export async function canKeep() {
  try {
    const key = await makeKey();
    await put("trial", { id: "trial", key: key.privateKey });
    await drop("trial", "trial");
    return true;
  } catch {
    return false;
  }
}

/** A key for the API's calls. Its private half cannot be exported. */
export function makeKey() {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
}

/** A key for agreements: answers without a network. */
export function makeAgreement() {
  return crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
}

export const publicBytes = (pair) => crypto.subtle.exportKey("raw", pair.publicKey);

/** ES256, 64 bytes. */
export function sign(key, bytes) {
  return crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, bytes);
}

export const phones = () => all("phones");
export const keepPhone = (phone) => put("phones", phone);
export const forgetPhone = (id) => drop("phones", id);

/** The language that was chosen in the app; none where the browser's is taken. */
export const language = async () => (await act("settings", "readonly", (it) => it.get("language")))?.value;
export const keepLanguage = (value) => put("settings", { id: "language", value });

/** A pairing under way outlives a reload. */
export const pairingUnderWay = async () => (await all("pairing"))[0] ?? null;
export const keepPairing = (pairing) => put("pairing", { ...pairing, id: "now" });
export const forgetPairing = () => drop("pairing", "now");

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    if (!globalThis.indexedDB) throw new Error("no storage");
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const there = request.result.objectStoreNames;
      for (const store of STORES) {
        if (!there.contains(store)) request.result.createObjectStore(store, { keyPath: "id" });
      }
    };
    request.onsuccess = () => {
      // A newer app that is opened beside this one may add its stores.
      request.result.onversionchange = () => {
        request.result.close();
        opened = undefined;
      };
      request.result.onclose = () => (opened = undefined);
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
    setTimeout(() => reject(new Error("no answer from storage")), 8000);
  });
  opened.catch(() => (opened = undefined));
  return opened;
}

async function act(store, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

const all = (store) => act(store, "readonly", (it) => it.getAll());
const put = (store, value) => act(store, "readwrite", (it) => it.put(value));
const drop = (store, id) => act(store, "readwrite", (it) => it.delete(id));
