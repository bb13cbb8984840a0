"""pyarrow is kept from importing pandas, and is none the worse for it."""

import subprocess
import sys

PROGRAM = """
import sys
from instructify._util.arrow_start import look_for_no_pandas
look_for_no_pandas()
import pyarrow as pa
import pyarrow.compute
assert pa.array(["a", None]).to_pylist() == ["a", None]
assert pa.table({"a": [1, 2]}).num_rows == 2
assert "pandas" not in sys.modules
frame = pa.table({"a": [1, 2]}).to_pandas()
assert frame["a"].tolist() == [1, 2]
import pandas
assert pa.array(pandas.Series([1.5, None])).null_count == 1
assert pa.Table.from_pandas(frame).num_rows == 2
look_for_no_pandas()
assert pa.array(pandas.Series([1.5, None])).null_count == 1
"""


def test_pandas_is_imported_by_those_who_use_it_only() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_commands_that_read_data_import_no_pandas() -> None:
    names = [
        "check",
        "convert",
        "explain",
        "export",
        "inspect",
        "lint",
        "overlap",
        "plan",
        "verify",
    ]
    imports = "".join(f"import instructify.commands.{name};" for name in names)
    program = (
        "import sys; from instructify.cli.start import light_start; light_start();"
        f"{imports} assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
