// Sends what the phone has confirmed, once, and closes a window that was opened for it.
const form = document.querySelector("form[data-send]");
if (form) form.requestSubmit();
if (document.querySelector("[data-close]")) window.close();
