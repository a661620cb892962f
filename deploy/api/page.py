"""The page, with the address of the API that it calls. It is files: any web server can have them."""

import re
from collections.abc import Mapping
from pathlib import Path

from deploy.errors import Refused

WEB = Path(__file__).with_name("web")
# The address stands once: in the policy, which the page reads as well. So it can reach nothing else.
ADDRESS = re.compile(r'(?<=content="connect-src )[^;]+(?=;)')
LOOKS = re.compile(r"https?://[a-z0-9.:-]+(/[A-Za-z0-9._~-]+)*")


def files_for(address: str) -> Mapping[str, bytes]:
    """Return the page's files by name; *address* is what the page posts to."""
    if not LOOKS.fullmatch(address):
        raise Refused(
            f"{address!r} is no address of an API: one such as "
            "https://abc123.execute-api.eu-west-1.amazonaws.com/demo was expected."
        )
    files = {path.name: path.read_bytes() for path in sorted(WEB.iterdir())}
    return {**files, "index.html": ADDRESS.sub(address, files["index.html"].decode(), count=1).encode()}


def write_page(address: str, folder: Path) -> list[Path]:
    """Write the page's files into *folder*, over older ones; return their paths."""
    files = files_for(address)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]
