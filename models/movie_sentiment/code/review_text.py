"""A review as the words that are counted, for training and for answering alike."""

import re

LINE_BREAKS = re.compile(r"<br\s*/?>")
APOSTROPHES = re.compile("['’`]")  # so that "don't" is one word, dont, and no don and t
PUNCTUATION = re.compile(r"[^\w\s]|_")


def clean(review: str) -> str:
    """Return *review* in lower case, with spaces for line breaks of HTML and for punctuation."""
    words = APOSTROPHES.sub("", LINE_BREAKS.sub(" ", review.lower()))
    return PUNCTUATION.sub(" ", words)
