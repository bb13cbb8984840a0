"""Tokenise candidate answers; no other module decides how an answer is tokenised.

A candidate is tokenised alone, exactly as given, without a start or end token. A special token
written in a text (`</s>`) is tokenised as characters; if the vocabulary can't do that (as T5's),
the candidate is refused. Ranking and restricted decoding add the end token themselves.

For T5 the result is `tokenizer(text)` without its `</s>`. A SentencePiece Llama adds a space
before the first word (`yes` becomes `_yes`), as it does when instruction and answer are tokenised
separately. A byte-level vocabulary adds none: `lead` adds one for models that were trained on
answers with a leading space.
"""

from collections.abc import Sequence
from typing import Any

from instructify._util.errors import UserError


def candidate_tokens(tokenizer: Any, texts: Sequence[str], *, lead: str = "") -> list[list[int]]:
    """Tokenise candidate texts, in the order given; `lead` stands before each of them.

    Raises UserError if there are no candidates, or if one is blank, tokenises to nothing or holds
    a special token (the token for unknown characters is allowed).
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
