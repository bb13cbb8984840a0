"""`import`: data of the user's own looked at, and the entry of a catalog that describes it.

`places` finds the files, `look` reads the first rows, `guess` maps columns to fields, `pictures`
finds where the pictures lie, `entry` writes the entry.
"""

from instructify.importing.entry import add_entry, entry_lines
from instructify.importing.guess import Guess, guess
from instructify.importing.places import Place, find_place

__all__ = ["Guess", "Place", "add_entry", "entry_lines", "find_place", "guess"]
