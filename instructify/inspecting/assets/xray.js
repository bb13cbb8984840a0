// The X-ray of a sample: every token that each model reads, what it learns to say, what was cut.

let showsIds = false;

/** One token: text as its vocabulary spells it, its number and its part on hovering. */
function token(tokenizer, id, kind, role) {
  const [text, isSpecial] = facts.tokens.pieces[tokenizer][id];
  const classes = ["token", kind, isSpecial && "special"].filter(Boolean).join(" ");
  const node = make("span", { class: classes, "data-id": id, title: `${role}, id ${id}` });
  if (text.startsWith("\u2581")) {
    node.append(make("i", {}, "\u00b7"));
    put(node, shownPiece(text.slice(1)));
  } else put(node, shownPiece(text));
  return node;
}

const shownPiece = (text) => text.replace(/\n/g, "\u21b5").replace(/\t/g, "\u21e5");

/** Tokens of a text, with those that were cut where they stood. */
function tokenRow(tokenizer, ids, cuts, kindOf) {
  const nodes = [];
  ids.forEach((id, at) => {
    for (const cut of cuts) if (cut && cut[0] === at) nodes.push(...cutTokens(tokenizer, cut[1]));
    nodes.push(token(tokenizer, id, ...kindOf(at)));
  });
  for (const cut of cuts) if (cut && cut[0] >= ids.length) nodes.push(...cutTokens(tokenizer, cut[1]));
  return nodes;
}

const cutTokens = (tokenizer, ids) =>
  ids.map((id) => token(tokenizer, id, "cut", "cut off, never read"));

function track(title, told, nodes, name) {
  return make(
    "div",
    { class: "track", "data-track": name },
    make("p", {}, make("b", {}, title), ` ${told}`),
    make("div", { class: "tokens" }, nodes),
  );
}

const breakWords = (count) =>
  count ? `, ${many(count, "line break")} read as ${count === 1 ? "a blank" : "blanks"}` : "";

const cutWords = (cut, side) => (cut ? `, ${many(cut[1].length, "token")} cut from the ${side}` : "");

/** The slots of the queries, in front of every text. */
function slots(count) {
  const each = facts.tokens.queries;
  const text = count === each ? `${count} query slots` : `${count / each} frames × ${each} query slots`;
  const title = "what the Q-Former says of the picture stands here; no text can reach these places";
  return make("span", { class: "token slots", title }, text);
}

/** Draw the X-ray. */
function xray(reading) {
  const [cutQformer, cutInstruction, cutResponse] = reading.cut;
  const box = make("div", { class: showsIds ? "xray ids" : "xray" });
  box.append(
    track(
      "Q-Former reads",
      `${many(reading.qformer.length, "token")} beside the picture${cutWords(cutQformer, "left")}` +
        breakWords(reading.breaks[0]),
      tokenRow("qformer", reading.qformer, [cutQformer], () => ["", "read"]),
      "qformer",
    ),
  );
  if (reading.decoder === null) box.append(decoderOnly(reading, cutInstruction, cutResponse));
  else box.append(...encoderDecoder(reading, cutInstruction, cutResponse));
  box.append(legend(reading));
  return box;
}

/** A decoder-only model: what stands after a position with a label is learnt there. */
function decoderOnly(reading, cutInstruction, cutResponse) {
  const learnt = new Set(reading.at.map((at) => at + 1));
  const start = reading.at.length ? reading.at[0] + 1 : reading.language.length;
  const shifted = cutResponse && [cutResponse[0] + start, cutResponse[1]];
  const kindOf = (at) => (learnt.has(at) ? ["learnt", "has a label: learnt"] : ["", "read, no label"]);
  const told =
    `${many(reading.slots + reading.language.length, "position")}, ` +
    `${many(reading.say.length, "label")}${cutWords(cutInstruction, "left")}` +
    cutWords(cutResponse, "right of the response") + breakWords(reading.breaks[1]);
  const nodes = tokenRow("language", reading.language, [cutInstruction, shifted], kindOf);
  return track("Language model reads", told, [slots(reading.slots), ...nodes], "language");
}

/** An encoder-decoder: the response is on its other side, shifted by the token that starts it. */
function encoderDecoder(reading, cutInstruction, cutResponse) {
  const read = tokenRow("language", reading.language, [cutInstruction], () => ["", "read, no label"]);
  const told =
    `${many(reading.slots + reading.language.length, "position")}${cutWords(cutInstruction, "left")}` +
    breakWords(reading.breaks[1]);
  const said = tokenRow("language", reading.say, [cutResponse], () => ["learnt", "has a label: learnt"]);
  const begin = token("language", reading.decoder[0], "", "starts the decoder");
  const learnt = `${many(reading.say.length, "label")}${cutWords(cutResponse, "right")}`;
  return [
    track("Encoder reads", told, [slots(reading.slots), ...read], "language"),
    track("Decoder learns to say", learnt, [begin, ...said], "decoder"),
  ];
}

function legend(reading) {
  const entry = (kind, sample, text) =>
    make("span", {}, make("span", { class: `token ${kind}` }, sample), text);
  const ids = make(
    "button",
    { type: "button", "aria-pressed": String(showsIds), onclick: () => { showsIds = !showsIds; showDetail(); } },
    "ids",
  );
  return make(
    "div",
    { class: "legend" },
    reading.say.length ? entry("learnt", "learnt", "has a label") : null,
    entry("", "read", "no label"),
    entry("special", "</s>", "put there by us, never by a text"),
    reading.cut.some(Boolean) ? entry("cut", "cut", "left out") : null,
    ids,
  );
}
