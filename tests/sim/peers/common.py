"""What the scenarios of all venues share: a foreign client (python3-websockets, urllib), a raw one that
answers nothing by itself, and a book kept by brute force."""
import asyncio
import base64
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.request

import websockets

PATIENCE = 20  # seconds until what must happen counts as not happening


class Venue:
    def __init__(self, port, ca_file):
        self.port = port
        self.tls = ssl.create_default_context(cafile=ca_file)

    def socket(self, path, **options):
        return websockets.connect(f"wss://localhost:{self.port}{path}", ssl=self.tls, max_size=None,
                                  ping_interval=None, **options)

    def ask_often(self, target, is_enough, most):
        """Over one connection; -> status and body of each answer"""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=PATIENCE)
        answers = []
        while len(answers) < most and not (answers and is_enough(answers[-1])):
            connection.request("GET", target)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read().decode()))
        connection.close()
        return answers

    def ask(self, target, body=None, headers=None, method=None):
        """-> status, headers, body as text"""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{target}",
                                         data=None if body is None else body.encode(),
                                         headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    async def get(self, target, **options):
        """As ask(), while the sockets are read on; -> the JSON value of a good answer"""
        status, _, body = await asyncio.to_thread(self.ask, target, **options)
        check(status == 200, f"{target}: {status} {body[:200]}")
        return json.loads(body)


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


async def receive(connection):
    return await asyncio.wait_for(connection.recv(), PATIENCE)


async def until(connection, is_it):
    """The first JSON message that is_it() likes."""
    while True:
        text = await receive(connection)
        try:
            message = json.loads(text)
        except ValueError:
            continue
        if is_it(message):
            return message


async def closes(connection):
    """Reads until the peer ends it; -> the close code (1006: without a frame)"""
    try:
        while True:
            await receive(connection)
    except websockets.ConnectionClosed:
        return connection.close_code


async def refused(connecting):
    """-> the HTTP status of a refused handshake"""
    try:
        async with connecting:
            raise AssertionError("the handshake was not refused")
    except websockets.InvalidStatusCode as error:
        return error.status_code


class RawSocket:
    """A WebSocket that answers nothing."""

    def __init__(self, venue, path):
        plain = socket.create_connection(("127.0.0.1", venue.port), PATIENCE)
        self.stream = venue.tls.wrap_socket(plain, server_hostname="localhost")
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                             "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.stream.recv(4096)
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        check(head.startswith(b"HTTP/1.1 101"), head)

    def _take(self, size):
        while len(self.received) < size:
            piece = self.stream.recv(65536)
            if not piece:
                return None
            self.received += piece
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def frame(self):
        """-> opcode, payload; None at the end of the connection"""
        try:
            head = self._take(2)
            if head is None:
                return None
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            return head[0] & 15, self._take(size)
        except (ConnectionError, ssl.SSLError):
            return None


class Book:
    """Price text -> size text, by side; nothing clever."""

    def __init__(self, bids, asks):
        self.sides = {"b": {}, "a": {}}
        self.apply(bids, asks)

    def apply(self, bids, asks):
        for side, levels in (("b", bids), ("a", asks)):
            for price, size in levels:
                if float(size) == 0:
                    self.sides[side].pop(price, None)
                else:
                    self.sides[side][price] = size

    def top(self, count):
        bids = sorted(self.sides["b"].items(), key=lambda level: -float(level[0]))[:count]
        asks = sorted(self.sides["a"].items(), key=lambda level: float(level[0]))[:count]
        check(float(bids[0][0]) < float(asks[0][0]), f"a crossed book: {bids[0]} {asks[0]}")
        return bids, asks


def main(scenarios):
    """argv: scenario, port, file of the authority"""
    venue = Venue(int(sys.argv[2]), sys.argv[3])
    try:
        asyncio.run(asyncio.wait_for(scenarios[sys.argv[1]](venue), 6 * PATIENCE))
        print("passed", flush=True)
    except Exception as error:  # told to the test, which fails with it
        print(f"failed: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
