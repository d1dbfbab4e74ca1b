// Where a name in the text may go on in the next line: after a dot, a slash, a colon, an underscore or a bracket, never inside `--option`.
function breakNames() {
  for (const code of document.querySelectorAll(".md-content :not(pre) > code")) {
    const text = code.textContent;
    if (code.children.length || code.classList.contains("short")) continue;
    if (text.length <= 24) {
      code.classList.add("short");
      continue;
    }
    code.replaceChildren();
    for (const part of text.split(/(--[\w-]+)/)) {
      if (part.startsWith("--")) {
        const option = document.createElement("span");
        option.className = "option";
        option.textContent = part;
        code.append(option);
        continue;
      }
      for (const piece of part.split(/(?<=[./_(=]|::)(?=\w)/)) code.append(piece, document.createElement("wbr"));
    }
  }
}
if (window.document$) window.document$.subscribe(breakNames);
else breakNames();
