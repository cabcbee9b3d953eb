// The browser's side of Web Push (RFC 8291, RFC 8188) by Node's own cryptography: makes keys, opens a message.
// node open_push.mjs '{"make":true}'   |   node open_push.mjs '{"open":BODY,"keys":KEYS}'

import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";

const asked = JSON.parse(process.argv[2]);
const text = (bytes) => Buffer.from(bytes).toString("base64url");
const bytes = (text) => Buffer.from(text, "base64url");
const derive = (salt, secret, info, length) => Buffer.from(hkdfSync("sha256", secret, salt, info, length));

function make() {
  const pair = createECDH("prime256v1");
  return { p256dh: text(pair.generateKeys()), private: text(pair.getPrivateKey()), auth: text(randomBytes(16)) };
}

function open(body, keys) {
  const salt = body.subarray(0, 16);
  const size = body.readUInt32BE(16);
  const theirs = body.subarray(21, 21 + body[20]);
  const sealed = body.subarray(21 + body[20]);
  if (sealed.length > size) throw new Error("more than one record");
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(bytes(keys.private));
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), bytes(keys.p256dh), theirs]);
  const secret = derive(bytes(keys.auth), pair.computeSecret(theirs), info, 32);
  const key = derive(salt, secret, "Content-Encoding: aes128gcm\0", 16);
  const nonce = derive(salt, secret, "Content-Encoding: nonce\0", 12);
  const cipher = createDecipheriv("aes-128-gcm", key, nonce);
  cipher.setAuthTag(sealed.subarray(-16));
  const plain = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  const end = plain.findLastIndex((byte) => byte !== 0);
  if (plain[end] !== 2) throw new Error("no last record");
  return { text: plain.subarray(0, end).toString() };
}

console.log(JSON.stringify(asked.make ? make() : open(bytes(asked.open), asked.keys)));
