// The page behind a one-time link: takes the link's secret from behind the #, which no browser sends
// by itself, into the form; groups the password; says what comes next once the file is on its way.

const HANDED = "__Host-portcullis-handed";
const form = document.getElementById("deliver");
const link = document.getElementById("link");
const password = document.getElementById("password");

document.getElementById("no-scripts").hidden = true;
const secret = location.hash.slice(1);
if (secret) link.value = secret;
if (link.value) {
  link.type = "hidden";
  document.getElementById("by-hand").hidden = true;
} else {
  document.getElementById("half").hidden = false;
}

password.addEventListener("input", () => {
  const letters = password.value.toLowerCase().replace(/[^a-z0-9]/g, "").slice(0, 20);
  const grouped = letters.replace(/(.{5})(?=.)/g, "$1-");
  // Only at the end of the field: never move the caret under somebody's fingers.
  if (password.selectionStart === password.value.length && grouped !== password.value) password.value = grouped;
});

form.addEventListener("submit", () => {
  document.cookie = `${HANDED}=; Path=/; Secure; SameSite=Strict; Max-Age=0`;
  const began = Date.now();
  const look = () => {
    if (document.cookie.split("; ").includes(`${HANDED}=1`)) return handed();
    if (Date.now() - began < 60_000) setTimeout(look, 200);
  };
  look();
});

// The file was made once: its form has no further use, and neither has the address.
function handed() {
  document.cookie = `${HANDED}=; Path=/; Secure; SameSite=Strict; Max-Age=0`;
  history.replaceState(null, "", location.pathname);
  link.value = "";
  document.getElementById("while").hidden = true;
  document.getElementById("ahead").hidden = true;
  const done = document.getElementById("done");
  done.hidden = false;
  done.querySelector("h1").focus();
  scrollTo(0, 0);
}
