#!/usr/bin/env python3
"""Writes the streams of the well-known WebSocket case list, as Debian's python3-autobahn encodes them.

  websocket_conformance.py [FULL]   FULL: section 9 at its full sizes, not at a sixteenth

Case numbers and what they are about are Autobahn's: 301 cases without compression (sections 1 to 7,
9, 10) and 24 of sections 12 and 13. What must come out stands here, beside what goes in; python3-wsproto
decodes each stream, too, and has to agree. Output, per case and role of the sender:

  case <id> <client|server> <chop> <deflate> <expected> <bytes>\n<the stream>

chop: octets that the case sends at a time, 0 for all. deflate: - or four numbers, as in WebSocketDeflate.
expected: events joined by ';', each "text:<length>:<crc32>", ..., "close:<code>", or at the end
"fail:<close code>" for the code that the answer must have. Exit status 77: a package is missing.
"""
import random
import sys
import types
import zlib

try:
    from autobahn.websocket.compress_deflate import PerMessageDeflate
    from autobahn.websocket.protocol import TrafficStats, WebSocketProtocol
    from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
    from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed
except ImportError as missing:
    print(f"{missing.name} is not installed: apt-get install python3-autobahn python3-wsproto", file=sys.stderr)
    sys.exit(77)

SCALE = 1 if len(sys.argv) > 1 else 16
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}


class Peer(WebSocketProtocol):
    """Autobahn's encoder, without its connection."""

    def __init__(self, is_server):
        self.factory = types.SimpleNamespace(isServer=is_server)
        self.maskClientFrames, self.maskServerFrames, self.applyMask = True, False, True
        self.trafficStats, self.logFrames = TrafficStats(), False
        self.out = bytearray()

    def sendData(self, data, sync=False, chopsize=None):
        self.out += data


def event(kind, payload):
    return f"{kind}:{len(payload)}:{zlib.crc32(payload):08x}"


def close_payload(code, reason=b""):
    return code.to_bytes(2, "big") + reason


class Case:
    """What is sent, as (opcode, payload, fin, rsv), and what has to come of it."""

    def __init__(self, number, chop=0, deflate=None):
        self.number, self.chop, self.deflate = number, chop, deflate
        self.frames, self.expected = [], []

    def send(self, opcode, payload=b"", fin=True, rsv=0):
        self.frames.append((opcode, payload, fin, rsv))
        return self

    def expect(self, opcode, payload=b""):
        self.expected.append(event(NAMES[opcode], payload))
        return self

    def both(self, opcode, payload=b""):
        return self.send(opcode, payload).expect(opcode, payload)

    def pieces(self, opcode, payload, size):
        """One message in fragments of `size`; the last may be empty only if all is."""
        cut = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
        for i, piece in enumerate(cut):
            self.send(opcode if i == 0 else CONT, piece, i == len(cut) - 1)
        return self.expect(opcode, payload)

    def close(self, code=1000):
        """The driver's own close, behind what a case is about."""
        self.send(CLOSE, close_payload(code))
        self.expected.append(f"close:{code}")
        return self

    def fail(self, code=1002):
        self.expected.append(f"fail:{code}")
        return self


def sections_1_to_5():
    for section, opcode, filler in (("1.1", TEXT, b"*"), ("1.2", BINARY, b"\xfe")):
        for i, (size, chop) in enumerate([(0, 0), (125, 0), (126, 0), (127, 0), (128, 0), (65535, 0), (65536, 0),
                                          (65536, 997)]):
            yield Case(f"{section}.{i + 1}", chop).both(opcode, filler * size).close()
    hello = b"Hello, world!"
    yield Case("2.1").both(PING).close()
    yield Case("2.2").both(PING, hello).close()
    yield Case("2.3").both(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff").close()
    yield Case("2.4").both(PING, b"\xfe" * 125).close()
    yield Case("2.5").send(PING, b"\xfe" * 126).fail()
    yield Case("2.6", 1).both(PING, b"\xfe" * 125).close()
    yield Case("2.7").both(PONG).close()
    yield Case("2.8").both(PONG, b"unsolicited pong payload").close()
    yield Case("2.9").both(PONG, b"unsolicited pong payload").both(PING, b"ping payload").close()
    for number, chop in (("2.10", 0), ("2.11", 1)):
        case = Case(number, chop)
        for i in range(10):
            case.both(PING, b"payload-%d" % i)
        yield case.close()
    yield Case("3.1").send(TEXT, hello, rsv=1).fail()
    for number, rsv, chop in (("3.2", 2, 0), ("3.3", 3, 0), ("3.4", 4, 1)):
        yield Case(number, chop).both(TEXT, hello).send(TEXT, hello, rsv=rsv).send(PING).fail()
    yield Case("3.5").send(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5).fail()
    yield Case("3.6").send(PING, hello, rsv=6).fail()
    yield Case("3.7").send(CLOSE, close_payload(1000), rsv=7).fail()
    for section, first in (("4.1", 3), ("4.2", 11)):
        yield Case(f"{section}.1").send(first).fail()
        yield Case(f"{section}.2").send(first + 1, b"reserved opcode payload").fail()
        for i, chop in ((2, 0), (3, 0), (4, 1)):
            yield Case(f"{section}.{i + 1}", chop).both(TEXT, hello).send(
                first + i, b"" if i == 2 else b"reserved opcode payload").send(PING).fail()
    one, two = b"fragment1", b"fragment2"
    yield Case("5.1").send(PING, one, False).send(CONT, two).fail()
    yield Case("5.2").send(PONG, one, False).send(CONT, two).fail()
    for number, chop in (("5.3", 0), ("5.4", 11), ("5.5", 1)):
        yield Case(number, chop).send(TEXT, one, False).send(CONT, two).expect(TEXT, one + two).close()
    for number, chop in (("5.6", 0), ("5.7", 11), ("5.8", 1)):
        yield Case(number, chop).send(TEXT, one, False).both(PING, b"ping payload").send(CONT, two).expect(
            TEXT, one + two).close()
    for first, fin in ((9, True), (12, False)):
        for i, chop in enumerate((0, 11, 1)):
            yield Case(f"5.{first + i}", chop).send(CONT, b"non-continuation payload", fin).send(TEXT, hello).fail()
    yield Case("5.15").send(TEXT, one, False).send(CONT, two).expect(TEXT, one + two).send(CONT, b"x", False).send(
        TEXT, hello).fail()
    for number, fin in (("5.16", False), ("5.17", True)):
        case = Case(number)
        for _ in range(2):
            case.send(CONT, one, fin).send(TEXT, one, False).send(CONT, two)
        yield case.fail()
    yield Case("5.18").send(TEXT, one, False).send(TEXT, two).fail()
    for number, chop in (("5.19", 0), ("5.20", 11)):
        parts = [b"fragment%d" % i for i in range(1, 6)]
        case = Case(number, chop).send(TEXT, parts[0], False).send(CONT, parts[1], False).both(PING, b"pongme 1")
        case.send(CONT, parts[2], False).send(CONT, parts[3], False).both(PING, b"pongme 2").send(CONT, parts[4])
        yield case.expect(TEXT, b"".join(parts)).close()


def h(text):
    return bytes.fromhex(text)


KOSME = h("cebae1bdb9cf83cebcceb5")  # with U+1F79
# Sections 6.5 to 6.23 are Markus Kuhn's UTF-8 test, one text message a sequence
# (https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt), by section: sequences, and whether they are valid.
SEQUENCES = [
    (5, [s.encode() for s in ("hello$world", "hello¢world", "hello€world", "hello𤭢world")] + [KOSME], True),
    (6, [KOSME[:i] for i in range(1, 12)], [i in (2, 5, 7, 9, 11) for i in range(1, 12)]),
    (7, [h("00"), h("c280"), h("e0a080"), h("f0908080")], True),
    (8, [h("f888808080"), h("fc8480808080")], False),
    (9, [h("7f"), h("dfbf"), h("efbfbf"), h("f48fbfbf")], True),
    (10, [h("f7bfbfbf"), h("fbbfbfbfbf"), h("fdbfbfbfbfbf")], False),
    (11, [h("ed9fbf"), h("ee8080"), h("efbfbd"), h("f48fbfbf"), h("f4908080")], [True] * 4 + [False]),
    (12, [h("80"), h("bf"), h("80bf"), h("80bf80"), h("80bf80bf"), h("80bf80bf80"), h("80bf80bf80bf"),
          bytes(range(0x80, 0xc0))], False),
    (13, [b"".join(bytes([b, 0x20]) for b in r) for r in (range(0xc0, 0xe0), range(0xe0, 0xf0), range(0xf0, 0xf8),
                                                          range(0xf8, 0xfc), range(0xfc, 0xfe))], False),
    (14, [h("c0"), h("e080"), h("f08080"), h("f8808080"), h("fc80808080"), h("df"), h("efbf"), h("f7bfbf"),
          h("fbbfbfbf"), h("fdbfbfbfbf")], False),
    (15, [h("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf")], False),
    (16, [h("fe"), h("ff"), h("fefeffff")], False),
    (17, [h("c0af"), h("e080af"), h("f08080af"), h("f8808080af"), h("fc80808080af")], False),
    (18, [h("c1bf"), h("e09fbf"), h("f08fbfbf"), h("f887bfbfbf"), h("fc83bfbfbfbf")], False),
    (19, [h("c080"), h("e08080"), h("f0808080"), h("f880808080"), h("fc8080808080")], False),
    (20, [h("eda080"), h("edadbf"), h("edae80"), h("edafbf"), h("edb080"), h("edbe80"), h("edbfbf")], False),
    (21, [h(a + b) for a in ("eda080", "edadbf", "edae80", "edafbf") for b in ("edb080", "edbfbf")], False),
    (22, [chr(plane << 16 | low).encode() for plane in range(17) for low in (0xfffe, 0xffff)], True),
    (23, [chr(c).encode() for c in range(0xfff9, 0x10000)], True),
]


def section_6():
    yield Case("6.1.1").both(TEXT).close()
    yield Case("6.1.2").send(TEXT, b"", False).send(CONT, b"", False).send(CONT).expect(TEXT).close()
    yield Case("6.1.3").send(TEXT, b"", False).send(CONT, b"middle frame payload", False).send(CONT).expect(
        TEXT, b"middle frame payload").close()
    text = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield Case("6.2.1").both(TEXT, text).close()
    yield Case("6.2.2").pieces(TEXT, text, 12).close()
    yield Case("6.2.3").pieces(TEXT, text, 1).close()
    yield Case("6.2.4").pieces(TEXT, KOSME, 1).close()
    bad = KOSME + h("eda080") + b"edited"
    yield Case("6.3.1").send(TEXT, bad).fail(1007)
    case = Case("6.3.2").pieces(TEXT, bad, 1)
    case.expected = []
    yield case.fail(1007)
    # 6.4: what no continuation could make valid fails before the message's end comes.
    yield Case("6.4.1").send(TEXT, KOSME, False).send(CONT, h("f4908080"), False).fail(1007)
    yield Case("6.4.2").send(TEXT, KOSME + h("f4"), False).send(CONT, h("90"), False).fail(1007)
    yield Case("6.4.3", 4).send(TEXT, KOSME + h("f4908080") + b"edited").fail(1007)
    yield Case("6.4.4", 1).send(TEXT, KOSME + h("f4908080") + b"edited").fail(1007)
    for section, sequences, valid in SEQUENCES:
        for i, sequence in enumerate(sequences):
            case = Case(f"6.{section}.{i + 1}")
            if valid[i] if isinstance(valid, list) else valid:
                yield case.both(TEXT, sequence).close()
            else:
                yield case.send(TEXT, sequence).fail(1007)


def section_7():
    hello = b"Hello World!"
    yield Case("7.1.1").both(TEXT, hello).close()
    yield Case("7.1.2").close().send(CLOSE, close_payload(1000))
    yield Case("7.1.3").close().send(PING, b"late")
    yield Case("7.1.4").close().send(TEXT, hello)
    yield Case("7.1.5").send(TEXT, b"fragment1", False).close().send(CONT, b"fragment2")
    yield Case("7.1.6").both(TEXT, b"BAsd7&jh23" * 26214).both(TEXT, hello).close().send(PING, b"late")
    empty = Case("7.3.1").send(CLOSE)
    empty.expected.append("close:1005")
    yield empty
    yield Case("7.3.2").send(CLOSE, b"a").fail()
    for number, reason in (("7.3.3", b""), ("7.3.4", hello), ("7.3.5", b"*" * 123)):
        case = Case(number).send(CLOSE, close_payload(1000, reason))
        case.expected.append("close:1000")
        yield case
    yield Case("7.3.6").send(CLOSE, close_payload(1000, b"*" * 124)).fail()
    yield Case("7.5.1").send(CLOSE, close_payload(1000, KOSME + h("eda080") + b"edited")).fail(1007)
    for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)):
        yield Case(f"7.7.{i + 1}").close(code)
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)):
        yield Case(f"7.9.{i + 1}").send(CLOSE, close_payload(code)).fail()
    # The list leaves these open; RFC 6455 section 7.4.2 defines no such codes, and perp refuses them.
    for i, code in enumerate((5000, 65535)):
        yield Case(f"7.13.{i + 1}").send(CLOSE, close_payload(code)).fail()


def sections_9_and_10():
    mib = 1 << 20
    for group, opcode, filler in ((0, TEXT, b"*"), (1, BINARY, b"\xfe")):
        for i, size in enumerate((mib // 16, mib // 4, mib, 4 * mib, 8 * mib, 16 * mib)):
            yield Case(f"9.{1 + group}.{i + 1}").both(opcode, filler * (size // SCALE)).close()
        for i in range(9):
            yield Case(f"9.{3 + group}.{i + 1}").pieces(opcode, filler * (4 * mib // SCALE), 64 << (2 * i)).close()
        for i in range(6):
            yield Case(f"9.{5 + group}.{i + 1}", 64 << i).both(opcode, filler * (mib // SCALE)).close()
        for i, size in enumerate((0, 16, 64, 256, 1024, 4096)):
            case = Case(f"9.{7 + group}.{i + 1}")
            for _ in range(1000 // SCALE):
                case.both(opcode, filler * size)
            yield case.close()
    yield Case("10.1.1").pieces(TEXT, b"*" * 65536, 1300).close()


def deflate_cases():
    """Settings of section 13 at sizes of section 12: (client, server) forgets its context, (client, server) bits."""
    words = ["price", "quantity", "BTCUSDT", "µ", "€", "\"e\":", "0.0001", "trade", ","]
    for i, deflate in enumerate([(0, 0, 15, 15), (1, 1, 15, 15), (0, 0, 9, 9), (1, 1, 9, 9), (0, 1, 15, 10),
                                 (1, 0, 12, 15)]):
        for j, (size, fragment) in enumerate(((16, 0), (1024, 0), (8192, 256), (131072, 4096))):
            case = Case(f"12.{i + 1}.{j + 1}", deflate=deflate)
            source = random.Random(100 * i + j)
            for _ in range(6):
                text = "".join(source.choices(words, k=size // 4)).encode()
                case.frames.append(("compressed", text, fragment, 0))
                case.expect(TEXT, text)
            yield case.close()


def send_compressed(peer, codec, payload, size):
    codec.start_compress_message()
    data = codec.compress_message_data(payload) + codec.end_compress_message()
    cut = [data[i:i + size] for i in range(0, len(data), size)] if size else [data]
    for i, piece in enumerate(cut):
        peer.sendFrame(TEXT if i == 0 else CONT, piece, i == len(cut) - 1, 4 if i == 0 else 0)


def encode(case, is_server):
    random.seed(case.number + str(is_server))
    peer = Peer(is_server)
    codec = None
    if case.deflate:
        client_forgets, server_forgets, client_bits, server_bits = case.deflate
        codec = PerMessageDeflate(is_server, bool(server_forgets), bool(client_forgets), server_bits, client_bits, 8)
    for opcode, payload, fin, rsv in case.frames:
        if opcode == "compressed":
            send_compressed(peer, codec, payload, fin)
        else:
            peer.sendFrame(opcode, payload, fin, rsv)
    return bytes(peer.out)


def wsproto_verdict(case, is_server, stream):
    """What python3-wsproto makes of the stream, in our words."""
    extensions = []
    if case.deflate:
        client_forgets, server_forgets, client_bits, server_bits = case.deflate
        codec = WsprotoDeflate(bool(client_forgets), client_bits, bool(server_forgets), server_bits)
        codec._enabled = True
        extensions.append(codec)
    decoder = FrameProtocol(client=is_server, extensions=extensions)
    events, message, kind = [], b"", None
    try:
        decoder.receive_bytes(stream)
        for frame in decoder.received_frames():
            payload = frame.payload.encode() if isinstance(frame.payload, str) else bytes(frame.payload or b"") \
                if frame.opcode is not Opcode.CLOSE else b""
            if frame.opcode is Opcode.CLOSE:
                events.append(f"close:{int(frame.payload[0])}")
                break
            if frame.opcode in (Opcode.PING, Opcode.PONG):
                events.append(event(NAMES[int(frame.opcode)], payload))
                continue
            if kind is None:
                kind = NAMES[int(frame.opcode)]
            message += payload
            if frame.message_finished:
                events.append(event(kind, message))
                message, kind = b"", None
    except ParseFailed as failed:
        events.append(f"fail:{int(failed.code)}")
    return events


def main():
    cases = [*sections_1_to_5(), *section_6(), *section_7(), *sections_9_and_10()]
    assert len(cases) == 301 and len({case.number for case in cases}) == 301, len(cases)
    compressed = list(deflate_cases())
    assert len(compressed) == 24
    disagreements = []
    for case in cases + compressed:
        for is_server in (False, True):
            stream = encode(case, is_server)
            expected = ";".join(case.expected)
            theirs = ";".join(wsproto_verdict(case, is_server, stream))
            if theirs != expected:
                disagreements.append(f"{case.number}: wsproto says {theirs[:200]}, the list {expected[:200]}")
            deflate = ",".join(map(str, case.deflate)) if case.deflate else "-"
            head = f"case {case.number} {'server' if is_server else 'client'} {case.chop} {deflate} {expected} " \
                   f"{len(stream)}\n"
            sys.stdout.buffer.write(head.encode() + stream)
    if disagreements:
        print("\n".join(disagreements), file=sys.stderr)
        sys.exit(1)


main()
