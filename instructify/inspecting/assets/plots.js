// Plots: bars and spreads, drawn once, when their tab is first opened.

let plotsDrawn = false;

function showPlots() {
  if (plotsDrawn) return;
  plotsDrawn = true;
  const given = facts.figures;
  const chapters = [
    ...chapter("Records", "Of the whole build, by dataset and split: records that became samples, and items that were rejected.", recordBars(given.records)),
    ...chapter("Mixture", mixtureTold(given.shares), mixtureBars(given.shares)),
    ...chapter("Template use", "Draws of each template over all samples of the build.", templateBoards(given.templates)),
    ...chapter("Lengths in words", `Split at white space, of at most ${number(given.most_rows)} samples of a split. The bar holds the middle half, the pale one 90 of 100, the mark the median.`, lengthBoards(given.words, "words")),
    ...tokenChapter(given),
    ...chapter("Answers", `The most frequent responses, without case, of at most ${number(given.most_rows)} samples of a split.`, answerBoards(given.answers)),
  ];
  byId("plots").replaceChildren(jumps(chapters.filter((node) => node.tagName === "H2")), ...chapters);
}

/** Buttons that lead to the chapters: the fragment of the address is taken. */
function jumps(heads) {
  return make("nav", { class: "jumps", "aria-label": "Plots" }, heads.map((head) =>
    make("button", { type: "button", class: "plain", onclick: () => head.scrollIntoView() }, head.textContent)));
}

function chapter(title, why, board) {
  return [make("h2", {}, title), make("p", { class: "why" }, why), board];
}

function rail(parts, to) {
  const box = to ? make("a", { class: "rail", href: linkTo(to), tabindex: "-1", "aria-hidden": "true" }) : make("div", { class: "rail" });
  for (const [kind, part] of parts) {
    const bar = make("i", { class: kind });
    bar.style.width = `${100 * part}%`;
    if (part > 0) box.append(bar);
  }
  return box;
}

/** A bar chart: rows of [label, smaller label, parts of the rail, figure, what it leads to]. */
function bars(rows) {
  return make("div", { class: "bars" }, rows.map(([name, small, parts, told, to]) => [
    make("b", { dir: "auto", title: name }, make("a", { href: linkTo(to) }, name), small ? make("small", {}, ` ${small}`) : null),
    make("em", {}, told),
    rail(parts, to),
  ]).flat());
}

/** The same, with rows that count nothing folded away. */
function foldedBars(rows, isZero, told) {
  const zeros = rows.filter(isZero);
  const others = rows.filter((row) => !isZero(row));
  if (!zeros.length) return [bars(others)];
  return [bars(others), make("details", { class: "zeros" }, make("summary", {}, told(zeros.length)), bars(zeros))];
}

function recordBars(rows) {
  const most = Math.max(1, ...rows.map(([, , , records, , rejected]) => records + rejected));
  const key = make("div", { class: "key" },
    make("span", {}, make("i"), "held in"), make("span", {}, make("i", { class: "out" }), "held out"),
    make("span", {}, make("i", { class: "bad" }), "rejected"));
  const sorted = rows.map(([name, split, role, records, drawn, rejected]) => [
    name, split,
    [[role === "held-out" ? "out" : "", records / most], ["bad", rejected / most]],
    recordsTold(name, split, records, drawn, rejected),
    records ? { dataset: name, split } : { tab: "rejects", dataset: name, split },
  ]);
  const isEmpty = ([, , parts]) => parts.every(([, part]) => !part);
  return make("div", { class: "board" }, key,
    ...foldedBars(sorted, isEmpty, (count) => `${many(count, "split")} without a record or a reject`));
}

function recordsTold(dataset, split, records, drawn, rejected) {
  const kept = drawn === records ? `${number(records)} kept` : `${number(records)} kept, ${many(drawn, "sample")}`;
  if (!rejected) return kept;
  const to = linkTo({ tab: "rejects", dataset, split });
  return make("span", {}, `${kept}, `, make("a", { href: to, class: "bad" }, `${number(rejected)} rejected`));
}

function mixtureTold(shares) {
  const what = shares.members.length ? `Shares of recipe '${shares.recipe}' on this build.` : "";
  return [shares.note, what].filter(Boolean).join(" ");
}

function mixtureBars(shares) {
  const most = Math.max(0.001, ...shares.members.map(([, share]) => share));
  const rows = shares.members.map(([name, share, size]) =>
    [name, many(size, "record"), [["", share / most]], percent(share), memberFilters(name)]);
  return rows.length ? make("div", { class: "board" }, bars(rows)) : make("div", {});
}

/** A member is a dataset, or a form of one. */
function memberFilters(name) {
  const [dataset, form] = name.split("/");
  return { dataset, form: form || "" };
}

function templateBoards(tasks) {
  return make("div", { class: "boards" }, Object.entries(tasks).map(([task, uses]) => {
    const sorted = Object.entries(uses).sort((a, b) => b[1] - a[1]);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    const rows = sorted.map(([key, count]) => [shortTemplate(key), "", [["", count / Math.max(1, sorted[0][1])]], number(count), { template: key }]);
    const isUnused = ([, , [[, part]]]) => !part;
    return board(task, many(total, "draw"), foldedBars(rows, isUnused, (count) => `${many(count, "template")} never drawn`));
  }));
}

function answerBoards(datasets) {
  return make("div", { class: "boards" }, datasets.map(({ name, total, distinct, top }) => {
    const rows = top.map(([text, count]) => [text, "", [["said", count / top[0][1]]], percent(count / total), { dataset: name, q: text }]);
    return board(name, `${number(distinct)} distinct of ${number(total)}`, bars(rows));
  }));
}

function board(title, told, inside) {
  return make("div", { class: "board" }, make("h3", {}, title, make("small", {}, told)), inside);
}

function tokenChapter(given) {
  if (facts.tokens.why_not) return [];
  if (!facts.tokens.fits) return chapter("Lengths in tokens", "", tokenNotice());
  const cut = given.cut.filter(([, count]) => count).map(([name, count, all]) => `${name} ${count} of ${all}`);
  const limits = facts.tokens.limits;
  const why = `Of the samples shown here, by the tokenizer of ${facts.tokens.name}. Training keeps ` +
    `${limits.instruction} of an instruction and ${limits.response} of a response. ` +
    (cut.length ? `Cut: ${cut.join(", ")}.` : "Nothing shown here is cut.");
  return chapter("Lengths in tokens", why, lengthBoards(given.tokens, "tokens"));
}

/** Two charts of spreads on logarithmic axes: instructions and responses. */
function lengthBoards(rows, unit) {
  const chart = (part, title, kind) => {
    const told = rows.filter((row) => row[part]);
    const most = Math.max(2, ...told.map((row) => row[part][6]));
    const place = (length) => Math.log1p(length) / Math.log1p(most);
    const lines = told.map((row) => [
      make("b", {}, make("a", { href: linkTo({ dataset: row.name }) }, row.name)), make("em", {}, `${number(Math.round(row[part][3]))} · ${number(row[part][6])}`), spreadBar(row[part], place, kind),
    ]);
    return make("div", { class: "board" }, make("h3", {}, title),
      make("div", { class: "bars" }, make("b"), make("em", {}, "median · most"), axis(most, place), ...lines.flat()));
  };
  return make("div", { class: "pair" },
    chart("instruction", `Instruction, ${unit}`, ""), chart("response", `Response, ${unit}`, "said"));
}

function spreadBar([least, low, quarter, median, threeQuarters, high, most], place, kind) {
  const box = make("div", { class: `spread ${kind}`, title: `${least} to ${most}, median ${median}` });
  const bar = (name, from, to) => {
    const node = make("i", { class: name });
    node.style.left = `${100 * place(from)}%`;
    if (name !== "middle") node.style.width = `${100 * (place(to) - place(from))}%`;
    box.append(node);
  };
  bar("all", least, most);
  bar("most", low, high);
  bar("half", quarter, threeQuarters);
  bar("middle", median, median);
  return box;
}

function axis(most, place) {
  const box = make("div", { class: "axis" });
  for (const tick of [0, 1, 3, 10, 30, 100, 300, 1000, 3000]) {
    if (tick > most || (place(tick) > 0.94 && tick !== most)) continue;
    const node = make("span", {}, number(tick));
    node.style.left = `${100 * place(tick)}%`;
    box.append(node);
  }
  return box;
}
