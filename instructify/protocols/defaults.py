"""Default protocols of the user's own datasets, one for each form, used if there is no file.

Forms with candidates are ranked, the others are generated. The metric is that of the catalog entry,
or the usual metric of the form. A default protocol is made as the text of a protocol file and read
like a file, so that `--set` and every check work for it too.
"""

from typing import Any, NamedTuple

import yaml

from instructify._util.errors import UserError
from instructify.catalog import Dataset
from instructify.metrics import metric_of_form, variants
from instructify.protocols.model import USUAL

READER = "table"  # of all own datasets of the user
_CAPTION = "A short image description."
_CONTEXT = "{% if context %}Context: {{ context }} {% endif %}"
_TEXT = '{% if text %}This image has the words "{{ text }}" written on it. {% endif %}'
_OCR = "{% if ocr_tokens %}OCR tokens: {{ ocr_tokens | join(', ') }}. {% endif %}"
_HISTORY = (
    "{% if history %}Dialog history: {% for turn in history %}{{ turn.question | sentence('?') }} "
    "{{ turn.answer | sentence }} {% endfor %}{% endif %}"
)
_ROUNDS = (  # like the template of llava_instruct, so that prompts are the same as in training
    "{% for turn in history %}{{ turn.question | sentence }}\n{{ turn.answer | sentence }}\n"
    "{% endfor %}{{ question }}"
)
_CHOOSE = {"method": "rank", "mode": "sum+eos"}
_YES_NO = {"source": "labels", "labels": {"yes": ["yes", "true"], "no": ["no", "false"]}}
_FOR_CHOOSING = ("test", "testdev", "val", "dev")  # of a held-out dataset
_WHILE_TRAINING = (
    "val",
    "dev",
    "test",
    "testdev",
)  # of a held-in dataset: test is for the final evaluation


class _Form(NamedTuple):
    """The prompt and decoding of a form, and the metrics that can score it, the usual one first."""

    instruction: str
    most_tokens: int
    metrics: tuple[str, ...]
    least_tokens: int = 1
    penalty: float = -1.0


_FORMS = {
    "caption": _Form(_CAPTION, 80, ("cider", "accuracy"), 10, 1.0),
    "caption_set": _Form(_CAPTION, 80, ("cider", "accuracy"), 10, 1.0),
    "open": _Form(
        f"{_CONTEXT}{_TEXT}{_OCR}Question: {{{{ question }}}} Short answer:",
        10,
        ("accuracy", "vqa_accuracy", "ivqa_accuracy", "cider"),
    ),
    "multiple_choice": _Form(
        f"{_CONTEXT}{_OCR}Question: {{{{ question }}}} Options: {{{{ choices | lettered }}}}. "
        "Answer:",
        10,
        ("accuracy", "mrr"),
    ),
    "binary": _Form(
        f"{_CONTEXT}{_TEXT}Question: {{{{ question }}}} Answer:", 10, ("accuracy", "auc")
    ),
    "dialog": _Form(
        "{% if caption %}Caption: {{ caption | sentence }} {% endif %}"
        f"{_HISTORY}Question: {{{{ question | sentence('?') }}}} Short answer:",
        20,
        ("accuracy", "mrr", "vqa_accuracy", "ivqa_accuracy", "cider"),
    ),
    "conversation": _Form(_ROUNDS, 256, ("cider", "accuracy"), penalty=1.0),
}


def is_own(dataset: Dataset) -> bool:
    """Return whether a dataset is one of the user's own datasets."""
    return dataset.reader == READER


def evaluation_split(dataset: Dataset) -> str | None:
    """Return the split to evaluate on; None if the whole dataset is trained on."""
    labelled = [split.name for split in dataset.splits if split.labelled]
    held_out = dataset.role == "held-out"
    for name in _FOR_CHOOSING if held_out else _WHILE_TRAINING:
        if name in labelled:
            return name
    others = [name for name in labelled if name != "train"]
    if others:
        return others[0]
    return labelled[0] if held_out and labelled else None


def default_protocols(dataset: Dataset) -> str | None:
    """Return the text of the default protocol file; None if no form can be scored."""
    forms = _evaluated_forms(dataset)
    if not forms:
        return None
    split = evaluation_split(dataset) or dataset.split_names[0]
    protocols = [_protocol(dataset, form, split) for form in forms]
    protocols[0]["id"] = USUAL
    content = {"format": 1, "dataset": dataset.name, "protocols": protocols}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000)


def evaluated_form(dataset: Dataset) -> str:
    """Return the form that is scored by default."""
    return next(iter(_evaluated_forms(dataset) or dataset.forms))


def _evaluated_forms(dataset: Dataset) -> list[str]:
    forms = [form for form in _FORMS if form in dataset.forms]
    if "caption_set" in forms and "caption" in forms:
        forms.remove("caption")  # is for training; a picture with all its captions is scored
    return forms


def _protocol(dataset: Dataset, form: str, split: str) -> dict[str, Any]:
    defaults = _FORMS[form]
    metric = metric_for(dataset, form)
    candidates = _candidates(dataset, form, metric)
    decode: dict[str, Any] = dict(_CHOOSE)
    if candidates is None:
        decode = {
            "method": "generate",
            "beams": 5,
            "max_new_tokens": defaults.most_tokens,
            "min_new_tokens": defaults.least_tokens,
            "length_penalty": defaults.penalty,
            "repetition_penalty": 1.5,
        }
    required = {"split": split, "instruction": defaults.instruction, "decode": decode}
    chosen = {} if candidates is None else {"candidates": candidates}
    scored = next(iter(variants(dataset.name, metric, form)))
    sourced = (*required, *chosen, "score")
    return {
        "id": form.replace("_", "-"),
        "version": 1,
        "form": form,
        "metric": metric,
        **required,
        **chosen,
        "score": scored,
        "sources": dict.fromkeys(sourced, "ours"),
        "note": "The default of your own datasets; a file protocols/<dataset>.yaml replaces it.",
    }


def metric_for(dataset: Dataset, form: str) -> str:
    """Return the metric of the catalog entry, or the usual metric of the form.

    Raises:
        UserError: the metric can't score records of this form.
    """
    if not is_own(dataset) or form not in _FORMS:
        if dataset.metric is None:
            raise UserError(
                f"{dataset.name} has no metric; `instructify catalog` shows which datasets have one"
            )
        return dataset.metric
    allowed = _FORMS[form].metrics
    if dataset.metric is None:
        return "mrr" if form == "dialog" and _has_choices(dataset) else allowed[0]
    metric = metric_of_form(dataset.metric, form)
    if metric not in allowed:
        raise UserError(
            f"{dataset.name}: the metric {dataset.metric} can't score records of form '{form}'; "
            f"write `metric:` one of {', '.join(allowed)}, or leave it out"
        )
    if metric == "mrr" and not _has_choices(dataset):
        raise UserError(
            f"{dataset.name}: mrr ranks the choices of a record, and the entry maps no column to "
            "choices; map them, or write another `metric:`"
        )
    return metric


def _candidates(dataset: Dataset, form: str, metric: str) -> dict[str, Any] | None:
    if form == "binary":
        return dict(_YES_NO)
    if form == "multiple_choice" or (form in ("open", "dialog") and _has_choices(dataset)):
        return {"source": "choices", "kind": "texts"}
    if form == "open" and dataset.candidates is not None and metric != "cider":
        return {"source": "vocabulary"}
    return None


def _has_choices(dataset: Dataset) -> bool:
    return dataset.candidates is not None and dataset.candidates.kind == "record"
