"""``python -m greenband``."""

from __future__ import annotations

from greenband.cli import main

if __name__ == "__main__":
    main()
