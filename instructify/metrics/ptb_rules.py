"""The patterns of the PTB tokenizer: what can be a token, and how it is written.

Group 1 of a pattern is the token; the rest of the pattern has to follow it and counts for the
length. As in the original, literal words in a pattern match in any case and character classes do
not. If the original writes only a mark that is dropped anyway, the token is "".
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from instructify.metrics.ptb_words import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    CASED_ABBREVIATIONS,
    CASED_TITLES,
    LETTER_LIKE,
    STARTERS,
    SYMBOLS,
    TITLES,
)


class Rule(NamedTuple):
    """A pattern, and the text of its token if it differs from the match."""

    pattern: re.Pattern[str]
    write: Callable[[str], str] | None = None


# Numerals such as \u00b2 and \u2167 count as alphanumeric in Python, not as letters there.
_NUMERALS = "".join(
    char for char in map(chr, range(0x80, 0x10000)) if unicodedata.category(char) in ("No", "Nl")
)
_LETTER = rf"(?:[^\W\d_{_NUMERALS}]|[{LETTER_LIKE}]|&[aeiouAEIOU](?i:acute|grave|uml);)"
_EITHER = rf"(?:{_LETTER}|\d)"
_WORD = rf"{_LETTER}{_EITHER}*(?:[.!?]{_LETTER}{_EITHER}*)*"
_APOSTROPHE = r"(?:['\x92\u2019]|(?i:&apos;))"
_QUOTE = rf"(?:{_APOSTROPHE}|[`\x91\u2018\u201b])"
_CLITIC = rf"{_APOSTROPHE}(?:[msdMSD]|(?i:re|ve|ll))"
_NUMBER = r"(?:\d*(?:[.:,\u066b\u066c]\d+)+|\d+)"
_ACRONYM = r"[A-Za-z](?:\.[A-Za-z])*"
_NOT_IN_URL = r" \t\n\f\r\"<>|"
_FILE_KINDS = (
    "bat|bmp|c|class|cgi|cpp|dll|doc|docx|exe|gif|gz|h|htm|html|jar|java|jpeg|jpg|mov|mp3|pdf|php|"
    "pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip|wma|wmv"
)

_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_CURRENCIES = {"\xa2": "cents", "\xa3": "#", "\xa4": "$", "\x80": "$", "\u20a0": "$", "\u20ac": "$"}
_QUOTES = {
    **dict.fromkeys("\x92\u2019\u203a", "'"),
    **dict.fromkeys("`\x91\u2018\u201b\u2039", "`"),
    **dict.fromkeys("\x93\u201c\xab", "``"),
    **dict.fromkeys("\x94\u201d\xbb", "''"),
    **{char: char for char in "\x82\x84\u201a\u201e\u201f"},
}
_FRACTIONS = {"\xbc": "1/4", "\xbd": "1/2", "\xbe": "3/4", "\u2153": "1/3", "\u2154": "2/3"}


def make_rules() -> tuple[Rule, ...]:
    """List all patterns, in the order that decides between matches of equal length."""
    return (*_word_rules(), *_net_rules(), *_number_rules(), *_compound_rules(), *_mark_rules())


def _word_rules() -> Iterable[Rule]:
    """Words, clitics and words that are split; the rest of a split is matched by itself."""
    yield _rule(r"((?i:can))(?i:not)")
    yield _rule(r"((?i:gon))(?i:na)")
    yield _rule(r"((?i:got))(?i:ta)")
    yield _rule(r"((?i:lem))(?i:me)")
    yield _rule(r"((?i:gim))(?i:me)")
    yield _rule(r"((?i:wan))(?i:na)")
    yield _rule(rf"({_APOSTROPHE}(?i:t))(?i:is|was)", _straight)
    yield _rule(rf"({_WORD}){_CLITIC}", _plain)
    yield _rule(rf"([A-Za-z]*[A-MO-Za-mo-z])[nN]{_QUOTE}[tT]")
    yield _rule(rf"({_WORD})", _plain)
    yield _rule(rf"({_APOSTROPHE}[nN]{_APOSTROPHE}?)")
    yield _rule(rf"([lLdDjJ]{_APOSTROPHE}|(?i:dunkin|somethin|ol){_APOSTROPHE})")
    yield _rule(rf"({_APOSTROPHE}(?i:em|cause|till?)|(?i:c{_APOSTROPHE}mon))")
    yield _rule(rf"((?i:s{_QUOTE}mores|e{_QUOTE}er|ev{_QUOTE}ry|ta{_QUOTE}en|nat{_QUOTE}l))")
    yield _rule(rf"({_APOSTROPHE}[2-9]0[sS])")
    yield _rule(rf"([A-HJ-XZn]{_QUOTE}{_LETTER}{{2,}})")
    yield _rule(rf"({_LETTER}+[aeiouyAEIOUY]{_QUOTE}[aeiouA-Z]{_LETTER}*)")
    yield _rule(rf"([yY]{_APOSTROPHE}){_LETTER}", _straight)
    yield _rule(rf"({_CLITIC})[^A-Za-z]", _straight)
    yield _rule(r"([\x92\u2019](?:[msdMSD]|(?i:re|ve|ll)))", _straight)
    yield _rule(rf"([nN]{_QUOTE}[tT])[^A-Za-z]", _straight)
    yield _rule(rf"({_APOSTROPHE}[0-9][0-9])\s")
    yield _rule(rf"((?i:cap{_APOSTROPHE}n|c{_APOSTROPHE}est|c\.d\.s|pro-|anti-))")
    yield _rule(r"(-(?i:lrb|rrb|lsb|rsb|lcb|rcb)-)")


def _net_rules() -> Iterable[Rule]:
    """Tags, addresses, names with @ and #, file names."""
    yield _rule(f"({_tag()})")
    end = r"[^ \t\n\f\r\"<>|.!?(){},-]"
    yield _rule(rf"((?i:https?)://[^{_NOT_IN_URL}()]+{end})")
    path = rf"(?:/[^{_NOT_IN_URL}()]+{end})?"
    plain = r"[^ \t\n\f\r\"<>|.!?(){},]"
    lower = r"[^ \t\n\f\r\"`'<>|.!?(){},-_$]"
    yield _rule(rf"((?i:www)\.(?:{plain}+\.)+[a-zA-Z]{{2,4}}{path})")
    yield _rule(rf"((?:{lower}+\.)+(?i:com|net|org|edu){path})")
    host = r"[^ \t\n\f\r\"<>|(){}.\xa0]+"
    yield _rule(
        rf"((?:(?i:&lt;)|<)?[a-zA-Z0-9][^{_NOT_IN_URL}(){{}}\xa0]*@(?:{host}\.)*{host}(?:(?i:&gt;)|>)?)"
    )
    yield _rule(r"(@[a-zA-Z_][a-zA-Z_0-9]*)")
    yield _rule(rf"(#{_LETTER}+)")


def _number_rules() -> Iterable[Rule]:
    """Dates, numbers, fractions, telephones (a blank or a hyphen may stand between their parts)."""
    yield _rule(r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})")
    yield _rule(rf"([-+]?{_NUMBER})")
    yield _rule(
        r"([\u207a\u207b\u208a\u208b]?(?:[\u2070\xb9\xb2\xb3\u2074-\u2079]+|[\u2080-\u2089]+))"
    )
    yield _rule(r"((?:\d{1,4}[- \xa0])?\d{1,4}(?:\\?/|\u2044)\d{1,4})")
    yield _rule(rf"([{''.join(_FRACTIONS)}])", lambda token: _FRACTIONS[token])
    head = r"(?:\([0-9]{2,3}\)[ \xa0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \xa0])?[0-9]{2,4}[- \xa0])"
    yield _rule(rf"({head}[0-9]{{3,4}}[- \xa0]?[0-9]{{3,5}})", _bracketed)
    yield _rule(r"((?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5})")


def _compound_rules() -> Iterable[Rule]:
    """Abbreviations with their period, and words joined by -, _, / or &."""
    always = "|".join([*_any_case(ABBREVIATIONS), *CASED_ABBREVIATIONS.split()])
    title = "|".join([*_any_case(TITLES), *CASED_TITLES.split(), _ACRONYM])
    number = "|".join(_any_case(BEFORE_NUMBERS))
    yield _rule(rf"((?:{always})\.)(?s:..)")
    yield _rule(rf"((?:{title})\.)")
    yield _rule(rf"((?:{number})\.)[ \xa0]?\d")
    yield _rule(rf"([A-Za-z])\.\s+(?:{_starters()}|{_tag()})\s")
    yield _rule(rf"({_EITHER}+(?:\.{_EITHER}+)*\.(?i:{_FILE_KINDS}))[\s.?!,\xa0]")
    thing = rf"(?:[dDoOlL]{_QUOTE}{_EITHER})?{_EITHER}+"
    things = rf"{thing}(?:[-_\u058a\u2010\u2011]{thing})*"
    yield _rule(rf"({things})")
    hyphened = r"[A-Za-z0-9][A-Za-z0-9.,]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9]+))+"
    yield _rule(rf"({hyphened})")
    yield _rule(rf"((?:{_WORD}|{things}|{hyphened})\.)[,;:\u3001]", _plain)
    yield _rule(r"([A-Z]+(?:(?:[+&]|(?i:&amp;))[A-Z]+)+)", _plain)
    part = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
    yield _rule(rf"({part}(?:\\?/{part}){{1,2}})")
    yield _rule(r"([cC]\+\+|[cCfF]#)")


def _mark_rules() -> Iterable[Rule]:
    """Emoticons, money, brackets and all other marks."""
    yield _rule(r"([<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])[^A-Za-z0-9]", _parenthesised)
    yield _rule(r"([-^x=~<>']_[-^x=~<>'])")
    yield _rule(r"(\([-^x=~<>'][_.]?[-^x=~<>']\))", _bracketed)
    yield _rule(r"([A-Z]*\$)")
    yield _rule(rf"([{''.join(_CURRENCIES)}])", lambda token: _CURRENCIES[token])
    yield _rule(r"([()\[\]{}])", _bracketed)
    yield _rule(r"((?i:&amp;))", lambda token: "&")
    yield _rule(r"((?i:&lt;))", lambda token: "<")
    yield _rule(r"((?i:&gt;))", lambda token: ">")
    yield _rule(r"((?i:&quot;|&apos;|&nbsp;|&mdash;|&md;|&ndash;))", _nothing)
    yield _rule(r"((?i:&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);))")
    yield _rule(r"([?!]+|@+|#+|_+|\*+|(?:\\\*){1,3}|<<|>>)")
    yield _rule(r"(-{1,4}|\.{3,5}|\.(?:[ \xa0]\.){2,4})", _nothing)
    yield _rule(r"(-{5,})")
    yield _rule(rf"([{SYMBOLS}=+~|\\^%&/<>])")
    yield _rule(r"(')[A-Za-z][^ \t\n\r\xa0]", _nothing)  # before a longer word it is a quote
    yield _rule(rf"([{''.join(_QUOTES)}]{{1,2}})", _quotes)
    yield _rule(r"(''|'|(?i:&apos;))", _nothing)
    yield _rule(r"([.,:;\"])", _nothing)


def _tag() -> str:
    name = r"[A-Za-z][A-Za-z0-9_:.-]*"
    attribute = rf"{name}(?:\s*=\s*(?:\"[^\"\r\n]*\"|'[^'\r\n]*'))?"
    return rf"<(?:[!?][A-Za-z-][^>\r\n]*|{name}(?:[ ]+{attribute})*[ ]*/?|/{name}[ ]*)>"


def _starters() -> str:
    """Words that begin a sentence after a single letter: "vitamin C. The ..."."""
    return "|".join(f"{word[0]}(?i:{re.escape(word[1:])})" for word in STARTERS.split())


def _any_case(words: str) -> list[str]:
    return [f"(?i:{re.escape(word)})" for word in words.split()]


def _rule(pattern: str, write: Callable[[str], str] | None = None) -> Rule:
    return Rule(re.compile(pattern), write)


def _parenthesised(token: str) -> str:
    return token.replace("(", "-lrb-").replace(")", "-rrb-")


def _nothing(token: str) -> str:
    return ""


def _bracketed(token: str) -> str:
    return "".join(_BRACKETS.get(char, char) for char in token)


def _quotes(token: str) -> str:
    return "".join(_QUOTES[char] for char in token)


def _straight(token: str) -> str:
    return re.sub("(?i)&apos;|[\x92\u2019]", "'", token)


def _plain(token: str) -> str:
    return re.sub("(?i)&amp;", "&", token)
