// Forms that are sent once, digits that group themselves, buttons that open after a while.
// All of it is a convenience: the server checks everything again.

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    // After the submission took the button's value.
    setTimeout(() => setBusy(form, true));
  });
}

// A page that comes back from the browser's memory must be usable again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-once]")) setBusy(form, false);
});

function setBusy(form, busy) {
  form.setAttribute("aria-busy", String(busy));
  for (const button of form.querySelectorAll("button:not([type=button])")) {
    if (busy && button.disabled) continue;
    button.disabled = busy;
  }
}

for (const field of document.querySelectorAll("input[data-digits]")) {
  field.addEventListener("input", () => {
    const digits = field.value.replace(/\D/g, "").slice(0, Number(field.dataset.digits));
    const grouped = digits.replace(/(\d{3})(?=\d)/g, "$1 ");
    // Only at the end of the field: never move the caret under somebody's fingers.
    if (field.selectionStart === field.value.length && grouped !== field.value) field.value = grouped;
  });
}

for (const button of document.querySelectorAll("button[data-after]")) {
  const label = button.textContent;
  const opens = Date.now() + Number(button.dataset.after) * 1000;
  const tick = () => {
    const left = Math.ceil((opens - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${label} (${left})` : label;
    if (left > 0) setTimeout(tick, 500);
  };
  tick();
}
