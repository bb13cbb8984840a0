// What did not become a sample: reasons with their counts, and some items of each.

const FEW = 60;
let rejectsShown = FEW;

function rejectMatches(one) {
  if (REJECT_FILTERS.some((name) => state[name] && one[name] !== state[name])) return false;
  const text = [one.detail, one.source, one.record, one.field, one.reason].join("\n").toLowerCase();
  return wordsOf(state.q).every((word) => text.includes(word));
}

function showRejects() {
  const total = facts.reject_counts.reduce((sum, [, , count]) => sum + count, 0);
  const section = byId("rejects");
  const fitting = rejects.filter(rejectMatches);
  const found = fitting.filter((one) => !state.reason || one.reason === state.reason);
  if (!total) {
    section.replaceChildren(make("p", { class: "empty" }, "Nothing was rejected: every item became a sample."));
    return;
  }
  const told = fitting.length < total
    ? `${number(found.length)} shown here of ${number(total)} in the ledgers of the build`
    : many(total, "item");
  section.replaceChildren(
    make("h2", {}, "Rejects"),
    make("p", { class: "soft" }, `Items that did not become samples. ${told}.`),
    reasons(fitting),
    ...found.slice(0, rejectsShown).map(rejectCard),
    found.length > rejectsShown
      ? make("button", { class: "further", type: "button", onclick: () => { rejectsShown += FEW; showRejects(); } }, "Show more")
      : "",
  );
  byId("matched").textContent = `${number(found.length)} of ${many(rejects.length, "reject")}`;
}

function reasons(fitting) {
  const counts = new Map();
  for (const [dataset, reason, count] of facts.reject_counts) {
    if (!state.dataset || dataset === state.dataset) counts.set(reason, (counts.get(reason) || 0) + count);
  }
  for (const one of fitting) if (!counts.has(one.reason)) counts.set(one.reason, 0);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return make("div", { class: "reasons" }, sorted.map(([reason, count]) =>
    make("button", {
      type: "button", "data-reason": reason, "aria-pressed": String(state.reason === reason),
      onclick: () => { rejectsShown = FEW; change({ reason: state.reason === reason ? "" : reason }); },
    }, `${reason} `, make("span", {}, number(count)))));
}

function rejectCard(one) {
  const where = one.position === null ? one.source : `${one.source}, item ${one.position}`;
  return make("article", { class: "reject" },
    one.pictures.length ? thumb(one.pictures) : make("span", { class: "thumb" }, one.reason.startsWith("picture") ? "no usable picture" : "no picture known"),
    make("div", {},
      make("h3", {}, one.reason, make("small", {}, one.meaning)),
      make("p", { class: "text", dir: "auto" }, one.field ? `${one.field}: ${one.detail}` : one.detail),
      make("p", { class: "place" }, `${one.dataset} ${one.split} · ${where}`, one.record ? ` · ${one.record}` : null),
      one.raw === null ? null : make("details", {}, make("summary", {}, "raw item"), make("pre", {}, value("raw", one.raw)))));
}
