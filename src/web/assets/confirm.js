// A page of the backend includes this to have the answer of a fetch() confirmed on the phone:
//
//   const answer = await portcullis.confirm(await fetch("/payments", { method: "POST", body }));
//
// Any other answer comes back as it is. The numbers and the rows are shown by the gate's own window,
// which no page of the backend can read.
"use strict";

(() => {
  const KIND = "urn:portcullis:confirm";
  const ASK_EVERY_MS = 1500;
  // Five minutes.
  const UNHEARD_MAX = 200;
  const WORDS = {
    text: "Please confirm this on your phone. A window shows the number to type.",
    open: "Open the window",
    cancel: "Cancel",
  };

  class NotConfirmed extends Error {
    constructor(state, id, why) {
      super(`the request was not confirmed: ${why || state}`);
      this.name = "NotConfirmed";
      Object.assign(this, { state, id, why });
    }
  }

  // Only addresses of the page's own origin are followed.
  function own(address) {
    const url = new URL(address, location.href);
    if (url.origin !== location.origin) throw new NotConfirmed("refused", undefined, "another origin");
    return url.href;
  }

  async function asked(response) {
    const kind = response.headers.get("content-type") || "";
    if (response.status !== 428 || !kind.startsWith("application/problem+json")) return undefined;
    const problem = await response.clone().json();
    return problem.type === KIND ? problem : undefined;
  }

  function dialog(address, words, give_up) {
    const box = document.createElement("dialog");
    const text = document.createElement("p");
    const link = document.createElement("a");
    const button = document.createElement("button");
    text.textContent = words.text;
    Object.assign(link, { href: address, target: "portcullis-confirm", textContent: words.open });
    Object.assign(button, { type: "button", textContent: words.cancel });
    button.addEventListener("click", give_up);
    box.addEventListener("cancel", (event) => {
      event.preventDefault();
      give_up();
    });
    box.append(text, link, document.createTextNode(" "), button);
    box.className = "portcullis-confirm";
    document.body.append(box);
    box.showModal();
    return box;
  }

  const post = (address, token) =>
    fetch(address, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams({ csrf: token }),
      redirect: "follow",
    });

  // How it stands; nothing where the gate was not reached.
  const looked = (address) =>
    fetch(address, { headers: { accept: "application/json" } })
      .then((answer) => answer.json())
      .catch(() => undefined);

  async function confirm(response, { words = {}, signal } = {}) {
    const problem = await asked(response);
    if (!problem) return response;
    const [page, outcome, send] = [problem.confirm, problem.outcome, problem.send].map(own);
    let given_up = false;
    let unheard = 0;
    const give_up = () => {
      given_up = true;
    };
    signal?.addEventListener("abort", give_up);
    // A browser that opens no window by itself does so when the link is pressed.
    window.open(page, "portcullis-confirm", "popup,width=480,height=820");
    const box = dialog(page, { ...WORDS, ...words }, give_up);
    try {
      for (;;) {
        if (given_up || signal?.aborted) {
          await post(send.replace(/send$/, "cancel"), problem.token);
          throw new NotConfirmed("refused", problem.id, "cancelled");
        }
        const said = await looked(outcome);
        if (!said) {
          // The network may be away for a while; what the gate does meanwhile it tells afterwards.
          unheard += 1;
          if (unheard > UNHEARD_MAX) throw new NotConfirmed("unknown", problem.id, "unreachable");
          await new Promise((later) => setTimeout(later, ASK_EVERY_MS));
          continue;
        }
        unheard = 0;
        if (said.state === "approved") {
          const answer = await post(send, problem.token);
          if (answer.redirected || answer.headers.get("portcullis-receipt") === problem.id) return answer;
          const now = await answer.json();
          throw new NotConfirmed(now.state || "unknown", problem.id, now.why || now.title);
        }
        if (said.state !== "waiting" && said.state !== "sending") {
          throw new NotConfirmed(said.state || "unknown", problem.id, said.why);
        }
        await new Promise((later) => setTimeout(later, ASK_EVERY_MS));
      }
    } finally {
      signal?.removeEventListener("abort", give_up);
      box.close();
      box.remove();
    }
  }

  window.portcullis = Object.freeze({ ...window.portcullis, confirm, NotConfirmed });
})();
