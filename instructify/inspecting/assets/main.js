// Put the page together, and show what its address says.

function show() {
  byId(`theme-${state.theme || "auto"}`).checked = true;
  for (const name of TABS) {
    const isOpen = name === state.tab;
    byId(name).hidden = !isOpen;
    byId(`tab-${name}`).setAttribute("aria-selected", String(isOpen));
    byId(`tab-${name}`).tabIndex = isOpen ? 0 : -1;
  }
  byId("filters").hidden = state.tab === "plots";
  showFilters(match());
  if (isWide.matches && chosenPlace() < 0) { // a sample that the filters leave out makes way
    state.sample = isNarrowed() && matches.length ? samples[matches[0]].id : "";
  }
  const isOpen = placeOf.has(state.sample);
  document.body.classList.toggle("open", state.tab === "samples" && isOpen);
  document.body.classList.toggle("start", state.tab === "samples" && !isOpen && !isNarrowed() && !state.view);
  if (state.tab === "samples") {
    intoSight(chosenPlace());
    showRows(true);
    showDetail();
  } else if (state.tab === "rejects") showRejects();
  else showPlots();
  markWords();
}

function tell() {
  const isWhole = facts.shown === facts.of;
  const told = [`${number(facts.shown)} of ${many(facts.of, "sample")}`];
  if (isWhole) told[0] = `all ${many(facts.of, "sample")}`;
  else told.push(`spread over ${many(facts.splits.length, "split")}, seed ${facts.seed}`);
  if (!facts.tokens.why_not) told.push(`tokens: ${facts.tokens.name}${facts.tokens.is_own ? " (ours, small)" : ""}`);
  byId("counted").textContent = told.join(" · ");
  byId("tab-samples").querySelector("span").textContent = number(facts.shown);
  const rejected = facts.reject_counts.reduce((sum, [, , count]) => sum + count, 0);
  byId("tab-rejects").querySelector("span").textContent = number(rejected);
}

tell();
makeFilters();
makeList();
makeHelp();
makeTheme();
for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => change({ tab: name }));
document.querySelector("[role=tablist]").addEventListener("keydown", onTabKey);
addEventListener("keydown", onKey);
addEventListener("hashchange", () => { readAddress(); show(); });
readAddress();
show();
if (isWide.matches) byId("detail").focus({ preventScroll: true });
