// A chosen file put into the text field below it, as PEM: our forms carry text alone.
// A convenience: the server reads the text again, and takes no other.

for (const chooser of document.querySelectorAll("input[type=file][data-into]")) {
  const field = document.getElementById(chooser.dataset.into);
  const place = chooser.closest("[hidden]");
  const told = document.getElementById(chooser.dataset.told);
  place.hidden = false;
  chooser.addEventListener("change", async () => {
    const file = chooser.files[0];
    if (!file) return;
    if (file.size > 8192) {
      told.textContent = "This file is too long for a request. Please choose another.";
      chooser.value = "";
      return;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    field.value = text.startsWith("-----BEGIN ") ? text : armoured(bytes);
    told.textContent = `${file.name} stands in the field now.`;
  });
}

function armoured(bytes) {
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE REQUEST-----", ...lines, "-----END CERTIFICATE REQUEST-----", ""].join("\n");
}
