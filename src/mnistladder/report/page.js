document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  var step = { j: 1, n: 1, k: -1, p: -1 }[event.key];
  if (event.key === "t") { scrollTo(0, 0); history.replaceState(null, "", "#"); return; }
  if (!step) return;
  var rungs = Array.from(document.querySelectorAll("section.rung"));
  var here = rungs.findIndex(function (rung) { return "#" + rung.id === location.hash; });
  var next = rungs[Math.max(0, here + step)];
  if (next) { location.hash = next.id; next.focus({ preventScroll: true }); }
});
