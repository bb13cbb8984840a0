"""`import`: look at the user's own data, and write the catalog entry that describes it.

`places` finds the files, `guess` reads the first rows and maps columns to fields, `pictures` finds
the folder of the pictures, and `entry` writes the entry.
"""

from instructify.importing.entry import add_entry, entry_lines
from instructify.importing.guess import Guess, guess
from instructify.importing.places import Place, find_place

__all__ = ["Guess", "Place", "add_entry", "entry_lines", "find_place", "guess"]
