"""A pickle in the place of a checkpoint is refused in our words and never executed."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest

from instructify._util.errors import UserError
from instructify_train.model.lavis_file import read_lavis


class _Trap:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._mark),)


@pytest.mark.filterwarnings("error")  # a warning of torch would stand before our sentence
@pytest.mark.parametrize("how", ["bare", "in a dictionary", "in a zip"])
def test_a_pickle_is_refused_without_advice_to_trust_it(tmp_path: Path, how: str) -> None:
    mark, path = tmp_path / "executed", tmp_path / "a.pth"
    trap = _Trap(mark)
    data = pickle.dumps({"model": trap} if how == "in a dictionary" else trap)
    if how == "in a zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3")
    else:
        path.write_bytes(data)
    with pytest.raises(UserError) as refused:
        read_lavis(path)
    assert "weights_only" not in str(refused.value)
    assert not mark.exists()
