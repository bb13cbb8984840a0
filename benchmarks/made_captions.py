"""Captions of our own with what is hard to tokenise, and real ones marred at random places."""

import random
from collections.abc import Sequence

_PARTS = (
    "a man and his dog's ball",
    "the U.S. flag at 5:30 p.m. on Main St.",
    "it costs $1,000.50, \u00a320 or \u20ac5",
    "a well-known black-and-white 3-year-old",
    "half (\u00bd) of the AT&T sign reads NO. 5",
    "Mr. Smith, Jr. and Dr. Jones vs. Acme Inc.",
    "'60s rock 'n' roll, isn't it?!",
    'a 5\'10" tall boy holds a 3" ruler',
    "cannot, gonna, won't, they've, y'all",
    "\u201cquoted\u201d and \u2018single\u2019 words \u2013 with dashes \u2014 and dots \u2026",
    "see www.example.com or mail me@example.org, #sunset @home",
    "1/2 cup, 24/7, red/white/blue, w/ milk, and/or tea",
    "[left] {right} <b>bold</b> a_b c++ e.g. i.e. etc.",
    "caf\u00e9 na\u00efve \u00fcber-cool \u65e5\u672c \u2122 \u00b0 \u2665 :) <3",
    "555-1234 or (555) 555-1234 since 1990s-2000",
    "J. R. R. Tolkien in Washington, D.C. with vitamin C. The end",
    "10-20% off!!! ... wow -- no. 7 -5 +3 .5 1.2.3",
    "O'Neil's ma'am o'clock d'Angelo l'eau St.-Denis",
)
_MARKS = (
    *(".", ",", "-", "/", "'", '"', "'s", "n't", "(", ")", "...", "!", ":", ";", "&", "--", "1"),
    *("20", "3.5", "1,000", "A", ".com", "x", "s'", "@", "#", "$", "%", " "),
)


def made_captions(pictures: int = 150) -> list[list[str]]:
    """Make pictures of four captions each, which share some of their parts."""
    dice = random.Random(0)
    groups = []
    for _ in range(pictures):
        own = dice.sample(_PARTS, 4)
        groups.append([" ".join(dice.sample(own, dice.randint(1, 3))) + "." for _ in range(4)])
    return groups


def marred(captions: Sequence[str], count: int, dice: random.Random) -> list[str]:
    """Cut pieces of seven words out of captions and put marks into them."""
    pieces = []
    for _ in range(count):
        words = dice.choice(captions).split(" ")
        start = dice.randrange(len(words))
        words = words[max(0, start - 3) : start + 4]
        for _ in range(dice.randint(1, 3)):
            which = dice.randrange(len(words))
            word = words[which]
            place = dice.choice([0, len(word), dice.randint(0, len(word))])
            words[which] = word[:place] + dice.choice(_MARKS) + word[place:]
        pieces.append(" ".join(words))
    return pieces
