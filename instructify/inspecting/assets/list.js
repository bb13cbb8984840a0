// The list of samples: only the rows in sight are in the page, so that thousands cost nothing.

const ROW = 84; // pixels, as in the style
const AROUND = 6; // rows beyond the edges
let drawn = "";

function rowOf(place) {
  const at = matches[place];
  const sample = samples[at];
  const isChosen = sample.id === state.sample;
  const row = make(
    "div",
    {
      class: "row", role: "option", id: `row-${place}`, "aria-selected": String(isChosen),
      onclick: () => open(place),
    },
    thumb(sample.pictures),
    make(
      "div",
      { class: "told" },
      ...wordsAndAnswer(sample),
      make("p", { class: "of" }, `${sample.dataset} ${sample.split} · ${shortTemplate(sample.template)}`),
    ),
  );
  row.style.transform = `translateY(${place * ROW}px)`;
  return row;
}

/** The dataset's own question with its answer; without a question the answer and what asks for it. */
function wordsAndAnswer(sample) {
  const answer = sample.response === null ? sample.references[0] : sample.response;
  const said = make("p", { class: sample.response === null ? "said none" : "said", dir: "auto" },
    answer === undefined ? "no response" : answer);
  if (sample.words !== null) return [make("p", { class: "asked", dir: "auto" }, sample.words), said];
  const asked = make("p", { class: "asked soft", dir: "auto" }, sample.instruction || "(no text: the picture alone)");
  return [said, asked];
}

const shortTemplate = (key) => key.slice(key.indexOf("/") + 1);

function showRows(force) {
  const list = byId("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - AROUND);
  const last = Math.min(matches.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + AROUND);
  const wanted = `${first}-${last}`;
  if (!force && wanted === drawn) return;
  drawn = wanted;
  const rows = byId("rows");
  rows.style.height = `${matches.length * ROW}px`;
  if (!matches.length) {
    rows.replaceChildren(make("p", { class: "empty" }, "No sample matches."));
    return;
  }
  const found = [];
  for (let place = first; place < last; place += 1) found.push(rowOf(place));
  rows.replaceChildren(...found);
  list.setAttribute("aria-activedescendant", `row-${chosenPlace()}`);
}

/** The place of the open sample among those that match; -1: it is not among them. */
function chosenPlace() {
  const at = placeOf.get(state.sample);
  return at === undefined ? -1 : matches.indexOf(at);
}

/**
 * Open a sample by its place among those that match, and bring its row into sight. The open panel
 * gets the focus, so that arrows, Page Down and space scroll it, unless the list keeps it.
 */
function open(place, keepsFocus = false) {
  const at = matches[Math.max(0, Math.min(place, matches.length - 1))];
  if (at === undefined) return;
  if (!isWide.matches && !state.sample) history.pushState(null, "", location.hash); // for "back"
  change({ sample: samples[at].id });
  byId("detail").scrollTop = 0;
  if (!keepsFocus) byId("detail").focus({ preventScroll: true });
}

function intoSight(place) {
  const list = byId("list");
  if (place < 0) return;
  const top = place * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

function makeList() {
  byId("list").addEventListener("scroll", () => requestAnimationFrame(() => {
    showRows(false);
    markWords();
  }));
  addEventListener("resize", () => showRows(true));
}
