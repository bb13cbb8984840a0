"""`merge` and `generate`: a trained model for plain transformers, and one answer of it."""

import json
from pathlib import Path

from instructify._util.errors import UserError


def run_merge(run: Path, out: Path, which: str, precision: str = "auto") -> None:
    """Write the whole model of a run."""
    from instructify_train.evaluate import merge, precisions

    trained = merge(run, out, which, precision)
    step = "" if trained.state is None else f" after step {trained.state.step:,}"
    kept = " and ".join(
        f"{n / 1e6:,.1f}M in {name}" for name, n in precisions(trained.model).items()
    )
    print(f"{out}: the model of {run}{step}, {kept}, for InstructBlipForConditionalGeneration")


def run_generate(
    source: str,
    image: Path,
    prompt: str,
    *,
    which: str,
    beams: int,
    max_tokens: int,
    min_tokens: int,
    length_penalty: float,
    device: str,
    as_json: bool,
) -> None:
    """Print what a model says of a picture or clip."""
    answer = answered(
        source,
        image,
        prompt,
        which=which,
        beams=beams,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        length_penalty=length_penalty,
        device=device,
    )
    if as_json:
        print(json.dumps({"image": str(image), "prompt": prompt, "answer": answer}))
    else:
        print(answer)


def answered(
    source: str,
    image: Path,
    prompt: str,
    *,
    which: str = "best",
    beams: int = 5,
    max_tokens: int = 64,
    min_tokens: int = 1,
    length_penalty: float = 1.0,
    device: str = "auto",
) -> str:
    """Ask a model about a picture or clip."""
    from instructify_train.decode import Decoding
    from instructify_train.evaluate import answerer_of, load_trained
    from instructify_train.model import device_of, precision_of

    if not prompt.strip():
        raise UserError("--prompt is empty; ask something, as 'Question: what is this? Answer:'")
    decoding = Decoding(
        beams=beams,
        max_new_tokens=max_tokens,
        min_new_tokens=min_tokens,
        length_penalty=length_penalty,
    )
    chosen = device_of(device)
    answerer = answerer_of(load_trained(source, which), chosen, precision_of("auto", chosen))
    return answerer.answer(answerer.read_file(image), prompt, decoding)
