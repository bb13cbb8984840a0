// The words of a search, marked wherever they are shown, without touching the text itself.

const MARKED = "#rows p, .says .text, .says li, .side p, .reject .said, .gallery p";

function markWords() {
  if (!window.CSS || !CSS.highlights) return;
  CSS.highlights.delete("found");
  const words = wordsOf(state.q);
  if (!words.length) return;
  const ranges = [];
  for (const node of document.querySelectorAll(MARKED)) {
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) ranges.push(...rangesIn(texts.currentNode, words));
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

function rangesIn(node, words) {
  const text = node.data.toLowerCase();
  if (text.length !== node.data.length) return []; // places would not be the same
  const found = [];
  for (const word of words) {
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + word.length);
      found.push(range);
    }
  }
  return found;
}
