// Reads a file of the spreadsheet into the field, where its rows can be looked at before they are sent.

const file = document.getElementById("sheet-file");
const said = document.getElementById("file-said");
document.getElementById("file").hidden = false;

file.addEventListener("change", async () => {
  const chosen = file.files[0];
  if (!chosen) return;
  // A form of these pages takes 16 KiB, and commas grow on the way.
  if (chosen.size > 13000) {
    said.textContent = `${chosen.name} is too large for this page: cut it in pieces, or use the command line.`;
    return;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
    document.getElementById(file.dataset.into).value = text;
    said.textContent = `${chosen.name} was read into the field below. Nothing is issued yet.`;
  } catch {
    said.textContent = `${chosen.name} is not written in UTF-8: save it as "CSV UTF-8" and choose it again.`;
  }
});
