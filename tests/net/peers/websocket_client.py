"""A WebSocket client that is not ours (python3-websockets): sends its arguments behind the first two
as texts, prints what comes back, a line each (of a long one its size and its letters), then the close
code.
usage: websocket_client.py URL CA-FILE TEXT..."""
import asyncio
import ssl
import sys

import websockets


async def main():
    url, ca_file, *texts = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("wss") else None
    async with websockets.connect(url, ssl=context, compression="deflate") as socket:
        for text in texts:
            await socket.send(text)
            reply = await socket.recv()
            print(reply if len(reply) < 100 else f"{len(reply)} of {set(reply[1:-1])}", flush=True)
        await (await socket.ping())
        await socket.close(4321, "enough")
    print(socket.close_code, flush=True)


asyncio.run(main())
