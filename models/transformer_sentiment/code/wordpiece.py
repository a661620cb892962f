"""
Text to the numbers of its wordpieces, as BERT's uncased models were taught to read it.

train.py proves that this gives what the `tokenizers` library gives for every sentence that it trains on, so that the
image needs no package for it.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
DROPPED = {"Cc", "Cf", "Co"}
LONGEST_WORD = 100  # characters; a longer one is unknown
ASCII_PUNCTUATION = "$+<=>^`|~"  # which Unicode calls symbols, and BERT punctuation
# The blocks whose characters are words by themselves; Hangul and the Japanese syllabaries are not among them.
IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """The pieces that a model knows, each with its number, and the way a text is cut into them."""

    def __init__(self, numbers: Mapping[str, int], longest: int) -> None:
        """Take the pieces and the most of them that a text may have, the two at its ends among them."""
        self._numbers, self._longest = numbers, longest
        self.pad = numbers[PAD]
        self._pieces = lru_cache(maxsize=20_000)(self._cut)

    def read(self, text: str) -> list[int]:
        """Return the numbers of the text's pieces, between those of the two ends; what is too long is cut off."""
        found = [self._numbers[BEGIN]]
        for word in words_in(text):
            # A longer one is unknown, and not worth keeping: callers decide how long it is.
            found.extend(self._pieces(word) if len(word) <= LONGEST_WORD else [self._numbers[UNKNOWN]])
            if len(found) >= self._longest:
                break
        return [*found[: self._longest - 1], self._numbers[END]]

    def _cut(self, word: str) -> list[int]:
        """Return the longest piece that the word begins with, then that of the rest, and so on."""
        found: list[int] = []
        begin, rest = 0, len(word)
        while begin < len(word):
            piece = ("##" if begin else "") + word[begin:rest]
            if rest == begin:
                return [self._numbers[UNKNOWN]]
            if (number := self._numbers.get(piece)) is None:
                rest -= 1
                continue
            found.append(number)
            begin, rest = rest, len(word)
        return found


def read_vocabulary(path: Path) -> dict[str, int]:
    """Return the pieces in the file, one a line, with their numbers."""
    return {
        piece: number for number, piece in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    }


def words_in(text: str) -> Iterator[str]:
    """Yield the words, in lower case and without accents; a punctuation mark and an ideograph are each a word."""
    word = ""
    for character in plain(text):
        alone = is_punctuation(character) or is_ideograph(character)
        if word and (alone or character == " "):
            yield word
            word = ""
        if alone:
            yield character
        elif character != " ":
            word += character
    if word:
        yield word


def plain(text: str) -> str:
    """Return the text without control characters and accents, in lower case, with spaces as its only white space."""
    cleaned = "".join(" " if character.isspace() else character for character in text if not is_control(character))
    letters = (one for one in unicodedata.normalize("NFD", cleaned) if unicodedata.category(one) != "Mn")
    return "".join(letter.lower() for letter in letters)  # each by itself: Greek has a sigma for the ends of words


def is_control(character: str) -> bool:
    """Tell whether BERT drops the character: all that Unicode calls other, but for white space, and its stand-in."""
    return character == "\ufffd" or (character not in "\t\n\r" and unicodedata.category(character) in DROPPED)


def is_punctuation(character: str) -> bool:
    """Tell whether the character is a word by itself."""
    return character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"


def is_ideograph(character: str) -> bool:
    """Tell whether the character is Chinese, and with it Japanese or Korean."""
    return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)
