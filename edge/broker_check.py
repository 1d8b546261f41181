"""Whether a broker lets in who comes without name and password: asked before anything is begun."""

from __future__ import annotations

import aiomqtt

from edge.errors import BrokerError

TIMEOUT_S = 3.0


async def check_broker(host: str, port: int) -> None:
    """Connect to the broker and leave again; raises :class:`BrokerError` that says why not."""
    try:
        async with aiomqtt.Client(host, port, timeout=TIMEOUT_S):
            pass
    except aiomqtt.MqttCodeError as error:
        reason = str(error).rpartition("] ")[2].lower()
        raise BrokerError(
            f"the broker at {host}:{port} refuses whoever comes without name and password "
            f"({reason}): have it let in anonymous clients"
        ) from None
    except (aiomqtt.MqttError, OSError) as error:
        reason = str(error).rpartition("] ")[2].lower()
        raise BrokerError(f"no broker answers at {host}:{port} ({reason}): start one") from None
