// Chromium's push service as a stand-in on this machine: check-in and registration over HTTPS, the endpoint that a
// gate posts to, and the lasting connection (MCS) by which the browser hears of it. Only as much as one browser needs.
// node gcm.mjs HTTPS_PORT MCS_PORT FOLDER      (FOLDER holds server.key and server.crt)

import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as https } from "node:https";
import { createServer as tls } from "node:tls";

const [httpsPort, mcsPort, folder] = process.argv.slice(2);
const own = { key: readFileSync(`${folder}/server.key`), cert: readFileSync(`${folder}/server.crt`) };
const subscriptions = new Map(); // token -> { app, sender, subtype }
const browsers = new Set(); // open MCS connections

// Protocol buffers, as far as they are needed here.
function varint(number) {
  let left = BigInt(number);
  const bytes = [];
  do {
    const more = left >> 7n;
    bytes.push(Number(left & 127n) | (more ? 128 : 0));
    left = more;
  } while (left);
  return Buffer.from(bytes);
}
const tag = (field, kind) => varint((field << 3) | kind);
const number = (field, value) => Buffer.concat([tag(field, 0), varint(value)]);
const bytes = (field, value) => {
  const content = Buffer.from(value);
  return Buffer.concat([tag(field, 2), varint(content.length), content]);
};
const fixed64 = (field, value) => {
  const content = Buffer.alloc(8);
  content.writeBigUInt64LE(value);
  return Buffer.concat([tag(field, 1), content]);
};

/** The first field of a message, which is a text: the id of a login request. */
function firstText(message) {
  return message.subarray(2, 2 + message[1]).toString();
}

const CHECKIN = Buffer.concat([
  number(1, 1),
  number(3, Date.now()),
  fixed64(7, 5123456789012345678n),
  fixed64(8, 4123456789012345678n),
  bytes(11, "v1"),
]);

https(own, (request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => answer(request, Buffer.concat(parts), response));
}).listen(Number(httpsPort), "127.0.0.1");

function answer(request, body, response) {
  if (request.url.startsWith("/checkin")) {
    response.setHeader("content-type", "application/x-protobuf");
    return response.end(CHECKIN);
  }
  if (request.url.startsWith("/register")) {
    const form = new URLSearchParams(body.toString());
    const token = `token-${randomBytes(12).toString("hex")}`;
    subscriptions.set(token, { app: form.get("app"), sender: form.get("sender"), subtype: form.get("X-subtype") });
    return response.end(`token=${token}`);
  }
  const token = request.url.match(/^\/(?:fcm\/send|wp)\/(.+)$/)?.[1];
  if (request.method !== "POST" || !subscriptions.has(token)) return response.writeHead(404).end();
  deliver(token, request.headers, body);
  response.writeHead(201).end();
}

/** DataMessageStanza: what was posted, to every browser that is connected. */
function deliver(token, headers, body) {
  const { app, sender, subtype } = subscriptions.get(token);
  const id = randomUUID();
  const data = (name, value) => bytes(7, Buffer.concat([bytes(1, name), bytes(2, value ?? "")]));
  const stanza = Buffer.concat([
    bytes(2, id),
    bytes(3, sender),
    bytes(5, app),
    bytes(6, token),
    data("content-encoding", headers["content-encoding"]),
    data("subtype", subtype),
    bytes(9, `0:${Date.now()}%${id.slice(0, 8)}`),
    number(17, Number(headers.ttl ?? 0)),
    number(18, Date.now()),
    bytes(21, body),
  ]);
  for (const browser of browsers) browser.write(framed(DATA, stanza));
  console.log(`pushed ${stanza.length} bytes to ${browsers.size}`);
}

const framed = (kind, message) => Buffer.concat([Buffer.from([kind]), varint(message.length), message]);
const VERSION = 41;
const [PING, PONG, LOGIN, LOGGED_IN, DATA] = [0, 1, 2, 3, 8];

tls(own, (browser) => {
  let left = Buffer.alloc(0);
  let greeted = false;
  browser.on("error", () => {});
  browser.on("close", () => browsers.delete(browser));
  browser.on("data", (part) => {
    left = Buffer.concat([left, part]);
    if (!greeted && left.length) {
      left = left.subarray(1); // The version that it speaks.
      greeted = true;
    }
    for (;;) {
      const frame = cut(left);
      if (!frame) return;
      left = frame.rest;
      if (frame.kind === PING) browser.write(framed(PONG, Buffer.alloc(0)));
      if (frame.kind !== LOGIN) continue;
      const welcome = Buffer.concat([bytes(1, firstText(frame.message)), number(8, Date.now())]);
      browser.write(Buffer.concat([Buffer.from([VERSION]), framed(LOGGED_IN, welcome)]));
      browsers.add(browser);
    }
  });
}).listen(Number(mcsPort), "127.0.0.1", () => console.log("ready"));

/** The first whole frame: kind, length, message. */
function cut(buffer) {
  let [length, shift, at] = [0, 0, 1];
  for (;;) {
    if (at >= buffer.length) return null;
    const byte = buffer[at];
    at += 1;
    length |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) break;
  }
  if (buffer.length < at + length) return null;
  return { kind: buffer[0], message: buffer.subarray(at, at + length), rest: buffer.subarray(at + length) };
}
