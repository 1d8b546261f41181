"""What can go wrong between an edge and a cabinet.

::

    BridgeError
      LinkError            no way to the cabinet: refused, timed out, cut, garbage
      WrongDeviceError     something answers, but not the cabinet that was expected
      RefusedError         the cabinet answers and does not do what it was asked to
      SetupError           a certificate, key, port or folder that cannot be used

Every message is one sentence that names the cabinet or the file.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Base of all that the bridge raises on its own account."""


class LinkError(BridgeError):
    """The cabinet cannot be reached, or what comes back is no answer."""


class WrongDeviceError(BridgeError):
    """What answers is another device, another map version, or another site."""


class RefusedError(BridgeError):
    """The cabinet refused an order.

    ``code`` is its reason (:class:`~firmware_bridge.codes.Refusal`), 0 where it gave none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class SetupError(BridgeError):
    """Something on this side is missing or wrong: a key, a certificate, a port, a folder."""
