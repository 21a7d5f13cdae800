"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option(help="The data folder of a running `up` or `demo`.", show_default=".publisher")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
