"""Leave out what makes the start of a command slow."""

import gc

_OBJECTS_PER_COLLECTION = 100_000


def light_start() -> None:
    """Prepare the process of a command that reads data; call this before pyarrow is imported.

    pyarrow imports no pandas. The cyclic collector runs seldom: the objects of imports and catalogs
    are in use to the end, and it would walk them a hundred times.
    """
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    from instructify._util.arrow_start import look_for_no_pandas

    look_for_no_pandas()
