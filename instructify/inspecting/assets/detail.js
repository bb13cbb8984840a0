// Everything about one sample.

function showDetail() {
  const detail = byId("detail");
  const at = placeOf.get(state.sample);
  if (at === undefined) {
    showOverview(detail);
    return;
  }
  const sample = samples[at];
  const more = value("details", at);
  detail.replaceChildren(
    head(sample),
    make("p", { class: "id", dir: "auto" }, sample.id),
    first(sample, more),
    part("X-ray", xrayTold(more), xrayOf(more)),
    ...sides(sample, more),
    part("Record", "what a reader made of the raw item", records(sample, more)),
    part("Provenance", "", provenance(more.provenance)),
  );
}

function part(title, told, ...children) {
  return make("section", { class: "part", "data-part": title },
    make("h3", {}, title, told ? make("small", {}, told) : null), ...children);
}

function head(sample) {
  const place = chosenPlace();
  const chips = ["dataset", "split", "task", "form"].map((name) =>
    make("button", {
      class: "chip", type: "button", title: `filter by this ${name}`,
      onclick: () => change({ [name]: state[name] === sample[name] ? "" : sample[name] }),
    }, `${name} `, make("b", {}, sample[name])));
  const step = (by, text, title) => {
    const button = make("button", { type: "button", title, "aria-label": title, onclick: () => open(place + by) }, text);
    button.disabled = place + by < 0 || place + by >= matches.length;
    return button;
  };
  return make("div", { class: "head" },
    make("button", { class: "back", type: "button", onclick: close }, "\u2190 Back"),
    ...chips,
    make("div", { class: "move" }, step(-1, "\u2191", "previous (k)"), step(1, "\u2193", "next (j)")));
}

function close() {
  change({ sample: "" });
  byId(isWide.matches ? "detail" : "list").focus();
}

function first(sample, more) {
  const entries = sample.pictures.map((at) => value("pictures", at));
  const isClip = entries.some((entry) => entry.clip);
  return make("div", { class: isClip ? "first is-clip" : "first" },
    make("div", { class: "pictures" },
      entries.length ? entries.map(figure) : make("div", { class: "gone" }, "no picture")),
    make("div", {}, ...texts(sample, more)));
}

function figure(entry) {
  const caption = make("figcaption", {}, entry.key, entry.told ? make("br") : null, entry.told || null);
  if (!entry.images || !entry.images.length) {
    return make("figure", {}, make("div", { class: "gone" }, entry.problem || "no picture"), caption);
  }
  if (!entry.clip) return make("figure", {}, picture(entry), caption);
  const frames = entry.images.map((_, at) =>
    make("div", {}, picture(entry, at), make("b", {}, String(at + 1))));
  const repeated = entry.repeated ? `; the last ${entry.repeated} repeat the end of a short clip` : "";
  caption.append(make("br"), `the ${entry.images.length} frames that the model sees${repeated}`);
  return make("figure", {}, make("div", { class: "strip" }, frames), caption);
}

function says(title, kind, ...children) {
  return make("div", { class: `says ${kind}` }, make("h4", {}, title), ...children);
}

function texts(sample, more) {
  const found = [];
  const told = sample.instruction || "(no text: the picture alone)";
  found.push(says("Instruction", "instruction", textBlock(told)));
  if (sample.qformer !== null) found.push(says("Q-Former reads instead", "", textBlock(sample.qformer)));
  const held = more.role === "held-out" ? "Response (held out: never trained on)" : "Response";
  if (sample.response !== null) found.push(says(held, "response", textBlock(sample.response)));
  if (more.references && more.references.length) {
    found.push(says(`Accepted answers (${more.references.length})`, "minor", words(more.references, -1)));
  }
  if (more.candidates) {
    found.push(says(`Candidates (${more.candidates.length})`, "minor", words(more.candidates, more.choice_index)));
  } else if (more.candidate_set !== null) {
    const size = facts.candidate_sets[more.candidate_set] || 0;
    found.push(says("Candidates", "minor", make("span", { class: "soft" }, `${number(size)} answers, set ${more.candidate_set}`)));
  }
  return found;
}

/** Texts with their counts, the right one first. */
function words(list, right) {
  const counts = new Map();
  list.forEach((text, at) => {
    const known = counts.get(text) || { times: 0, right: false };
    counts.set(text, { times: known.times + 1, right: known.right || at === right });
  });
  const sorted = [...counts].sort(([, a], [, b]) => Number(b.right) - Number(a.right)); // stable
  return make("ul", {}, sorted.map(([text, { times, right: is }]) =>
    make("li", { class: is ? "right" : "text", dir: "auto" }, times > 1 ? `${text} × ${times}` : text)));
}

function xrayTold(more) {
  if (facts.tokens.why_not || !more.reading) return "";
  const own = facts.tokens.is_own ? ", a small tokenizer of ours, made for synthetic data" : "";
  const way = more.reading.say.length ? "as training reads it" : "as generation reads it: never trained on";
  return `${way}; tokens of ${facts.tokens.name}${own}`;
}

function xrayOf(more) {
  if (facts.tokens.why_not) return make("p", { class: "note" }, `No tokens: ${facts.tokens.why_not}.`);
  if (!more.reading) return make("p", { class: "note" }, "No tokens: without a picture the queries have no place.");
  if (facts.tokens.fits) return xray(more.reading);
  return make("div", {}, tokenNotice(), xray(more.reading));
}

function sides(sample, more) {
  const all = more.sides.map(([at, instruction, qformer, response, whyNot]) =>
    ({ template: facts.templates[at], instruction, qformer, whyNot, response: response === 0 ? sample.response : response }));
  const fit = all.filter((one) => one.whyNot === null);
  fit.sort((a, b) => Number(b.template.key === sample.template) - Number(a.template.key === sample.template));
  const other = all.filter((one) => one.whyNot !== null);
  const told = `${many(fit.length, "template")} fit this record; one was drawn`;
  const known = all.find((one) => one.template.key === sample.template);
  const changed = !known || known.template.sha256 !== more.provenance.template_sha256;
  return [part("Templates", told,
    changed ? make("p", { class: "note" }, "The template that was drawn is another one now, or gone: these are today's templates.") : null,
    make("div", { class: "sides" }, fit.map((one) => side(one, one.template.key === sample.template))),
    other.length ? make("p", { class: "misfits" }, "Not for this record: ",
      other.map((one) => `${shortTemplate(one.template.key)} (${one.whyNot})`).join(", ")) : null)];
}

function side(one, isDrawn) {
  const key = one.template.key;
  const source = Object.entries(one.template.source).map(([name, text]) => [make("span", {}, name), make("pre", {}, text)]);
  return make("div", { class: isDrawn ? "side drawn" : "side" },
    make("h4", {},
      make("button", { type: "button", title: "filter by this template", onclick: () => change({ template: key }) }, shortTemplate(key)),
      isDrawn ? make("span", {}, "drawn") : null),
    make("p", { class: "text", dir: "auto" }, one.instruction || "(no text)"),
    one.qformer !== null ? make("p", { class: "text soft", dir: "auto" }, `Q-Former: ${one.qformer}`) : null,
    one.response !== null ? make("p", { class: "text said", dir: "auto" }, one.response) : null,
    make("details", {}, make("summary", {}, "source"), ...source.flat()));
}

function records(sample, more) {
  const note = facts.raw_notes[`${sample.dataset}/${sample.split}`] || "nothing readable stands at that position";
  const raw = more.raw === null ? make("p", { class: "note" }, `Not shown: ${note}.`)
    : make("pre", { class: "raw" }, value("raw", more.raw));
  return make("div", { class: "both" },
    make("div", {}, make("h4", {}, "Fields"), fields(more.record)),
    make("div", {}, make("h4", {}, "Raw item"), raw));
}

function fields(record) {
  const shown = (item) => (typeof item === "string" ? item : JSON.stringify(item, null, 1).replace(/\n\s*/g, " "));
  return make("dl", { class: "table" }, Object.entries(record).map(([name, item]) =>
    [make("dt", {}, name), make("dd", { dir: "auto" }, shown(item))]).flat());
}

function provenance(given) {
  const shown = (item) => (typeof item === "object" ? JSON.stringify(item) : String(item));
  return make("dl", { class: "table" }, Object.entries(given).filter(([, item]) => item !== null).map(([name, item]) =>
    [make("dt", {}, name.replaceAll("_", " ")), make("dd", { class: "code" }, shown(item))]).flat());
}
