"""Take the picture of a report that the README shows: ``python docs/picture.py REPORT_FOLDER``.

Needs playwright and a Chromium, as the tests of the page do.
"""

import argparse
import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "assets" / "report.png"
SIZE = {"width": 1100, "height": 1150}
COLOURS = 128
"""A page of text and flat shapes loses nothing that is seen by so few, and its file is a third as large."""


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, help="folder that an audit wrote")
    page = (parser.parse_args().report / "index.html").resolve()
    chromium = os.environ.get("BEZOAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        shown = browser.new_page(viewport=SIZE, color_scheme="light")
        shown.goto(page.as_uri())
        taken = shown.screenshot()
        browser.close()
    PICTURE.parent.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(taken)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
