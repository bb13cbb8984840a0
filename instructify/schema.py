"""The two tables that everything else speaks of: records and samples, as versioned Arrow schemas.

A record is one supervised target, whatever dataset it comes from. A sample is a record rendered by
a template. Text columns hold plain text with outer white space removed; a null means that the
dataset does not have the thing.
"""

import pyarrow as pa

RECORD_FORMAT = 2
SAMPLE_FORMAT = 2

_label = pa.dictionary(pa.int32(), pa.string())
_texts = pa.list_(pa.string())
_turns = pa.list_(pa.struct([("question", pa.string()), ("answer", pa.string())]))
_named = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))

RECORD_SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),  # <dataset>/<split>/<raw id>
        pa.field("form", _label, nullable=False),  # open, caption, ...: the catalog's forms
        pa.field("pictures", _texts, nullable=False),  # picture or clip keys, the main one first
        ("question", pa.string()),  # or statement (VSR), human turn (LLaVA); null for captions
        ("answer", pa.string()),  # the training target; null: for inference only
        ("references", _texts),  # every accepted answer or caption, for scoring
        ("choices", _texts),
        ("choice_index", pa.int32()),  # the right one among `choices`
        ("context", pa.string()),  # text that belongs before the question (ScienceQA hint)
        ("caption", pa.string()),  # a caption given as context (VisDial)
        ("history", _turns),  # earlier rounds of a dialogue, oldest first
        ("text", pa.string()),  # text that stands in the picture as a whole (memes)
        ("ocr_tokens", _texts),
        ("ocr_source", _label),  # where the OCR tokens come from
        ("subset", _label),  # the dataset's own groups, to score by (NoCaps domain, answer type)
        ("difficult", pa.bool_()),  # A-OKVQA: official direct-answer scoring skips these
        ("relevance", pa.list_(pa.float32())),  # VisDial dense annotation, one number a choice
        ("answer_choice", pa.int32()),  # index into `references` of what became the target
        ("fields", _named),  # columns of own data that templates may read, sorted by name
        pa.field("source", _label, nullable=False),  # raw file, below the raw root
        pa.field("position", pa.int64(), nullable=False),  # 0-based index of the item in that file
    ]
)

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),  # <record_id>#<draw>
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("dataset", _label, nullable=False),
        pa.field("split", _label, nullable=False),
        pa.field("task", _label, nullable=False),
        pa.field("form", _label, nullable=False),
        pa.field("draw", pa.int32(), nullable=False),
        pa.field("pictures", _texts, nullable=False),
        pa.field("instruction", pa.string(), nullable=False),
        ("qformer_instruction", pa.string()),  # null: the same as `instruction`
        ("response", pa.string()),  # null: for inference only
        ("references", _texts),
        ("candidates", _texts),  # the sample's own candidates (choices, dialogue options)
        ("candidate_set", _label),  # or the id of a set in candidates.arrow
        ("choice_index", pa.int32()),  # the right one among `candidates`
        ("subset", _label),
        ("difficult", pa.bool_()),
        ("relevance", pa.list_(pa.float32())),
        ("fields", _named),
        pa.field("template", _label, nullable=False),  # <task>/<id>@<version>
        pa.field("template_sha256", _label, nullable=False),
        ("answer_choice", pa.int32()),
        ("option_order", pa.list_(pa.int32())),  # how the choices lie; null: as published
        ("ocr_source", _label),
        pa.field("reader", _label, nullable=False),  # <name>@<version>
        pa.field("source", _label, nullable=False),
        pa.field("source_sha256", _label, nullable=False),
        pa.field("position", pa.int64(), nullable=False),
    ]
)

PROVENANCE = (
    "template",
    "template_sha256",
    "answer_choice",
    "option_order",
    "ocr_source",
    "reader",
    "source",
    "source_sha256",
    "position",
)
