"""The pictures of the page in docs/api.md.

With `make page` in another terminal:
PYTHONPATH=tests:tests/api python tests/api/screenshots.py http://localhost:8000 docs/pictures
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from browser import Browser

from server import until

NICE = "What a wonderful film. The story is beautiful, and I loved every minute of it!"
NASTY = "Don't waste your time: the plot is boring and stupid, and the acting is not good."
STATE = "return document.getElementById('result').dataset.state"
PICTURES = (("page-light", "light", 720, 680, NICE), ("page-dark-narrow", "dark", 320, 800, NASTY))


def main(url: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, closing(Browser(Path(profile))) as browser:
        for name, scheme, width, height, review in PICTURES:
            browser.set_colours(scheme)
            browser.set_width(width, height)
            browser.go(url)
            browser.write("#review", review)
            browser.click("#send")
            until(lambda: browser.run(STATE) in {"positive", "negative"}, "an answer")
            browser.run("scrollTo(0, 0)")
            browser.screenshot(folder / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
