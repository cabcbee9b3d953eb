// Shows what is typed when asked to, and how long a new password is. Whether it is good
// enough is the server's to say.

for (const field of document.querySelectorAll("input[data-show]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const label = () => {
    const hidden = field.type === "password";
    button.textContent = hidden ? field.dataset.show : field.dataset.hide;
    button.setAttribute("aria-label", `${button.textContent} the password`);
    button.setAttribute("aria-pressed", String(!hidden));
  };
  button.addEventListener("click", () => {
    field.type = field.type === "password" ? "text" : "password";
    label();
    field.focus();
  });
  label();
  field.after(button);
  field.form.addEventListener("submit", () => {
    field.type = "password";
    label();
  });

  const meter = document.getElementById(field.dataset.meter ?? "");
  if (meter) measure(field, meter);
}

function measure(field, meter) {
  const bar = meter.querySelector("meter");
  const words = meter.querySelector("p");
  const least = field.minLength;
  field.addEventListener("input", () => {
    const length = [...field.value].length;
    meter.hidden = length === 0;
    bar.value = Math.min(length, bar.max);
    const missing = least - length;
    if (missing > 0) words.textContent = `${missing} more ${missing === 1 ? "character" : "characters"}`;
    else if (length < 14) words.textContent = "Long enough. A word more makes it stronger.";
    else words.textContent = "A good length.";
  });
}
