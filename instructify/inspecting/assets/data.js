// The values of the page, read block by block out of the JSON that lies in it.

const facts = JSON.parse(byId("facts").textContent);
const blocks = new Map();

/** One value of a kind by its number. */
function value(kind, at) {
  const block = Math.floor(at / facts.block);
  const name = `${kind}-${block}`;
  if (!blocks.has(name)) {
    const source = byId(name);
    blocks.set(name, JSON.parse(source.textContent));
    source.remove(); // the text of it is not needed twice
  }
  return blocks.get(name)[at - block * facts.block];
}

/** All values of a kind. */
function values(kind) {
  const found = [];
  for (let block = 0; byId(`${kind}-${block}`) || blocks.has(`${kind}-${block}`); block += 1) {
    value(kind, block * facts.block);
    found.push(...blocks.get(`${kind}-${block}`));
  }
  return found;
}

const samples = values("listed");
const rejects = values("rejects");
const placeOf = new Map(samples.map((sample, at) => [sample.id, at]));

/** The address of an image. */
const imageOf = (at) => `data:image/jpeg;base64,${value("images", at)}`;

/** An image that fills its place; small ones keep hard edges. */
function picture(entry, at = 0) {
  const [width, height] = entry.size;
  return make("img", {
    src: imageOf(entry.images[at]),
    alt: entry.key,
    decoding: "async",
    class: Math.max(width, height) < 160 && "small",
  });
}

/** A small square for a list: the first picture, how many there are, or why there is none. */
function thumb(numbers) {
  if (!numbers.length) return make("span", { class: "thumb" }, "no picture");
  const entry = value("pictures", numbers[0]);
  if (!entry.images || !entry.images.length) return make("span", { class: "thumb" }, "no usable picture");
  const middle = entry.clip ? Math.floor(entry.images.length / 2) : 0;
  const mark = entry.problem ? "damaged" : entry.clip ? "clip" : numbers.length > 1 ? `+${numbers.length - 1}` : null;
  return make("span", { class: "thumb" }, picture(entry, middle), mark && make("b", {}, mark));
}
