"""Facts about the PTB tokeniser of the caption metrics: its abbreviations and its characters.

Observed by running the Java program (Stanford CoreNLP 3.4.1, as pycocoevalcap ships it) on every
string of up to five letters in several cases, and on every character of the basic plane. Lists of
words are texts with blanks between them.
"""

# Known in any case. They keep their period wherever two more characters follow.
ABBREVIATIONS = (
    "al ala apr ariz assn assoc aug bancorp bhd bldg blvd bros calif co colo conn corp cos ct dak "
    "dec ed.d esq est etc ext feb fla fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md "
    "mich minn mo mon mont neb nev nov oct okla penn ph.d plc rd rt sep sept seq sq sr sys tel "
    "tenn thu thurs tue tues univ va vt wed wis wisc wyo"
)

# The same, but their case matters.
CASED_ABBREVIATIONS = (
    "Ark ARK Az AZ Del DEL Ill ILL La LA Mass MASS Miss MISS Ore ORE Pa PA Tex TEX Wash WASH "
    "pte Pte ppte Ppte ptes Ptes pptes Pptes pty Pty ppty Ppty ptys Ptys pptys Pptys"
)

# Titles need nothing behind them; letters that do follow make a longer word of it ("mr.smith").
TITLES = (
    "adj adm adv alex asst atty attys ave brig capt cf cie cmdr col comdr cpl dept det dr drs elec "
    "ens ft gen gov govs hon insp invt jos lieut lt maj messrs mlle mme mr mrs ms msgr mt natl "
    "pfc ph pres prof profs pvt rep reps rev sen sens sfc sgt spc st ste supt supts treas vs wm"
)
CASED_TITLES = "mfg Mfg mtg Mtg"

# Abbreviations before a number only: "no. 5", but "no ." at the end of a sentence.
BEFORE_NUMBERS = "art ca fig figs no nos op pp prop"

# A single letter before one of these, capitalised and followed by a blank, ends its sentence.
STARTERS = (
    "A About According Additionally After An As At But Earlier He Her Here However If In It Last "
    "Many More Mr. Ms. Now Once One Other Our She Since So Some Such That The Their Then There "
    "These They This We What When While Yet You"
)

# Characters that are no letters of Unicode's and yet go on with a word.
LETTER_LIKE = (
    "\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u036f\u0375\u0378-\u0379\u0384-\u0385"
    "\u03f6\u0483-\u0487\u055a-\u055f\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7"
    "\u0615-\u061a\u064b-\u065e\u0670\u06d6-\u06e4\u06e7-\u06ed\u06fd-\u06fe\u070f\u0711"
    "\u0730-\u074c\u07a6-\u07b0\u07eb-\u07f3\u0900-\u0903\u093c\u093e-\u094e\u0951-\u0955"
    "\u0962-\u0963\u0981-\u0983\u09bc\u09be-\u09c4\u09c7-\u09c8\u09cb-\u09cd\u09d7\u09e2-\u09e3"
    "\u0a01-\u0a03\u0a3c\u0a3e-\u0a4f\u0a81-\u0a83\u0abc\u0abe-\u0acf\u0b82\u0bbe-\u0bc2"
    "\u0bc6-\u0bc8\u0bca-\u0bcd\u0c01-\u0c03\u0c3e-\u0c56\u0d3e-\u0d44\u0d46-\u0d48\u0e31"
    "\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
)

# Symbols that are tokens of their own; whatever is in neither list nor a letter nor a digit is
# dropped (emoji, most combining marks, control characters).
SYMBOLS = (
    "\u00a1\u00a5-\u00a9\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bf\u00d7\u00f7\u037e\u0387\u0589\u05be"
    "\u05c0\u05c3\u05c6\u05f3-\u05f4\u0600-\u0603\u0606-\u060c\u0614\u061b\u061e-\u061f\u066a\u066d"
    "\u06d4\u0700-\u070d\u07f6-\u07f8\u0964-\u0965\u0e3f\u0e4f\u1fbd\u2016-\u2017\u201a\u201e-\u2023"
    "\u2030-\u2038\u203b\u203e-\u2042\u2044\u2070\u2074-\u207e\u2080-\u208e\u20a4\u2100-\u2101"
    "\u2103-\u2106\u2108-\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b"
    "\u2140-\u2144\u214a-\u214d\u214f\u2155-\u215e\u2190-\u2bff\u3001-\u3002\u3012\u30fb"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffe1\uffe5-\uffe6"
)
