"""Candidate texts as token ids; how an answer is tokenised is decided only here.

A candidate is tokenised alone, exactly as given, without start or end token. Data is data: `</s>`
in a text is tokenised as characters, and where a vocabulary can't (T5's pieces hold it), the
candidate is refused. The end token is added where ranking or restricted decoding asks for it.

So T5 gets what `tokenizer(text)` gives without its `</s>`. A SentencePiece Llama puts its own space
before the first word (`yes` becomes `_yes`), as it does where instruction and answer are tokenised
apart. A byte-level vocabulary puts none: `lead` adds one where the answers that the model was
trained on began with a space.
"""

from collections.abc import Sequence
from typing import Any

from instructify._util.errors import UserError


def candidate_tokens(tokenizer: Any, texts: Sequence[str], *, lead: str = "") -> list[list[int]]:
    """Tokenise candidate texts, in the order given; `lead` stands before each of them.

    Raises UserError for no candidates, and for one that is blank, tokenises to nothing or to a
    special token (the token for unknown characters is none).
    """
    if not texts:
        raise UserError("there are no candidates: give at least one text to choose from")
    for number, text in enumerate(texts):
        if not text.strip():
            raise _nothing(number, text)
    encoded = tokenizer(
        [lead + text for text in texts],
        add_special_tokens=False,
        split_special_tokens=True,
        padding=False,
        truncation=False,
        return_attention_mask=False,
    )
    tokens: list[list[int]] = encoded["input_ids"]
    special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id} | {tokenizer.eos_token_id}
    for number, ids in enumerate(tokens):
        if not ids:
            raise _nothing(number, texts[number])
        if not special.isdisjoint(ids):
            raise UserError(
                f"candidate {number} ({texts[number]!r}) holds a special token of the tokenizer, "
                "which would end or pad the answer: change the text or leave it out"
            )
    return tokens


def _nothing(number: int, text: str) -> UserError:
    return UserError(
        f"candidate {number} ({text!r}) tokenises to nothing, so it has no likelihood: "
        "leave it out of the candidates or give it a text"
    )
