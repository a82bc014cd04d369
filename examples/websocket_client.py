#!/usr/bin/env python3
"""Live status of one job, or of all, over the WebSocket.

TOKEN=… examples/websocket_client.py API_URL [JOB_ID]

Needs the `websockets` package (pip install websockets). Connects again with a new ticket and goes on after the last
event it has seen. Without a job it hears of every job of the token's owner.
"""

import asyncio
import json
import os
import sys
import urllib.request

import websockets

API, JOB = sys.argv[1].rstrip("/"), (sys.argv[2] if len(sys.argv) > 2 else None)
TOKEN = os.environ["TOKEN"]


def ticket():
    request = urllib.request.Request(f"{API}/v1/realtime/ticket", method="POST", data=b"{}")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=35) as answer:
        return json.load(answer)["url"]


def unpacked(message):
    return message["messages"] if message["type"] == "batch" else [message]


async def ping(socket):
    # Also keeps a watched job reporting every 2 seconds.
    while True:
        await asyncio.sleep(30)
        await socket.send(json.dumps({"action": "ping"}))


async def listen(after):
    """Prints what comes; returns whether the job has ended, and the last event's number."""
    async with websockets.connect(await asyncio.to_thread(ticket)) as socket:
        ask = {"action": "subscribe", "job_id": JOB, "after": after} if JOB else {"action": "subscribe", "all": True}
        await socket.send(json.dumps(ask))
        pinging = asyncio.create_task(ping(socket))
        held = {}
        try:
            async for text in socket:
                for message in unpacked(json.loads(text)):
                    seq = message.get("seq") if "event" in message and JOB else None
                    if seq is None:
                        show(message)
                        continue
                    # An event may come twice or early: apply each once, in order.
                    if seq > after:
                        held[seq] = message
                    while after + 1 in held:
                        after += 1
                        show(held[after])
                        if held.pop(after)["type"] == "completion":
                            return True, after
        except websockets.ConnectionClosed:
            pass
        finally:
            pinging.cancel()
    return False, after


def show(message):
    kind = message["type"]
    if kind == "log":
        print(message["text"] if message["text"] is not None else "(bytes)", end="", flush=True)
    elif kind == "progress":
        print(f"{message['fraction']:.0%} {message['text']}")
    elif "event" in message:
        print(message["job_id"], f"#{message['seq']}", message["event"]["type"], message["status"])
    elif kind in ("error", "gap"):
        print(json.dumps(message))


async def main():
    after, pause = 0, 1
    while True:
        try:
            ended, after = await listen(after)
            pause = 1
            if ended:
                return
        except OSError as error:
            print(f"{error}; connecting again in {pause} s", file=sys.stderr)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 60)


if __name__ == "__main__":
    asyncio.run(main())
