"""No message is larger than a megabyte, in either direction, and a larger one is never kept.

MQTT allows 256 MB, and a client that takes what it is sent takes that into its memory. MQTT 3.1.1
has no word for "no more than this", so the limit is where the bytes come in: of a message that is
too large only the head is kept, so that it can be named and acknowledged (or the broker would bring
it again with every connection), and the rest goes as it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiomqtt

MESSAGE_BYTES_MAX = 1_048_576
"""As ``message_size_limit`` in our mosquitto.conf."""
_HEAD_BYTES = 65_535 + 64
"""The longest topic, and what stands before it."""
_CHUNK_BYTES = 65_536

Refuse = Callable[[str, int], None]
"""Topic and size of a packet that was too large."""


def limit_incoming(client: aiomqtt.Client, refuse: Refuse) -> None:
    """Let *client* keep no packet above :data:`MESSAGE_BYTES_MAX`; *refuse* is told of each.

    Neither library offers that, hence the look inside; the tests send such packets.
    """
    paho: Any = client._client
    receive, deliver = paho._sock_recv, paho.on_message

    def size() -> int:
        return int(paho._in_packet["remaining_length"])

    def receive_some(most: int) -> bytes:
        if size() > MESSAGE_BYTES_MAX:
            del paho._in_packet["packet"][_HEAD_BYTES:]
        data: bytes = receive(min(most, _CHUNK_BYTES))
        return data

    def deliver_or_refuse(client: object, userdata: object, message: Any) -> None:  # noqa: ANN401
        if size() > MESSAGE_BYTES_MAX:
            refuse(message.topic, size())
        else:
            deliver(client, userdata, message)

    paho._sock_recv = receive_some
    paho.on_message = deliver_or_refuse
