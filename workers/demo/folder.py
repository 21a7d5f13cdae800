"""Where a demo keeps its data: the folder that was named, or a fresh one inside it that goes again."""

import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from publisher.errors import SettingsError
from publisher.settings import PREFIX
from workers.embedded.folder import make_private

_PREFIX = "once-"
_LEFT_BEHIND_S = 3600.0


def demo_folder(data: Path, *, fresh: bool, held: ExitStack) -> Path:
    """Return the data folder of this run.

    Args:
        fresh: use a new one inside `data`, whose own contents nobody touches; it goes when `held` ends.

    Raises:
        SettingsError: when it cannot be made.
    """
    data = data.absolute()
    try:
        make_private(data)
        if not fresh:
            return data
        _remove_left_behind(data)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=data))
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATA: {data} cannot be used ({error.strerror})") from error
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_left_behind(data: Path) -> None:
    # By demos that were killed; none runs for so long.
    for folder in data.glob(f"{_PREFIX}*"):
        if not folder.is_symlink() and time.time() - os.stat(folder).st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(folder, ignore_errors=True)
