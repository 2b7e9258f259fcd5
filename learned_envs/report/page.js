"use strict";
document.querySelectorAll(".plot").forEach((place) => {
  const { data, layout } = JSON.parse(document.getElementById(place.id.replace("plot", "data")).textContent);
  if (layout.meta && layout.meta.height) layout.height = layout.meta.height;
  Plotly.newPlot(place, data, layout, { displayModeBar: false, responsive: true, scrollZoom: false });
});
const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const told = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(document.querySelector("#use ~ pre code").textContent);
      told.textContent = "Copied.";
    } catch {
      told.textContent = "This browser does not allow it: select the lines instead.";
    }
  });
}
