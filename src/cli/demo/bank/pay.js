// Pays without leaving the page: the gate's script has the request confirmed on the phone.
"use strict";

const form = document.getElementById("pay");
const here = document.getElementById("here");
const said = document.getElementById("said");

async function pay() {
  const sent = await fetch(form.action, {
    method: "POST",
    headers: { accept: "application/json" },
    body: new URLSearchParams(new FormData(form)),
  });
  const answer = await portcullis.confirm(sent);
  const told = await answer.json();
  return answer.ok ? `Paid. Receipt ${told.receipt}` : told.sentence || "It was not paid.";
}

const words = {
  unknown: "We do not know whether it was paid. Please call us before you pay again.",
  expired: "It was not confirmed in time. Nothing was paid.",
  refused: "It was not confirmed. Nothing was paid.",
};

if (window.portcullis) {
  here.hidden = false;
  here.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    here.disabled = true;
    said.textContent = "Please confirm it on your phone.";
    try {
      said.textContent = await pay();
    } catch (error) {
      said.textContent = words[error.state] || words.unknown;
    }
    here.disabled = false;
  });
}
