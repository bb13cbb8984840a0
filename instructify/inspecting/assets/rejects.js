// What did not become a sample: a table of datasets and reasons that filters, and a line for each.

const FEW = 60;
let rejectsShown = FEW;

const isOfReason = (reason) => !state.reason || state.reason === reason || (state.reason === "damaged" && isDamaged(reason));

function rejectMatches(one) {
  if (REJECT_FILTERS.some((name) => state[name] && one[name] !== state[name])) return false;
  const text = [one.detail, one.source, one.record, one.field, one.reason].join("\n").toLowerCase();
  return isOfReason(one.reason) && wordsOf(state.q).every((word) => text.includes(word));
}

function showRejects() {
  const total = facts.reject_counts.reduce((sum, [, , count]) => sum + count, 0);
  const section = byId("rejects");
  if (!total) {
    section.replaceChildren(make("p", { class: "empty" }, "Nothing was rejected: every item became a sample."));
    return;
  }
  const found = rejects.filter(rejectMatches);
  section.replaceChildren(
    make("h2", {}, "Rejects"),
    make("p", { class: "soft" }, "Items that did not become samples. A count leads to its items."),
    rejectTable(),
    make("p", { class: "shown" }, make("b", {}, shownOf(found)), clearReason()),
    ...found.slice(0, rejectsShown).map(rejectLine),
    found.length > rejectsShown
      ? make("button", { class: "further", type: "button", onclick: () => { rejectsShown += FEW; showRejects(); } }, "Show more")
      : "",
  );
  byId("matched").textContent = `${number(found.length)} of ${many(rejects.length, "reject")}`;
}

/** Of each dataset and reason the page holds some; say how many there are in the build. */
function shownOf(found) {
  const isCounted = !state.split && !state.q;
  const total = facts.reject_counts.reduce((sum, [dataset, reason, count]) =>
    sum + ((!state.dataset || dataset === state.dataset) && isOfReason(reason) ? count : 0), 0);
  const what = [state.reason, state.dataset].filter(Boolean).join(" of ");
  return isCounted ? `${number(found.length)} shown of ${number(total)}${what ? `: ${what}` : ""}` : many(found.length, "item");
}

function clearReason() {
  if (!state.reason && !state.dataset) return null;
  return make("button", { type: "button", class: "plain", onclick: () => choose("", "") }, "show all");
}

function choose(dataset, reason) {
  rejectsShown = FEW;
  change({ dataset, reason, sample: "" });
}

/** Datasets down, reasons across; every count and every name is a filter. */
function rejectTable() {
  const reasons = sums(facts.reject_counts.map(([, reason, count]) => [reason, count]));
  const datasets = sums(facts.reject_counts.map(([dataset, , count]) => [dataset, count]));
  const counts = new Map(facts.reject_counts.map(([dataset, reason, count]) => [`${dataset} ${reason}`, count]));
  const cell = (dataset, reason, text) => {
    const isChosen = state.dataset === dataset && state.reason === reason && (dataset || reason);
    const next = isChosen ? ["", ""] : [dataset, reason];
    return make("button", {
      type: "button", "data-dataset": dataset, "data-reason": reason, "aria-pressed": String(Boolean(isChosen)),
      onclick: () => choose(...next),
    }, text);
  };
  const row = ([dataset, total]) => make("tr", {},
    make("th", { scope: "row" }, cell(dataset, "", dataset)),
    reasons.map(([reason]) => {
      const count = counts.get(`${dataset} ${reason}`);
      return make("td", {}, count ? cell(dataset, reason, number(count)) : null);
    }),
    make("td", {}, cell(dataset, "", number(total))));
  const head = make("tr", {}, make("th", {}),
    reasons.map(([reason, total]) => make("th", { scope: "col" }, cell("", reason, reason), make("small", {}, number(total)))),
    make("th", { scope: "col" }, "all"));
  return make("div", { class: "wide" }, make("table", { class: "counts" },
    make("thead", {}, head), make("tbody", {}, datasets.map(row))));
}

function sums(pairs) {
  const found = new Map();
  for (const [name, count] of pairs) found.set(name, (found.get(name) || 0) + count);
  return [...found].sort((a, b) => b[1] - a[1]);
}

/** One line; its picture, its meaning and its raw item when it is opened. */
function rejectLine(one) {
  const where = one.position === null ? one.source : `${one.source}, item ${one.position}`;
  const damaged = isDamaged(one.reason) ? make("span", { class: "tag bad" }, "damaged picture") : null;
  const node = make("details", { class: "reject" },
    make("summary", {},
      make("span", { class: "reason" }, one.reason),
      damaged,
      make("span", { class: "said", dir: "auto" }, one.field ? `${one.field}: ${one.detail}` : one.detail),
      make("span", { class: "place" }, `${one.dataset} ${one.split}`)));
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(rejectMore(one, where));
  });
  return node;
}

function rejectMore(one, where) {
  return make("div", { class: "more" },
    one.pictures.length ? thumb(one.pictures) : null,
    make("div", {},
      make("p", {}, one.meaning),
      make("p", { class: "text", dir: "auto" }, one.field ? `${one.field}: ${one.detail}` : one.detail),
      make("p", { class: "place" }, where, one.record ? ` \u00b7 ${one.record}` : null),
      one.raw === null ? null : make("pre", {}, value("raw", one.raw))));
}
