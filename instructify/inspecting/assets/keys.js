// The keyboard: everything that a pointer can do.

const KEYS = [
  [["j", "\u2193"], "next sample"],
  [["k", "\u2191"], "previous sample"],
  [["g", "G"], "first, last"],
  [["/"], "search"],
  [["f"], "filters"],
  [["c"], "clear search and filters"],
  [["1", "2", "3"], "samples, rejects, plots"],
  [["i"], "token ids in the X-ray"],
  [["t"], "light or dark"],
  [["Esc"], "leave a field, close a sample"],
  [["?"], "this"],
];

function makeHelp() {
  const rows = KEYS.map(([keys, told]) => [make("dt", {}, keys.map((key) => [make("kbd", {}, key), " "]).flat()), make("dd", {}, told)]);
  byId("help").append(make("h2", {}, "Keys"), make("dl", {}, rows.flat()));
  byId("help").addEventListener("click", () => byId("help").close());
  byId("ask").addEventListener("click", () => byId("help").showModal());
}

function turnTheme() {
  const isDark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  change({ theme: isDark ? "light" : "dark" });
}

const ACTIONS = {
  j: () => open(chosenPlace() + 1),
  k: () => open(chosenPlace() - 1),
  g: () => open(0),
  G: () => open(matches.length - 1),
  "/": () => byId("q").focus(),
  f: () => { byId("more").open = true; byId("filter-dataset").focus(); },
  c: clearFilters,
  1: () => change({ tab: "samples" }),
  2: () => change({ tab: "rejects" }),
  3: () => change({ tab: "plots" }),
  i: () => { showsIds = !showsIds; showDetail(); },
  t: turnTheme,
  "?": () => byId("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const target = event.target;
  const isField = target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (isField) byId("list").focus();
    else if (document.body.classList.contains("open")) close();
    return;
  }
  if (isField) {
    if (event.key === "Enter" && target.id === "q" && matches.length) { open(0); byId("list").focus(); }
    return;
  }
  const isArrow = ["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key);
  const inDetail = byId("detail").contains(target);
  const name = { ArrowDown: "j", ArrowUp: "k", Home: "g", End: "G" }[event.key] || event.key;
  const isMoving = ["j", "k", "g", "G"].includes(name);
  if (isArrow && (inDetail || state.tab !== "samples" || target.getAttribute("role") === "tab")) return;
  if (isMoving && state.tab !== "samples") return;
  const action = ACTIONS[name];
  if (action) { event.preventDefault(); action(); }
}

/** Arrow keys between the tabs, as tabs do. */
function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = (TABS.indexOf(state.tab) + step + TABS.length) % TABS.length;
  change({ tab: TABS[at] });
  byId(`tab-${TABS[at]}`).focus();
}
