"""Split captions into characters, in scripts that put no spaces between words.

The Penn Treebank tokenizer makes one token of a whole sentence in Chinese, Japanese, Thai, Lao,
Khmer or Burmese, so that CIDEr would be 0 unless a sentence matches exactly. If most references are
written in such a script, each of its characters is a token, together with its combining marks; the
rest of a caption (Latin words, numbers, Korean) is tokenized as usual.
"""

import re
from collections.abc import Iterable

# Thai, Lao, Myanmar, Khmer, Kana, Bopomofo, Han.
_LETTER = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai, without the marks above and below
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"  # Myanmar, Khmer
    "\u3041-\u3096\u30a1-\u30fa\u30fc\u3105-\u312f\u31f0-\u31ff"  # Kana, Bopomofo
    "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\U00020000-\U0003134f"
)
_MARK = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059"
    "\u17b4-\u17d3\u3099\u309a\u0300-\u036f"
)
_CHARACTER = re.compile(f"[{_LETTER}][{_MARK}]*")
# Full-width punctuation, which the official list of dropped marks lacks.
_DROPPED = re.compile(
    "[\u3000-\u3004\u3007-\u3020\u3030\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)


def is_spaceless(captions: Iterable[str]) -> bool:
    """Return whether most captions have more such characters than words of other scripts."""
    spaceless = total = 0
    for caption in captions:
        characters = len(_CHARACTER.findall(caption))
        total += 1
        spaceless += characters > len(_CHARACTER.sub(" ", caption).split())
    return 2 * spaceless > total


def spaced(caption: str) -> str:
    """Put spaces around each character of such scripts, and drop full-width punctuation."""
    return _CHARACTER.sub(lambda match: f" {match[0]} ", _DROPPED.sub(" ", caption))
