"""Build the Cython kernels; everything else about the package is in ``pyproject.toml``.

``GREENBAND_NO_EXT=1`` skips them (the NumPy references then serve), and
``GREENBAND_DEBUG_KERNELS=1`` builds them with bounds checks. A build that fails stops the
installation: nobody should find out at the roadside that the slow path is running.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

KERNEL_ROOMS = ("optimizer",)
ROOT = Path(__file__).resolve().parent
OPTIMISE = ["/O2"] if sys.platform == "win32" else ["-O3", "-fno-math-errno", "-fno-trapping-math"]


def kernels() -> list[Extension]:
    """One extension per ``.pyx`` file of the rooms that hold kernels."""
    if os.environ.get("GREENBAND_NO_EXT") == "1":
        return []
    from Cython.Build import cythonize

    checked = os.environ.get("GREENBAND_DEBUG_KERNELS") == "1"
    sources = [
        path.relative_to(ROOT) for room in KERNEL_ROOMS for path in ROOT.glob(f"{room}/**/*.pyx")
    ]
    extensions = [
        Extension(
            ".".join(source.with_suffix("").parts),
            [source.as_posix()],
            extra_compile_args=OPTIMISE,
        )
        for source in sorted(sources)
    ]
    directives = {
        "language_level": 3,
        "boundscheck": checked,
        "initializedcheck": checked,
        "wraparound": False,
        "cdivision": True,
    }
    # A changed directive does not change a source's date, so a checked build always starts anew.
    return list(cythonize(extensions, compiler_directives=directives, force=checked))


setup(ext_modules=kernels())
