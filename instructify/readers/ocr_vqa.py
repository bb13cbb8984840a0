"""OCR-VQA: books keyed by id, each with three to five questions about its cover.

Book ids are texts and never numbers: they lack leading zeros, may end in X, and name the file of
the cover. The raw id is `<book id>-<index of the question>`. Splits are codes: 1 train, 2 val,
3 test. A book without an author has no question about one. The genre is the subset.
"""

from collections.abc import Iterator

import msgspec

from instructify.readers.base import BY_ID, Chunk, Option, Ranges, ReadContext, Reader, RecordRows
from instructify.readers.json_items import collect, read_mapping
from instructify.readers.text import clean, safe_name

_CODES = {"train": 1, "val": 2, "test": 3}


class Book(msgspec.Struct, gc=False):
    questions: list[str]
    answers: list[str]
    split: int
    genre: str | None = None


def _read(context: ReadContext) -> Iterator[Chunk]:
    file = context.files["data"]
    rows = RecordRows(context)

    def add(position: int, item: tuple[str, Book]) -> None:
        key, book = item
        problem = _problem(key, book)
        if problem:
            rows.reject(file, position, *problem)
        elif book.split == _CODES[context.split]:
            _add_questions(context, rows, position, key, book)

    yield from collect(rows, read_mapping(file, Book), add)


def _problem(key: str, book: Book) -> tuple[str | None, str, str] | None:
    """Return field, reason and detail if a whole book can't be used."""
    if not safe_name(key) or "/" in key:
        return None, "path-outside-root", "the book's id is no plain file name"
    if book.split not in _CODES.values():
        return "split", "bad-value", f"{book.split} is none of 1 (train), 2 (val), 3 (test)"
    if len(book.questions) != len(book.answers):
        counts = f"{len(book.questions)} questions but {len(book.answers)} answers"
        return "answers", "bad-value", counts
    return None


def _add_questions(
    context: ReadContext, rows: RecordRows, position: int, key: str, book: Book
) -> None:
    file = context.files["data"]
    subset = clean(book.genre or "") or None
    for index, pair in enumerate(zip(book.questions, book.answers, strict=True)):
        question, answer = map(clean, pair)
        if not question or not answer:
            field = f"{'answers' if question else 'questions'}[{index}]"
            rows.reject(file, position, field, "empty-text", "the text is empty")
            continue
        rows.add(
            f"{key}-{index}",
            form="open",
            pictures=[f"ocr_vqa/{key}"],
            source=file,
            position=position,
            question=question,
            answer=answer,
            references=[answer],
            subset=subset,
        )


READER = Reader(
    name="ocr_vqa",
    version=1,
    read=_read,
    options={
        "ocr_tokens": Option(
            kind="int", help="how many tokens of --ocr FILE are kept, 0: none", needs="ocr"
        )
    },
    places=(BY_ID,),
    ranges=Ranges(places={"data": BY_ID}),
)
