// The first view: numbers of the build, and a gallery in which datasets take turns.

const GALLERY = 48;
let galleryShown = GALLERY;

const isDamaged = (reason) => facts.damaged.includes(reason);

/** What the small tokenizer of ours can't say of real texts. */
function tokenNotice() {
  return make("p", { class: "notice" },
    `Tokens are those of ${facts.tokens.name}, a small tokenizer of ours for synthetic data. It breaks ` +
    "these texts into more pieces than a real one, so nothing is counted as cut. Give --model for yours.");
}

function showOverview(detail) {
  if (!samples.length) {
    detail.replaceChildren(make("p", { class: "empty" }, "The build has no samples here."));
    return;
  }
  const shown = matches.slice(0, galleryShown);
  detail.replaceChildren(make("div", { class: "overview" },
    numbers(),
    facts.tokens.fits === false ? tokenNotice() : null,
    make("div", { class: "gallery" }, shown.map(galleryCard)),
    matches.length > galleryShown
      ? make("button", { class: "further", type: "button", onclick: () => { galleryShown += GALLERY; showDetail(); } }, "Show more")
      : null));
}

/** Numbers of the whole build, each of which leads to what it counts. */
function numbers() {
  const rows = facts.figures.records;
  const kept = rows.reduce((sum, [, , , count]) => sum + count, 0);
  const rejected = rows.reduce((sum, [, , , , , count]) => sum + count, 0);
  const damaged = facts.reject_counts.reduce((sum, [, reason, count]) => sum + (isDamaged(reason) ? count : 0), 0);
  const cut = samples.filter((sample) => sample.cut === "cut").length;
  const part = rejected ? percent(rejected / Math.max(1, kept + rejected)) : "0 %";
  return make("div", { class: "numbers" },
    figureButton(number(kept), "records", `${many(facts.of, "sample")}, as a list`, "", { view: "list", sample: "" }),
    figureButton(part, "rejected", many(rejected, "item"), rejected ? "bad" : "", { tab: "rejects", reason: "" }),
    figureButton(number(damaged), "damaged", "pictures that can't be decoded", damaged ? "bad" : "", { tab: "rejects", reason: "damaged" }),
    samples.some((sample) => sample.cut !== null)
      ? figureButton(number(cut), "cut", `of ${number(samples.length)} texts shown here`, cut ? "warn" : "", { cut: "cut" })
      : null);
}

function figureButton(figure, name, told, kind, changes) {
  return make("button", { type: "button", class: kind, onclick: () => change(changes) },
    make("b", {}, figure), name, make("small", {}, told));
}

function galleryCard(at) {
  const sample = samples[at];
  return make("button", { type: "button", onclick: () => open(matches.indexOf(at)) },
    thumb(sample.pictures),
    ...wordsAndAnswer(sample),
    make("p", { class: "of" }, `${sample.dataset} ${sample.split}`));
}
