"""`merge` and `generate`: save a trained model for transformers, and ask it a question."""

import json
from dataclasses import dataclass
from pathlib import Path

from instructify._util.errors import UserError


def run_merge(run: Path, out: Path, which: str, precision: str = "auto") -> None:
    """Write the whole model of a run for transformers."""
    from instructify_train.evaluate import merge, precisions

    trained = merge(run, out, which, precision)
    step = "" if trained.state is None else f" after step {trained.state.step:,}"
    weights = " and ".join(
        f"{n / 1e6:,.1f}M in {name}" for name, n in precisions(trained.model).items()
    )
    print(f"{out}: the model of {run}{step}, {weights}, for InstructBlipForConditionalGeneration")


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateOptions:
    """The options of `generate`: the model, the question, and how the answer is decoded.

    `model` is a run, the folder of a model or a name of the Hub; `checkpoint` is one of a run.
    """

    model: str
    image: Path
    prompt: str
    checkpoint: str = "best"
    beams: int = 5
    max_tokens: int = 64
    min_tokens: int = 1
    length_penalty: float = 1.0
    device: str = "auto"


def run_generate(options: GenerateOptions, *, as_json: bool) -> None:
    """Print a model's answer about a picture or clip."""
    answer = answered(options)
    if as_json:
        value = {"image": str(options.image), "prompt": options.prompt, "answer": answer}
        print(json.dumps(value))
    else:
        print(answer)


def answered(options: GenerateOptions) -> str:
    """Return a model's answer about a picture or clip."""
    from instructify_train.decode import Decoding
    from instructify_train.evaluate import answerer_of, load_trained
    from instructify_train.model import device_of, precision_of

    if not options.prompt.strip():
        raise UserError(
            "--prompt is empty; give a prompt such as 'Question: what is this? Answer:'"
        )
    decoding = Decoding(
        beams=options.beams,
        max_new_tokens=options.max_tokens,
        min_new_tokens=options.min_tokens,
        length_penalty=options.length_penalty,
    )
    device = device_of(options.device)
    loaded = load_trained(options.model, options.checkpoint)
    answerer = answerer_of(loaded, device, precision_of("auto", device))
    return answerer.answer(answerer.read_file(options.image), options.prompt, decoding)
