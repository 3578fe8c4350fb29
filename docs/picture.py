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
WIDTH, HEIGHT = 780, 1180
"""Pixels of each half of the picture: the verdict, and beside it the findings."""
MARGIN = 24
"""Pixels above the findings."""
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
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        shown.goto(page.as_uri())
        findings = shown.locator("#findings").bounding_box()
        taken = shown.screenshot(full_page=True)
        browser.close()
    if findings is None:
        sys.exit(f"{page}: shows no findings.")
    PICTURE.parent.mkdir(exist_ok=True)
    whole = Image.new("RGB", (2 * WIDTH, HEIGHT), "white")
    with Image.open(io.BytesIO(taken)) as image:
        for half, top in enumerate((0, round(findings["y"]) - MARGIN)):
            whole.paste(image.crop((0, top, WIDTH, min(top + HEIGHT, image.height))), (half * WIDTH, 0))
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
