// Tables that sort by a click on the head and filter as one types.

for (const table of document.querySelectorAll("table[data-table]")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.querySelector(".unseen")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column]));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}

for (const field of document.querySelectorAll("input[data-filter]")) {
  const table = document.getElementById(field.dataset.filter);
  const box = field.closest(".filter");
  if (!table) continue;
  box.hidden = false;
  const words = box.querySelector("[role=status]");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    words.textContent = wanted.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
  });
}

function compare(a, b) {
  return value(a).localeCompare(value(b), undefined, { numeric: true });
}

function value(cell) {
  return cell?.querySelector("time")?.dateTime ?? cell?.textContent.trim() ?? "";
}
