"""Where protocol files lie: ours or the user's in place of them, and folders that join."""

from dataclasses import dataclass
from pathlib import Path

from instructify._util.resources import find
from instructify.templating import TemplateFolders

FOLDER = "protocols"


@dataclass(frozen=True, slots=True)
class ProtocolFolders:
    """The folder of protocols that is used, and those that join it.

    A dataset that `base` has no file for is evaluated by our protocols.
    """

    base: Path
    added: tuple[Path, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        """The base, then what joins it."""
        return (self.base, *self.added)

    def file(self, name: str) -> Path:
        """Return the file of a dataset, or of the suites: that of the base, else ours."""
        path = self.base / f"{name}.yaml"
        return path if path.is_file() else find("templates") / FOLDER / f"{name}.yaml"

    def files(self, name: str) -> list[Path]:
        """List the files of a name that are there, the base's first."""
        every = [self.file(name), *(folder / f"{name}.yaml" for folder in self.added)]
        return [path for path in every if path.is_file()]


def protocol_folders(templates: TemplateFolders | None = None) -> ProtocolFolders:
    """Find the protocols that lie beside templates; ours where there are none."""
    ours = find("templates") / FOLDER
    if templates is None:
        return ProtocolFolders(ours)
    own = templates.base / FOLDER
    added = tuple(path for one in templates.added if (path := one / FOLDER).is_dir())
    return ProtocolFolders(own if own.is_dir() else ours, added)


def as_folders(folder: "Path | ProtocolFolders | None") -> ProtocolFolders:
    """Take one folder as the base that nothing joins; None: ours."""
    if folder is None:
        return protocol_folders()
    return ProtocolFolders(folder) if isinstance(folder, Path) else folder
