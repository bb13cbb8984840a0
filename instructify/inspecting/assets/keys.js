// The keyboard: everything that a pointer can do.

const KEYS = [
  [["j"], "next sample"],
  [["k"], "previous sample"],
  [["\u2193", "\u2191", "Space"], "scroll the open panel; in the list: move"],
  [["o"], "overview"],
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

/** The switch in the head and the address say the same. */
function makeTheme() {
  for (const theme of ["auto", "light", "dark"]) {
    byId(`theme-${theme}`).addEventListener("change", () => change({ theme: theme === "auto" ? "" : theme }));
  }
}

const isInList = () => document.activeElement === byId("list");

/** Change the tab; its panel gets the focus, so that keys scroll it. */
function toTab(tab) {
  change({ tab });
  byId(tab === "samples" ? "detail" : tab).focus({ preventScroll: true });
}

const ACTIONS = {
  j: () => open(chosenPlace() + 1, isInList()),
  k: () => open(chosenPlace() - 1, isInList()),
  g: () => open(0, isInList()),
  G: () => open(matches.length - 1, isInList()),
  o: () => { clearFilters(); change({ tab: "samples", sample: "", view: "" }); byId("detail").focus(); },
  "/": () => byId("q").focus(),
  f: () => { byId("more").open = true; byId("filter-dataset").focus(); },
  c: clearFilters,
  1: () => toTab("samples"),
  2: () => toTab("rejects"),
  3: () => toTab("plots"),
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
    else if (state.tab === "samples" && state.sample) close();
    return;
  }
  if (isField) {
    if (event.key === "Enter" && target.id === "q" && matches.length) open(0);
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
