// Draws the figures of the page. Their JSON is data; nothing here is built from text of the user.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const drawOne = (plot, position) => {
    const { data, layout } = pageTheme.themed(figures[position], plot.clientWidth);
    return Plotly.react(plot, data, layout, pageTheme.options);
  };
  const draw = () => Promise.all(plots.map(drawOne));
  pageTheme.follow(draw);
  draw().then(() => { document.body.dataset.ready = "1"; });
})();
