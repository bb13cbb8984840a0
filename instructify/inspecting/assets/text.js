// Data becomes text nodes and nothing else; what can't be seen is shown by its number.

const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Append a text to a node; control and direction characters become visible signs. */
function put(node, text) {
  let from = 0;
  for (const found of String(text).matchAll(UNSEEN)) {
    if (found.index > from) node.append(text.slice(from, found.index));
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    const sign = document.createElement("span");
    sign.className = "unseen-sign";
    sign.title = "a character that can't be seen";
    sign.textContent = `U+${code}`;
    node.append(sign);
    from = found.index + found[0].length;
  }
  node.append(from ? text.slice(from) : String(text));
  return node;
}

/** Make an element: attributes by name, children as nodes, or texts that are put in as data. */
function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "onclick") node.addEventListener("click", value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    if (child instanceof Node) node.append(child);
    else put(node, child);
  }
  return node;
}

/** A block of text from data: its line ends kept, its direction its own. */
function textBlock(text, kind) {
  return make("div", { class: kind ? `text ${kind}` : "text", dir: "auto" }, text);
}

const number = (value) => value.toLocaleString("en");
const percent = (part, digits = 1) => `${(100 * part).toFixed(digits)} %`;
const many = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
const byId = (id) => document.getElementById(id);
