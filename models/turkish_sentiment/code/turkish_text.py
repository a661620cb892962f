"""Turkish text in one spelling, for training and for answering alike."""

import re
import unicodedata

MARKS = re.compile(r"[\u0300-\u036f]")  # what is left of ş, ğ, ç, ö, ü, â and İ beside their letters


def fold(text: str) -> str:
    """
    Return *text* in lower case without accents and dots, as many type it: `ÜRÜNÜN İYİSİ` is `urunun iyisi`.

    Python's own lower case knows no Turkish: of `I` it makes `i` for `ı`, and of `İ` two characters.
    """
    marked = unicodedata.normalize("NFKD", text)
    return MARKS.sub("", marked).replace("ı", "i").lower()
