"use strict";
// The two themes of a page, and figures in their colours.
const pageTheme = (() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  // On dark paper the light blue is the one that can be seen; the two blues change places.
  const DARK = { "#0072B2": "#56B4E9", "#56B4E9": "#0072B2", "rgba(0,114,178,0.22)": "rgba(86,180,233,0.22)" };

  const replaced = (value, colours) => {
    if (typeof value === "string") return Object.hasOwn(colours, value) ? colours[value] : value;
    if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((entry) => replaced(entry, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replaced(entry, colours)]));
    }
    return value;
  };

  const themed = (figure, width) => {
    const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    const ink = colour("--ink");
    const colours = { ...(dark() ? DARK : {}), "#222222": ink };
    const layout = replaced(figure.layout, colours);
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { ...layout.font, color: ink, family: getComputedStyle(document.body).fontFamily };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: ink };
    layout.hoverlabel = { bgcolor: colour("--panel"), bordercolor: colour("--rule"), font: { color: ink } };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      layout[name] = { ...layout[name], gridcolor: colour("--rule"), linecolor: colour("--soft") };
    }
    if (width < 600) {
      layout.font.size = 11;
      layout.margin = { ...layout.margin, l: 44, r: Math.min(layout.margin.r, 44) };
    }
    return { data: replaced(figure.data, colours), layout };
  };

  const options = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
    showTips: false,
  };

  const name = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };

  // Calls `draw` whenever the colours change: by the button, the system, or for printing.
  const follow = (draw) => {
    const changed = () => { name(); draw(); };
    name();
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      changed();
    });
    system.addEventListener("change", changed);
    let before;
    window.addEventListener("beforeprint", () => {
      before = root.dataset.theme;
      root.dataset.theme = "light";
      changed();
    });
    window.addEventListener("afterprint", () => {
      if (before) root.dataset.theme = before;
      else delete root.dataset.theme;
      changed();
    });
  };

  return { themed, options, follow };
})();
