"""A WebSocket server that is not ours (python3-websockets), for one test: prints its port, serves
until its input ends. What it does with a connection is the path's:
  /echo           sends each message back
  /burst/N        sends the texts 0 to N-1, then closes with 4001 "done"
  /big/N          sends one text of N letters
  /ping           sends a ping and, once it is answered, the text "ponged"
  /cut            aborts the TCP connection behind one text
  /refuse         answers the handshake with 429 and Retry-After: 7
  /once/N         as /burst/N the first time, then as /refuse with Retry-After: 600
usage: websocket_server.py CERTIFICATE KEY   (none: plain)"""
import asyncio
import http
import logging
import ssl
import sys

import websockets


async def serve(socket, path=None):
    path = path or socket.path
    kind, _, number = path.strip("/").partition("/")
    if kind in ("burst", "once"):
        for i in range(int(number)):
            await socket.send(str(i))
        await socket.close(4001, "done")
    elif kind == "big":
        await socket.send("a" * int(number))
        await socket.wait_closed()
    elif kind == "ping":
        await (await socket.ping(b"are you there"))
        await socket.send("ponged")
        await socket.wait_closed()
    elif kind == "cut":
        await socket.send("last words")
        await asyncio.sleep(0)
        socket.transport.abort()
    else:
        async for message in socket:
            await socket.send(message)


served_once = set()


async def refuse(path, headers):
    is_over = path in served_once
    if path.startswith("/once/"):
        served_once.add(path)
    if path == "/refuse" or is_over:
        wait = "600" if is_over else "7"
        return http.HTTPStatus.TOO_MANY_REQUESTS, [("Retry-After", wait)], b"too many requests\n"
    return None


async def main():
    logging.disable()  # how connections end is the test's business
    context = None
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await websockets.serve(
        serve, "127.0.0.1", 0, ssl=context, process_request=refuse, max_size=None,
        compression="deflate", ping_interval=None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
