"""Bodies as text, in the charsets that the world uses; Python knows more, and some of those are traps."""

import encodings
import pkgutil
from encodings.aliases import aliases
from functools import lru_cache

from serving.errors import BadRequest, UnsupportedMediaType

# Python's own inventions. Two take the square of a body's length, others turn bytes into bytes, or text into code.
NO_CHARSETS = {
    *("aliases", "charmap", "idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"),
    *("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"),
}
CHARSETS = frozenset(module.name for module in pkgutil.iter_modules(encodings.__path__)) - NO_CHARSETS


def text_from(body: bytes, charset: str) -> str:
    """Return the body as text, without a byte order mark."""
    if not is_charset(charset):
        raise UnsupportedMediaType(f"Unknown charset {charset!r:.50}; send utf-8.")
    try:
        return body.decode(charset).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not {charset}: byte {error.start} cannot be decoded.") from None


@lru_cache(maxsize=256)
def is_charset(name: str) -> bool:
    """Tell whether this is the name of a charset. Python itself remembers every name that it was ever asked for."""
    if not name.isascii() or not name.isprintable():
        return False
    normal = encodings.normalize_encoding(name).lower()
    return aliases.get(normal, normal) in CHARSETS
