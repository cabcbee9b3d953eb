// The phone's own key, behind its screen lock: it signs what was shown. Each ceremony has an end.

import { Problem } from "./api.js";
import { base64url, fromBase64url } from "./text.js";

/** Whether this phone has a screen lock that can hold a key. */
export async function hasLock() {
  if (!globalThis.PublicKeyCredential || !navigator.credentials) return false;
  const answer = PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable?.() ?? false;
  const late = new Promise((resolve) => setTimeout(resolve, 5000, false));
  return Promise.race([answer, late]).catch(() => false);
}

/** Makes the key for a pairing. */
export async function make(begun) {
  const credential = await within((signal) =>
    navigator.credentials.create({
      signal,
      publicKey: {
        rp: { id: begun.rp_id, name: begun.rp_name },
        user: {
          id: fromBase64url(begun.user_id),
          name: begun.user_name,
          displayName: begun.user_name,
        },
        challenge: fromBase64url(begun.challenge),
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        authenticatorSelection: {
          authenticatorAttachment: "platform",
          residentKey: "preferred",
          userVerification: "required",
        },
        attestation: "none",
        timeout: CEREMONY_MS_MAX,
      },
    }),
  );
  return {
    credential: base64url(credential.rawId),
    client_data: base64url(credential.response.clientDataJSON),
    attestation: base64url(credential.response.attestationObject),
  };
}

/** Signs a challenge with that key. */
export async function signWith(credential, challenge) {
  const answer = await within((signal) =>
    navigator.credentials.get({
      signal,
      publicKey: {
        rpId: location.hostname,
        challenge,
        allowCredentials: [
          { type: "public-key", id: fromBase64url(credential), transports: ["internal"] },
        ],
        userVerification: "required",
        timeout: CEREMONY_MS_MAX,
      },
    }),
  );
  return {
    client_data: base64url(answer.response.clientDataJSON),
    authenticator_data: base64url(answer.response.authenticatorData),
    signature: base64url(answer.response.signature),
  };
}

async function within(ceremony) {
  const stop = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop.abort();
  }, CEREMONY_MS_MAX);
  // Some browsers neither answer nor heed the signal.
  const end = new Promise((_, reject) =>
    stop.signal.addEventListener("abort", () => setTimeout(reject, 500, new Error("late"))),
  );
  try {
    const answer = await Promise.race([ceremony(stop.signal), end]);
    if (!answer) throw new Error("nothing");
    return answer;
  } catch (error) {
    throw said(error, late);
  } finally {
    clearTimeout(timer);
  }
}

function said(error, late) {
  if (late) {
    return new Problem({ code: "lock-late" });
  }
  if (error?.name === "NotAllowedError" || error?.name === "AbortError") {
    return new Problem({ code: "lock-refused" });
  }
  return new Problem({ code: "lock-missing" });
}

const CEREMONY_MS_MAX = 60_000;
