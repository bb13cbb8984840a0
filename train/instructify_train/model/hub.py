"""Whether a model can be fetched from the hub: a single request with a time limit.

transformers itself sends a request for each file, and repeats it up to five times.
"""

import os
import urllib.error
import urllib.request

from huggingface_hub import constants, get_token, try_to_load_from_cache

from instructify._util.errors import UserError

SECONDS = 10.0
_TRUE = ("1", "on", "yes", "true")
_NO_SUCH_MODEL = (401, 403, 404)


def local_only(name: str) -> bool:
    """Whether a model of the hub must be loaded from the local cache.

    One request is sent to the hub, unless HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set.

    Raises:
        UserError: The hub has no such model, or it can't be reached and the cache lacks the model.
    """
    reason = "HF_HUB_OFFLINE is set" if _is_offline() else _unreached(name)
    if reason is None:
        return False
    if is_cached(name):
        return True
    raise UserError(
        f"the model '{name}' is no folder here and not in the cache, and the hub can't be asked "
        f"for it ({reason}); give the folder of a downloaded copy"
    )


def is_cached(name: str) -> bool:
    """Whether the local cache holds a model of the hub."""
    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _is_offline() -> bool:
    set_now = (
        os.environ.get(variable, "") for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
    return bool(constants.HF_HUB_OFFLINE) or any(value.lower() in _TRUE for value in set_now)


def _unreached(name: str) -> str | None:
    """Ask the hub for a model; returns why it can't be reached, or None if it has the model."""
    # Not `build_hf_headers`, which sends a request of its own.
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{constants.ENDPOINT}/api/models/{name}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        if error.code in _NO_SUCH_MODEL and not is_cached(name):
            raise UserError(
                f"the hub has no model '{name}' for you (it answers {error.code}); correct the "
                "name, give a folder, or log in by `hf auth login` where it needs leave"
            ) from error
        return f"it answers {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
