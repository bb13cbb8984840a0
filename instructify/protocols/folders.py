"""The folders of protocol files: the built-in one or the user's, and added folders."""

from dataclasses import dataclass
from pathlib import Path

from instructify._util.resources import find
from instructify.templating import TemplateFolders

FOLDER = "protocols"


@dataclass(frozen=True, slots=True)
class ProtocolFolders:
    """The folder of protocols, and folders that are added to it.

    A dataset without a file in `base` is evaluated with the built-in protocols.
    """

    base: Path
    added: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        """The base, then the added folders."""
        return (self.base, *self.added)

    def file(self, name: str) -> Path:
        """Return the file of a dataset or of the suites, of the base or else the built-in one."""
        path = self.base / f"{name}.yaml"
        return path if path.is_file() else find("templates") / FOLDER / f"{name}.yaml"

    def files(self, name: str) -> list[Path]:
        """List the existing files of a name, that of the base first."""
        every = [self.file(name), *(folder / f"{name}.yaml" for folder in self.added)]
        return [path for path in every if path.is_file()]


def protocol_folders(templates: TemplateFolders | None = None) -> ProtocolFolders:
    """Return the folders of protocols inside template folders, or the built-in protocols."""
    ours = find("templates") / FOLDER
    if templates is None:
        return ProtocolFolders(ours)
    beside = templates.base / FOLDER
    added = tuple(path for folder in templates.added if (path := folder / FOLDER).is_dir())
    return ProtocolFolders(beside if beside.is_dir() else ours, added)


def as_folders(folder: "Path | ProtocolFolders | None") -> ProtocolFolders:
    """Turn a single folder into `ProtocolFolders`; None means the built-in protocols."""
    if folder is None:
        return protocol_folders()
    return ProtocolFolders(folder) if isinstance(folder, Path) else folder
