"""Video question answering: MSVD-QA, MSRVTT-QA and iVQA, a record for each question about a clip.

MSVD numbers its clips, and a mapping file gives their names (msvd_mapping.py); a question whose
clip is not in the file is rejected. Raw ids are the `id` of the file (MSVD, MSRVTT), or
`<video_id>_<start>_<end>-<row>` for iVQA, whose questions have no id. iVQA has five answers of
equal value: all are references, also empty ones, and the most common answer that is not empty is
the target. "none" is an answer like any other. Clips are not opened here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from instructify.readers.annotators import choose_answer
from instructify.readers.base import A_LIST, Chunk, RawFile, ReadContext, Reader, RecordRows
from instructify.readers.json_items import read_list
from instructify.readers.msvd_mapping import read_clip_names
from instructify.readers.rows import Cells
from instructify.readers.table_cells import Fault, text_of
from instructify.readers.table_rows import read_rows
from instructify.readers.text import clean

_FIRST_WORDS = ("what", "who", "how", "when", "where")
_IVQA_ANSWERS = tuple(f"answer{number}" for number in range(1, 6))
_IVQA_COLUMNS = ("video_id", "start", "end", "question", *_IVQA_ANSWERS)
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_SECONDS = re.compile(r"(\d{1,9})(?:\.0+)?")

_Id = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Question(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    question: str
    answer: str
    video_id: _Id
    category_id: int | None = None  # MSRVTT: of the video, 0 to 19


def _read_msvd(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    names = read_clip_names(context.files["mapping"], rows)
    for position, item in _questions(context.files["questions"], rows):
        lack = names.lack(item.video_id)
        if lack is not None:
            rows.reject(context.files["questions"], position, "video_id", "no-url-mapping", lack)
        else:
            first_word = item.question.split(maxsplit=1)[0].lower()
            subset = first_word if first_word in _FIRST_WORDS else "other"
            _add(rows, context, position, item, f"msvd/{names.clips[item.video_id]}", subset)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _read_msrvtt(context: ReadContext) -> Iterator[Chunk]:
    rows = RecordRows(context)
    for position, item in _questions(context.files["questions"], rows):
        subset = None if item.category_id is None else f"category {item.category_id}"
        _add(rows, context, position, item, f"msrvtt/video{item.video_id}", subset)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _questions(file: RawFile, rows: RecordRows) -> Iterator[tuple[int, _Question]]:
    """Stream the questions with both question and answer."""
    for items in read_list(file, _Question):
        rows.extend_rejects(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            for field in ("question", "answer"):
                if not clean(getattr(item, field)):
                    rows.reject(file, position, field, "empty-text", f"the {field} is empty")
                    break
            else:
                yield position, item


def _add(
    rows: RecordRows,
    context: ReadContext,
    position: int,
    item: _Question,
    clip: str,
    subset: str | None,
) -> None:
    answer = clean(item.answer)
    rows.add(
        str(item.id),
        form="open",
        pictures=[clip],
        source=context.files["questions"],
        position=position,
        question=clean(item.question),
        answer=answer,
        references=[answer],
        subset=subset,
    )


def _read_ivqa(context: ReadContext) -> Iterator[Chunk]:
    file = context.files["questions"]
    rows = RecordRows(context)
    for chunk in read_rows(file, _IVQA_COLUMNS):
        rows.extend_rejects(chunk.rejects)
        for position, cells in chunk.rows:
            _add_ivqa(rows, context, position, cells)
            if rows.full:
                yield rows.take()
    yield rows.take()


def _add_ivqa(rows: RecordRows, context: ReadContext, position: int, cells: Cells) -> None:
    file = context.files["questions"]
    texts: dict[str, str] = {}
    for column in _IVQA_COLUMNS:
        text = text_of(cells.get(column))
        if isinstance(text, Fault):
            rows.reject(file, position, column, text.reason, text.detail)
            return
        if text is not None:
            texts[column] = text
    clip = _ivqa_clip(texts)
    answers = [texts.get(column, "") for column in _IVQA_ANSWERS]
    chosen = choose_answer(context, f"{clip}-{position}", answers)
    if clip is None:
        detail = "no YouTube id of 11 characters with whole seconds"
        rows.reject(file, position, "video_id", "bad-value", detail)
    elif "question" not in texts:
        rows.reject(file, position, "question", "empty-text", "the question is empty")
    elif chosen is None:
        rows.reject(file, position, "answer1", "no-answer", "all five answers are empty")
    else:
        rows.add(
            f"{clip}-{position}",
            form="open",
            pictures=[f"ivqa/{clip}"],
            source=file,
            position=position,
            question=texts["question"],
            answer=answers[chosen],
            references=answers,
            answer_choice=chosen,
        )


def _ivqa_clip(texts: Mapping[str, str]) -> str | None:
    """Return the clip of a row, `<video_id>_<start>_<end>`; None if it has no valid name."""
    video_id = texts.get("video_id", "")
    times = [_SECONDS.fullmatch(texts.get(column, "")) for column in ("start", "end")]
    if not _YOUTUBE_ID.fullmatch(video_id) or None in times:
        return None
    return "_".join([video_id, *(time[1] for time in times if time)])


MSVD = Reader(name="msvd_qa", version=2, read=_read_msvd, options={}, places=(A_LIST,))
MSRVTT = Reader(name="msrvtt_qa", version=1, read=_read_msrvtt, options={}, places=(A_LIST,))
IVQA = Reader(name="ivqa", version=2, read=_read_ivqa, options={}, places=())
