"""Sends a message through one node of the bus and takes it from another.

pass_message.py CA_PATH SENDER RECEIVER, with the password of the control plane on standard input.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import aiormq


async def pass_message(ca_path: str, sender: str, receiver: str, password: str) -> None:
    def url(node: str) -> str:
        return f"amqps://control:{password}@{node}:5671/cloudd?cafile={ca_path}"

    queue, message = f"passed.{sender}.{receiver}", uuid.uuid4().bytes
    async with aiormq.Connection(url(sender)) as near, aiormq.Connection(url(receiver)) as far:
        channel, other = await near.channel(), await far.channel()
        await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        # Confirmed only when a majority of the nodes has it.
        await channel.basic_publish(message, routing_key=queue)
        taken = await other.basic_get(queue, no_ack=True)
        await channel.queue_delete(queue)
    if taken.body != message:
        sys.exit(f"{receiver} has not what {sender} was given, but {taken.body!r}")


asyncio.run(pass_message(*sys.argv[1:], sys.stdin.read().strip()))
