"""Protocol files: `templates/protocols/<dataset>.yaml`, checked whole, changed by `--set`.

A file lists the protocols of a dataset, the usual one first. Every setting in the file needs its
source below `sources`. A mistake raises UserError with file and line.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from instructify._util.errors import UserError, did_you_mean
from instructify._util.field_names import read_field_names
from instructify._util.file_names import files_of
from instructify._util.yaml_lines import Node, parse_yaml, read_yaml
from instructify._util.yaml_marks import By, format_is
from instructify._util.yaml_settings import with_setting
from instructify._util.yaml_typed import check_keys, decode
from instructify.build import named_fields
from instructify.catalog import Catalog, Dataset
from instructify.metrics import METRICS, metric_of_form, variants
from instructify.protocols.defaults import (
    default_protocols,
    evaluation_split,
    is_own,
    metric_for,
)
from instructify.protocols.folders import ProtocolFolders, as_folders
from instructify.protocols.model import (
    USUAL,
    CandidateRule,
    Decode,
    Protocol,
)

FORMAT = 1
Where = Path | ProtocolFolders | None  # a folder, or folders, of protocols; None: the built-in ones
SUITES = "suites"
_SOURCED = (
    *("split", "instruction", "qformer_instruction", "prompt", "fields", "difficult", "frames"),
    *("decode", "candidates", "score"),
)
_TEXTS = ("instruction", "qformer_instruction")  # --set takes these as plain text, not as YAML
OF_METHOD: Mapping[str, tuple[str, ...]] = {
    "generate": (
        *("beams", "max_new_tokens", "min_new_tokens", "length_penalty", "repetition_penalty"),
    ),
    "restrict": ("beams", "length_penalty", "repetition_penalty"),
    "rank": ("mode", "segments"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """The top of a protocol file; `fields` are those of own data that its prompts read."""

    format: Annotated[int, format_is(FORMAT)]
    dataset: str
    protocols: tuple[Node, ...]
    fields: Annotated[tuple[str, ...], By(read_field_names)] = ()


def check_folder(catalog: Catalog, folder: Where) -> None:
    """Raise UserError for a file that belongs to no dataset, since it would have no effect."""
    names = [*catalog.datasets, SUITES]
    for part in as_folders(folder).all:
        for path in sorted(part.glob("*.y*ml")):
            if path.suffix != ".yaml" or path.stem not in names:
                raise UserError(
                    f"{path} is not the file of a dataset and has no effect; name it "
                    f"<dataset>.yaml; {did_you_mean(path.stem, names)}"
                )


def has_protocols(catalog: Catalog, dataset: str, *, folder: Where = None) -> bool:
    """Return whether a dataset can be evaluated: it has a file, or default protocols."""
    entry = catalog.dataset(dataset)
    if as_folders(folder).files(dataset):
        return True
    return is_own(entry) and bool(evaluation_split(entry)) and bool(default_protocols(entry))


def load_protocols(catalog: Catalog, dataset: str, *, folder: Where = None) -> tuple[Protocol, ...]:
    """Read the protocols of a dataset, the usual one first."""
    entry = catalog.dataset(dataset)
    own_fields = _own_fields(entry, folder)
    return tuple(_protocol(node, entry, own_fields) for node in _nodes(entry, folder).values())


def named_protocol(
    catalog: Catalog,
    name: str,
    settings: Sequence[str] = (),
    *,
    folder: Where = None,
    may_lack_words: bool = False,
) -> Protocol:
    """Read a protocol by its name (a dataset's, or `dataset.id`), changed by settings.

    Raises:
        UserError: there is no such protocol, or the user has to write its prompt and gives none.
            With `may_lack_words` the prompt may be missing.
    """
    dataset, _, protocol_id = name.partition(".")
    entry = catalog.dataset(dataset)
    nodes = _nodes(entry, folder)
    _check_split(entry, settings, nodes)
    chosen = protocol_id or next(iter(nodes))
    if chosen not in nodes:
        names = [dataset if node == USUAL else f"{dataset}.{node}" for node in nodes]
        raise UserError(f"{dataset} has no protocol '{name}'; {did_you_mean(name, names)}")
    protocol = _protocol(_changed(nodes[chosen], settings), entry, _own_fields(entry, folder))
    if protocol.instruction is None and protocol.prompt == "instruction" and not may_lack_words:
        raise unworded(protocol)
    return protocol


def unworded(protocol: Protocol) -> UserError:
    """Make the error for a protocol without a prompt; it says how to give the prompt."""
    return UserError(
        f"the wording of {protocol.name} is the paper's and not part of this project; write it "
        "with {{ fields }} into `--set instruction=...`, or into a file for `instructify "
        f"import-templates FILE --protocol {protocol.name} --out DIR`, and give `--templates DIR`"
    )


def _nodes(entry: Dataset, folder: Where) -> dict[str, Node]:
    """Read the files of a dataset, and return its protocols by id, not decoded yet."""
    nodes: dict[str, Node] = {}
    for node in _files(entry, as_folders(folder)):
        for name, protocol in _listed(node, entry.name).items():
            first = nodes.setdefault(name, protocol)
            if first is not protocol and _plain(first) != _plain(protocol):
                raise protocol.error(
                    f"the protocol '{name}' is also in {first.file}, with other settings; give "
                    "this one another id"
                )
    return nodes


def _own_fields(entry: Dataset, folder: Where) -> tuple[str, ...]:
    """List the fields of own data that the files of a dataset, or its entry, name."""
    named = {
        name for node in _files(entry, as_folders(folder)) for name in decode(_File, node).fields
    }
    return tuple(sorted(named | named_fields(entry)))


def _files(entry: Dataset, folders: ProtocolFolders) -> list[Node]:
    paths = folders.files(entry.name)
    if paths:
        return [read_yaml(path) for path in paths]
    text = default_protocols(entry) if is_own(entry) else None
    if text is not None:
        return [parse_yaml(text, f"the default protocols of {entry.name}")]
    if is_own(entry):
        raise UserError(
            f"records of the form {' or '.join(entry.forms)} have no usual way to be scored; write "
            f"protocols/{entry.name}.yaml into a folder for --add-templates (docs/evaluation.md)"
        )
    names = [path.stem for path in files_of(folders.base, "*.yaml") if path.stem != SUITES]
    raise UserError(f"there is no protocol for '{entry.name}'; {did_you_mean(entry.name, names)}")


def _listed(node: Node, dataset: str) -> dict[str, Node]:
    file = decode(_File, node)
    if file.dataset != dataset:
        raise node.at("dataset").error(f"'{file.dataset}' belongs into a file of that name")
    nodes: dict[str, Node] = {}
    for protocol in file.protocols:
        check_keys(Protocol, protocol, others=("metric",))
        name = protocol.at("id")
        if nodes.setdefault(name.text(), protocol) is not protocol:
            raise name.error(f"the id '{name.value}' is there twice")
    return nodes


def _check_split(entry: Dataset, settings: Sequence[str], nodes: Mapping[str, Node]) -> None:
    """Raise UserError if an own dataset would be evaluated on its training split by default."""
    is_default = all(node.file.startswith("the default ") for node in nodes.values())
    chosen = any(setting.partition("=")[0].strip() == "split" for setting in settings)
    if is_default and not chosen and evaluation_split(entry) is None:
        raise UserError(
            f"{entry.name} has no split to evaluate on, only {', '.join(entry.split_names)}; give "
            "it one in your catalog (files: {train: ..., val: ...}), or evaluate on what it is "
            f"trained on by `--set split={entry.split_names[0]}`"
        )


def _changed(node: Node, settings: Sequence[str]) -> Node:
    """Apply settings; changed values get the source `set`."""
    for setting in settings:
        before, node = node, with_setting(node, setting, texts=_TEXTS)
        key = setting.partition("=")[0].strip().partition(".")[0]
        if key in _SOURCED and _values(before, key) != _values(node, key):
            node = with_setting(node, f"sources.{key}=set")
    return node


def _values(node: Node, key: str) -> Any:
    """Return the plain values below a key."""
    value = node.entries().get(key)
    return None if value is None else _plain(value)


def _plain(node: Node) -> Any:
    if node.is_mapping:
        return {key: _plain(item) for key, item in node.entries().items()}
    return [_plain(item) for item in node.items()] if node.is_list else node.scalar()


def _protocol(node: Node, entry: Dataset, own_fields: tuple[str, ...]) -> Protocol:
    form = node.at("form").choice(tuple(entry.forms))
    metric_name = (
        node.at("metric").choice(METRICS) if "metric" in node.entries() else metric_for(entry, form)
    )
    metric = metric_of_form(metric_name, form)
    protocol = decode(
        Protocol,
        node,
        names={
            "forms": tuple(entry.forms),
            "splits": entry.split_names,
            "scores": tuple(variants(entry.name, metric, form)),
            "own": own_fields,
        },
        given={"dataset": entry.name, "metric": metric, "own_fields": own_fields},
        others=("metric",),
    )
    _check_pair(node, protocol)
    if protocol.candidates is not None:
        _check_rule(node.at("candidates"), protocol.candidates)
    _check_sources(node)
    return dataclasses.replace(protocol, decode=Decode(**settings_of(protocol.decode)))


def _check_pair(node: Node, protocol: Protocol) -> None:
    """Raise UserError if a method lacks candidates, or can't give what the metric scores."""
    method, rule, metric = protocol.decode.method, protocol.candidates, protocol.metric
    if method != "generate" and rule is None:
        raise node.error(f"method '{method}' needs 'candidates' to choose from")
    if metric in ("auc", "mrr") and method != "rank":
        raise node.error(f"{metric} compares scores of candidates, so 'decode.method' must be rank")
    if metric == "auc" and (rule is None or list(rule.labels) != ["yes", "no"]):
        raise node.error("auc needs 'candidates' with the labels yes and no, in this order")


def settings_of(decode: Decode) -> dict[str, Any]:
    """Return the settings that the method uses."""
    return {name: getattr(decode, name) for name in ("method", *OF_METHOD[decode.method])}


def _check_rule(node: Node, rule: CandidateRule) -> None:
    """Raise UserError if the settings of candidates do not fit each other."""
    if rule.kind == "letters" and rule.source != "choices":
        raise node.at("kind").error("letters stand for choices that a prompt shows; write texts")
    if (rule.source == "labels") != ("labels" in node.entries()):
        raise node.error("'labels' belongs to 'source: labels', and is needed there")


def _check_sources(node: Node) -> None:
    """Raise UserError if a setting in the file has no source."""
    sources = node.at("sources")
    needed = [key for key in _SOURCED if key in node.entries()]
    for key in needed:
        if key not in sources.entries():
            raise sources.error(f"'sources' does not say where '{key}' comes from")
    for key, source in sources.entries().items():
        if key.partition(".")[0] not in needed:
            raise source.error(
                f"'{key}' is no setting of this protocol; {did_you_mean(key, needed)}"
            )
