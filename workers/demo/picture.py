"""A picture of a finished demo, for the README."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from publisher.errors import SettingsError
from workers.demo.board import Journey
from workers.demo.farewell import addresses, print_addresses, print_result
from workers.demo.report import Report

_WIDTH = 92
# The fonts would be fetched from another host.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def save_picture(path: Path, journeys: Sequence[Journey], result: Report, *, url: str) -> None:
    """Write the last screen as SVG.

    Raises:
        SettingsError: when the file cannot be written.
    """
    console = Console(
        record=True,
        width=_WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    console.print(Text("$ make demo", style="bold"))
    console.print()
    print_result(console, journeys, result)
    print_addresses(console, addresses(url))
    picture = _FONTS.sub("", console.export_svg(title="publisher demo"))
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--svg: {path} cannot be written ({error.strerror})") from error
