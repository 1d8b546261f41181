"""The key of a site: what its uploads are signed with."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from firmware_bridge.errors import SetupError
from firmware_bridge.upload import KEY_BYTES_MIN

KEY_BYTES = 32


def read_key(path: Path) -> bytes:
    """The key in *path*, a line of hexadecimal digits; raises :class:`SetupError`."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SetupError(f"key file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not re.fullmatch(r"([0-9a-fA-F]{2})+", text):
        raise SetupError(
            f"key file {path} is not a line of hexadecimal digits: "
            f"make one with 'openssl rand -hex {KEY_BYTES} > {path}'"
        )
    key = bytes.fromhex(text)
    if len(key) < KEY_BYTES_MIN:
        raise SetupError(f"key file {path} has {len(key)} bytes, {KEY_BYTES_MIN} is the least")
    return key


def new_key() -> bytes:
    """A key that nobody can guess."""
    return secrets.token_bytes(KEY_BYTES)
