"""`check-model`: checks of a model before it is trained or evaluated for hours."""

import json

from instructify._util.terminal import wrapped


def run_check_model(name: str, *, as_json: bool) -> int:
    """Check a model and print which checks pass and which differ; returns the exit code."""
    from instructify_train.config import ModelConfig
    from instructify_train.evaluate import check_model
    from instructify_train.model import load_model

    checks = check_model(load_model(ModelConfig(name=name)))
    differs = [check for check in checks if check.passed is False]
    if as_json:
        print(json.dumps([check._asdict() for check in checks], indent=1))
    else:
        words = {True: "pass", False: "DIFFERS", None: "note"}
        for check in checks:
            line = f"{words[check.passed]:8} {check.name}: {check.says}"
            print("\n".join(wrapped(line, rest=" " * 9)))
        print(f"{len(checks) - len(differs)} of {len(checks)} checks found nothing that differs")
    return 1 if differs else 0
