"""The names of the media types."""

from serving.media_types import CSV, JSON, NPY

__all__ = ["ANY", "CSV", "JSON", "NPY", "UTF8_TYPES"]

ANY = "*/*"
UTF8_TYPES = [JSON, CSV]
