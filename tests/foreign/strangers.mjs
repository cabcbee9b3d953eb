// What Node makes of our files: `node strangers.mjs VERB ...`. Prints JSON, or ends with an error where it
// refuses. The import password is in the environment, as P.
import { readFileSync } from "node:fs";
import https from "node:https";
import tls from "node:tls";

/** Asks a gate for a page with the certificate of a .p12. */
function fetchWith(p12, root, port, host, path) {
  const options = {
    pfx: readFileSync(p12),
    passphrase: process.env.P,
    ca: readFileSync(root),
    host: "127.0.0.1",
    port,
    servername: host,
    path,
    headers: { host: `${host}:${port}`, accept: "application/json" },
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const request = https.get(options, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (body += piece));
      response.on("end", () => resolve({ status: response.statusCode, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** Opens a .p12 as a TLS server or client would. */
function open(p12) {
  tls.createSecureContext({ pfx: readFileSync(p12), passphrase: process.env.P });
  return { opened: true };
}

/** The claims of a token, by the key of the set that it names. */
async function jwt(token, keys, issuer, audience, now) {
  const jose = await import("jose");
  const set = jose.createLocalJWKSet(JSON.parse(readFileSync(keys, "utf8")));
  const required = ["sub", "iat", "nbf", "exp", "jti", "cnf"];
  const currentDate = new Date(Number(now) * 1000);
  const wanted = { issuer, audience, algorithms: ["ES256"], requiredClaims: required, currentDate };
  return (await jose.jwtVerify(readFileSync(token, "utf8"), set, wanted)).payload;
}

const verbs = { fetch: fetchWith, p12: open, jwt };
const [verb, ...rest] = process.argv.slice(2);
console.log(JSON.stringify(await verbs[verb](...rest)));
