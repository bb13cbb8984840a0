// What is shown, as the fragment of the address: a link to it, and to be gone back to.

const FILTERS = ["dataset", "split", "task", "form", "template"];
const TABS = ["samples", "rejects", "plots"];
const state = { tab: "samples", q: "", sample: "", reason: "", theme: "" };
for (const name of FILTERS) state[name] = "";

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(state)) state[name] = given.get(name) || "";
  if (!TABS.includes(state.tab)) state.tab = "samples";
}

function writeAddress() {
  const told = new URLSearchParams();
  for (const [name, text] of Object.entries(state)) {
    if (text && !(name === "tab" && text === "samples")) told.set(name, text);
  }
  history.replaceState(null, "", `#${told}`);
}

/** Change what is shown. */
function change(changes) {
  Object.assign(state, changes);
  writeAddress();
  show();
}
