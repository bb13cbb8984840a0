"""Results of evaluations as `eval` writes them, made from a protocol."""

from typing import Any

from instructify.catalog.load import load_catalog
from instructify.protocols.read import named_protocol

CATALOG = load_catalog()


def result(
    name: str, *settings: str, value: float = 0.5, model: str = "t5", complete: bool = True
) -> dict[str, Any]:
    """Make a result of a protocol as `eval` writes it."""
    protocol = named_protocol(CATALOG, name, settings)
    score = {
        "value": value, "metric": protocol.metric, "variant": protocol.variant, "count": 10,
        "interval": [value, value], "subsets": {},
    }  # fmt: skip
    return {
        "name": protocol.name, "dataset": protocol.dataset, "protocol": protocol.value(),
        "score": score, "variants": {}, "complete": complete, "asked": 10, "of_total": 10,
        "skipped": {}, "versions": {}, "undefined": None,
        "model": {
            "source": "run", "step": None, "instruction_aware": True, "sha256": "0" * 64,
            "precision": "fp32", "language_model": model,
        },
    }  # fmt: skip
