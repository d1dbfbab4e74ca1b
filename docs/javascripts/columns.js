// Columns of sentences and of long names are marked, so that the style sheet can keep them from being squeezed.
function markColumns() {
  for (const table of document.querySelectorAll(".md-content table:not([class])")) {
    const rows = [...table.rows];
    const columns = rows[0].cells.length;
    if (columns < 3) continue;
    for (let column = 0; column < columns; column++) {
      const cells = rows.slice(1).map((row) => row.cells[column]).filter(Boolean);
      const longest = (of) => Math.max(0, ...cells.map(of));
      const name = longest((cell) => Math.max(0, ...[...cell.querySelectorAll("code")].map((code) => code.textContent.length)));
      const words = longest((cell) => cell.textContent.length);
      const kind = name > 24 ? "names" : words > 36 ? "words" : words > 14 ? "short-words" : "";
      if (kind) for (const cell of cells) cell.classList.add(kind);
    }
  }
}
if (window.document$) window.document$.subscribe(markColumns);
else markColumns();
