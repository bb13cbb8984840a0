// Search and filters: which samples match, and how many would match each other choice.

const isWide = matchMedia("(min-width: 46.01rem)"); // list and sample side by side
const selects = {};
const REJECT_FILTERS = ["dataset", "split"]; // an item that was rejected may not have the others
const LABELS = { cut: "cut or whole" };
let matches = samples.map((_, at) => at);

/** Everything that a search looks at, in small letters. */
function searched(sample) {
  if (sample.searched === undefined) {
    const texts = [sample.id, sample.instruction, sample.qformer, sample.response];
    sample.searched = [...texts, ...sample.references].join("\n").toLowerCase();
  }
  return sample.searched;
}

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Tell by which filters a sample is left out. */
function missesOf(sample) {
  return FILTERS.filter((name) => state[name] && sample[name] !== state[name]);
}

/** Match all samples and count, for each filter, what it leaves if it were set otherwise. */
function match() {
  const words = wordsOf(state.q);
  const counts = Object.fromEntries(FILTERS.map((name) => [name, new Map()]));
  matches = [];
  samples.forEach((sample, at) => {
    if (!words.every((word) => searched(sample).includes(word))) return;
    const misses = missesOf(sample);
    if (!misses.length) matches.push(at);
    for (const name of FILTERS) {
      if (misses.every((miss) => miss === name)) {
        counts[name].set(sample[name], (counts[name].get(sample[name]) || 0) + 1);
      }
    }
  });
  return counts;
}

function makeFilters() {
  for (const name of FILTERS) {
    if (!samples.some((sample) => sample[name] !== null)) continue;
    const select = make("select", { id: `filter-${name}`, "aria-label": LABELS[name] || name });
    select.addEventListener("change", () => change({ [name]: select.value }));
    selects[name] = { select, all: [...new Set(samples.map((sample) => sample[name]))].sort() };
    byId("selects").append(select);
  }
  const clear = make("button", { type: "button", id: "clear", onclick: clearFilters }, "Clear");
  byId("selects").append(clear);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("q").addEventListener("input", () => change({ q: byId("q").value }));
  byId("more").open = isWide.matches;
  isWide.addEventListener("change", () => { byId("more").open = isWide.matches; show(); });
}

function clearFilters() {
  change(Object.fromEntries([...FILTERS, "q", "reason"].map((name) => [name, ""])));
}

/** Tell whether anything narrows the samples. */
const isNarrowed = () => Boolean(state.q) || FILTERS.some((name) => state[name]);

function showFilters(counts) {
  for (const [name, { select, all }] of Object.entries(selects)) {
    const options = all
      .filter((one) => counts[name].has(one) || one === state[name])
      .map((one) => {
        const isChosen = one === state[name];
        const told = isChosen ? one : `${one} (${number(counts[name].get(one) || 0)})`;
        const option = make("option", { value: one }, told);
        option.selected = isChosen;
        return option;
      });
    const any = make("option", { value: "" }, LABELS[name] || `any ${name}`);
    select.replaceChildren(any, ...options);
    select.classList.toggle("set", Boolean(state[name]));
    select.hidden = state.tab === "rejects" && !REJECT_FILTERS.includes(name);
  }
  if (byId("q").value !== state.q) byId("q").value = state.q;
  const active = FILTERS.filter((name) => state[name]).length;
  byId("active").textContent = active ? `(${active})` : "";
  byId("clear").hidden = !active && !state.q && !state.reason;
  byId("matched").textContent =
    matches.length === samples.length ? many(samples.length, "sample")
    : `${number(matches.length)} of ${many(samples.length, "sample")}`;
}
