document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  var step = { j: 1, n: 1, k: -1, p: -1 }[event.key];
  if (event.key === "t") { scrollTo(0, 0); history.replaceState(null, "", "#"); return; }
  if (event.key === "o") { openAll(); return; }
  if (!step) return;
  var rungs = Array.from(document.querySelectorAll("section.rung"));
  var here = rungs.findIndex(function (rung) { return "#" + rung.id === location.hash; });
  var next = rungs[Math.max(0, here + step)];
  if (next) { location.hash = next.id; next.focus({ preventScroll: true }); }
});

function openAll() {
  var all = Array.from(document.querySelectorAll("details.more"));
  var open = all.some(function (details) { return !details.open; });
  all.forEach(function (details) { details.open = open; });
}

// A link to a rung opens what it says of it.
function openTarget() {
  var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  var more = target && target.querySelector(":scope > details.more");
  if (more) { more.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", openTarget);
openTarget();

// A board is sorted by a click on a heading, or by Enter or Space there.
document.querySelectorAll("table.board thead th").forEach(function (heading) {
  var button = document.createElement("button");
  button.type = "button";
  button.textContent = heading.textContent;
  heading.replaceChildren(button);
  button.addEventListener("click", function () { sortBy(heading); });
});

function sortBy(heading) {
  var table = heading.closest("table"), column = heading.cellIndex;
  var down = heading.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("th[aria-sort]").forEach(function (th) { th.removeAttribute("aria-sort"); });
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  var rows = Array.from(table.tBodies[0].rows);
  rows.sort(function (a, b) { return compare(a.cells[column], b.cells[column], down ? -1 : 1); });
  table.tBodies[0].append(...rows);
}

// Numbers by their value, text by its letters; a cell that has no value comes last.
function compare(a, b, sign) {
  var first = value(a), second = value(b);
  if (first === null || second === null) return (first === null) - (second === null);
  return sign * (typeof first === "number" ? first - second : first.localeCompare(second));
}

function value(cell) {
  if (cell.dataset.key === undefined) return cell.textContent === "-" ? null : cell.textContent;
  return cell.dataset.key === "" ? null : Number(cell.dataset.key);
}
