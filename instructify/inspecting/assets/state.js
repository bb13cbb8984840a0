// What is shown, as the fragment of the address: a link to it, and to be gone back to.

const FILTERS = ["dataset", "split", "task", "form", "template", "cut"];
const TABS = ["samples", "rejects", "plots"];
const state = { tab: "samples", q: "", sample: "", reason: "", theme: "", view: "" };
for (const name of FILTERS) state[name] = "";

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(state)) state[name] = given.get(name) || "";
  if (!TABS.includes(state.tab)) state.tab = "samples";
  if (!["light", "dark"].includes(state.theme)) state.theme = "";
}

/** The address of something that can be shown; the theme goes along. */
function addressOf(values) {
  const shown = new URLSearchParams();
  for (const [name, text] of Object.entries(values)) {
    if (text && !(name === "tab" && text === "samples")) shown.set(name, text);
  }
  return `#${shown}`;
}

const linkTo = (values) => addressOf({ theme: state.theme, ...values });

function writeAddress() {
  history.replaceState(null, "", addressOf(state));
}

/** Change what is shown. */
function change(changes) {
  Object.assign(state, changes);
  writeAddress();
  show();
}
