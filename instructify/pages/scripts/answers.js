// Search in all answers of a dataset; what matches becomes text nodes, never markup.

const SHOWN = 60;

function make(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
  return node;
}

function rowOf([id, question, answer, accepted, verdict, score]) {
  const row = document.createElement("tr");
  const first = make("td", "name");
  first.append(make("span", "text", question || "(no text)"), make("small", "id", id));
  const said = make("td", "left name");
  said.append(make("span", "text", answer));
  const right = make("td", "left name");
  right.append(make("span", "text", accepted));
  const kind = { right: "good", wrong: "bad", partly: "warn" }[verdict] || "";
  const mark = make("td", "");
  if (verdict) mark.append(make("span", `tag ${kind}`, verdict));
  row.append(first, said, right, mark, make("td", "", score === null ? "" : String(score)));
  return row;
}

function show(box, rows) {
  const words = box.querySelector("[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = box.querySelector("select").value;
  const matches = rows.filter(([id, question, answer, accepted, verdict]) => {
    if (kind && verdict !== kind) return false;
    const text = `${id}\n${question}\n${answer}\n${accepted}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const few = matches.length > SHOWN ? `, the first ${SHOWN} shown` : "";
  box.querySelector("output").textContent =
    `${matches.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} answers${few}`;
  box.querySelector("tbody").replaceChildren(...matches.slice(0, SHOWN).map(rowOf));
}

for (const box of document.querySelectorAll("details.answers")) {
  let rows = null;
  const fill = () => {
    rows = rows || JSON.parse(document.getElementById(box.dataset.answers).textContent);
    show(box, rows);
  };
  box.addEventListener("toggle", () => { if (box.open) fill(); });
  for (const field of box.querySelectorAll("input, select")) field.addEventListener("input", fill);
  box.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
}
