"""Upload an export to the Hub in one commit, after which the repository equals the folder.

huggingface_hub does the upload; this module calls it and turns its errors into one sentence.
"""

from pathlib import Path
from typing import Any, Protocol

from instructify._util.errors import UserError

_OWN = [
    "data/**",
    "export.json",
    "candidates.json",
]  # deleted if a former export has them and this one does not


class HubApi(Protocol):
    """The part of `huggingface_hub.HfApi` that is used."""

    def create_repo(
        self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool
    ) -> Any: ...

    def upload_folder(
        self,
        *,
        repo_id: str,
        folder_path: Path,
        repo_type: str,
        commit_message: str,
        delete_patterns: list[str],
        ignore_patterns: list[str],
    ) -> Any: ...


def check_repository(repository: str) -> None:
    """Raise UserError for a name that the Hub would refuse, before the export is made."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"--push {repository}: {error}") from error


def push_folder(folder: Path, repository: str, *, public: bool, api: HubApi) -> str:
    """Upload a folder as a dataset repository, private unless `public`; returns its address.

    A repository that exists keeps its visibility, its history and its other files.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        created = api.create_repo(
            repository, repo_type="dataset", private=not public, exist_ok=True
        )
        name = str(getattr(created, "repo_id", repository))
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            repo_type="dataset",
            commit_message="Export by instructify",
            delete_patterns=_OWN,
            ignore_patterns=[],
        )
    except LocalTokenNotFoundError as error:
        raise UserError(
            f"{repository} needs a token: `hf auth login`, then the same command again."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{repository} was not uploaded ({first}); the export is in {folder}; run the same "
            "command again to retry."
        ) from error
    return f"https://huggingface.co/datasets/{name}"
