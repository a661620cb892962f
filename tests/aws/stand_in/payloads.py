"""The objects of a transform job: found, cut into requests, and put together again."""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def split(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of `s3://BUCKET/KEY`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def objects_below(s3: Any, bucket: str, prefix: str) -> list[str]:
    """Return the keys that begin with the prefix, folders aside."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [about["Key"] for page in pages for about in page.get("Contents", []) if not about["Key"].endswith("/")]


def output_key(key: str, prefix: str) -> str:
    """Return where the answer lies below the output: the way below the prefix's folder, and `.out`."""
    is_folder = prefix.endswith("/") or key.startswith(f"{prefix}/")
    folder = prefix if is_folder else prefix.rpartition("/")[0]
    return f"{key.removeprefix(folder).lstrip('/')}.out"


def payloads(content: bytes, about: Mapping[str, Any], strategy: str, limit: int) -> Iterator[bytes]:
    """Yield the requests' bodies; a *limit* of 0 bytes is none."""
    if about.get("CompressionType", "None") == "Gzip":
        content = gzip.decompress(content)
    if about.get("SplitType", "None") == "None":
        yield content
        return
    lines = content.splitlines(keepends=True)
    yield from lines if strategy == "SingleRecord" else batches(lines, limit)


def batches(lines: list[bytes], limit: int) -> Iterator[bytes]:
    """Yield as many lines at once as fit into the limit."""
    batch = b""
    for line in lines:
        if batch and limit and len(batch) + len(line) > limit:
            yield batch
            batch = b""
        batch += line
    if batch:
        yield batch


def assembled(answers: Iterable[bytes], how: str) -> bytes:
    """Return the output; with Line, each answer is ended by one."""
    return b"".join(answer + (b"\n" if how == "Line" else b"") for answer in answers)
