"""Hyperliquid's socket and /info, seen by a stranger. Source: hyperliquid.gitbook.io, API."""
import asyncio
import json

from common import check, closes, equal, main, receive, refused, until

JSON = {"Content-Type": "application/json"}


def frame(method, **subscription):
    return json.dumps({"method": method, "subscription": subscription})


def is_channel(channel):
    return lambda message: message.get("channel") == channel


async def info(venue, **body):
    return await venue.get("/info", body=json.dumps(body), headers=JSON)


async def streams(venue):
    equal(await refused(venue.socket("/elsewhere")), 404, "another path")
    async with venue.socket("/ws") as socket:
        await socket.send(frame("subscribe", type="l2Book", coin="BTC", fast=True))
        equal(json.loads(await receive(socket)),
              {"channel": "subscriptionResponse",
               "data": {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC", "nSigFigs": None,
                                                                "mantissa": None, "fast": True}}},
              "the acknowledgement, with defaults")
        times = []
        for _ in range(5):
            book = json.loads(await receive(socket))
            equal((book["channel"], [len(side) for side in book["data"]["levels"]]), ("l2Book", [5, 5]), "five levels")
            bids, asks = ([float(level["px"]) for level in side] for side in book["data"]["levels"])
            check(bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0], "a book")
            times.append(book["data"]["time"])
        equal(times, sorted(times), "time never goes back")
        for subscription in ({"type": "bbo"}, {"type": "activeAssetCtx"}, {"type": "candle", "interval": "1m"}):
            await socket.send(frame("subscribe", coin="BTC", **subscription))
            await until(socket, is_channel(subscription["type"]))
        await socket.send('{"method":"ping"}')
        await until(socket, is_channel("pong"))
        await socket.send(frame("unsubscribe", type="bbo", coin="BTC"))
        answer = await until(socket, lambda message: message.get("data", {}).get("method") == "unsubscribe"
                             if isinstance(message.get("data"), dict) else False)
        equal(answer["data"]["subscription"], {"type": "bbo", "coin": "BTC"}, "unsubscribed")


async def errors(venue):
    async with venue.socket("/ws") as socket:
        for bad in ("{", '{"method":"nothing"}', '{"method":"subscribe","subscription":{"type":"x","coin":"BTC"}}'):
            await socket.send(bad)
            equal(json.loads(await receive(socket)),
                  {"channel": "error", "data": "Error parsing JSON into valid websocket request: " + bad}, "nonsense")
        wanted = frame("subscribe", type="trades", coin="BTC")
        await socket.send(wanted)
        await until(socket, is_channel("subscriptionResponse"))
        await socket.send(wanted)
        again = await until(socket, is_channel("error"))
        check(again["data"].startswith("Already subscribed: {"), again)
        await socket.send(frame("unsubscribe", type="bbo", coin="BTC"))
        never = await until(socket, is_channel("error"))
        check(never["data"].startswith("Already unsubscribed: {"), never)
        # An unknown coin takes every subscription of the socket with it.
        await socket.send(frame("subscribe", type="trades", coin="btc"))
        equal(await closes(socket), 1006, "broken off")


def row_of(trade):
    return tuple(trade[key] for key in ("coin", "side", "px", "sz", "time", "hash", "tid")) + tuple(trade["users"])


async def trades(venue):
    async with venue.socket("/ws") as one, venue.socket("/ws") as two:
        await one.send(frame("subscribe", type="trades", coin="BTC"))
        first = (await until(one, is_channel("trades")))["data"]
        check(0 < len(first) <= 30, "the replay of the last trades")
        streamed = [row_of(trade) for trade in first]
        while len(streamed) < len(first) + 40:
            streamed += [row_of(trade) for trade in (await until(one, is_channel("trades")))["data"]]
        equal(len({row[6] for row in streamed}), len(streamed), "ids are unique")
        await two.send(frame("subscribe", type="trades", coin="BTC"))
        replay = [row_of(trade) for trade in (await until(two, is_channel("trades")))["data"]]
        equal(len(replay), 30, "thirty trades again")
        recent = [row_of(trade) for trade in await info(venue, type="recentTrades", coin="BTC")]
        equal(len(recent), 10, "ten recent ones")
        while not set(replay + recent) <= set(streamed):  # all of them were streamed, or will be
            streamed += [row_of(trade) for trade in (await until(one, is_channel("trades")))["data"]]
        begin = streamed.index(replay[0])
        equal(streamed[begin:begin + 30], replay, "in their order")


async def requests(venue):
    meta = await info(venue, type="meta")
    equal([row["name"] for row in meta["universe"]], ["BTC", "ETH", "XRP"], "universe")
    contexts = await info(venue, type="metaAndAssetCtxs")
    equal((contexts[0]["universe"], len(contexts[1])), (meta["universe"], 3), "contexts")
    book = await info(venue, type="l2Book", coin="BTC")
    equal([len(side) for side in book["levels"]], [20, 20], "twenty levels")
    equal(set(await info(venue, type="allMids")), {"BTC", "ETH", "XRP"}, "mids")
    check((await info(venue, type="exchangeStatus"))["time"] > 0, "clock")
    rows = await info(venue, type="candleSnapshot",
                      req={"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": 1 << 50})
    check(len(rows) > 1000 and all(one["t"] < next_one["t"] for one, next_one in zip(rows, rows[1:])), "candles")
    part = await info(venue, type="candleSnapshot", req={"coin": "BTC", "interval": "1m", "startTime": rows[5]["t"],
                                                         "endTime": rows[9]["t"]})
    equal(part, rows[5:10], "a range")
    equal(await info(venue, type="l2Book", coin="NOPE"), None, "unknown coin in l2Book")

    async def status(body, headers=JSON, **options):
        return (await asyncio.to_thread(venue.ask, "/info", body=body, headers=headers, **options))[::2]

    equal((await status(None, method="GET"))[0], 405, "GET")
    equal((await status('{"type":"meta"}', {"Content-Type": "text/plain"}))[0], 415, "content type")
    equal((await status("{"))[0], 400, "no JSON")
    equal(await status('{"type":"x"}'), (422, "Failed to deserialize the JSON body into the target type"), "type")
    equal(await status('{"type":"fundingHistory","coin":"NOPE","startTime":0}'), (500, "null"), "unknown coin")


async def limits(venue):
    """Twelve hundred of weight in a minute; ten sockets."""
    statuses = []
    while 429 not in statuses and len(statuses) < 130:
        statuses.append((await asyncio.to_thread(venue.ask, "/info", body='{"type":"meta"}', headers=JSON))[0])
    check(statuses[-1] == 429 and statuses.count(200) >= 60, f"{statuses}")
    dials = await asyncio.gather(*(venue.socket("/ws") for _ in range(11)), return_exceptions=True)
    equal([getattr(dial, "status_code", 101) for dial in dials].count(429), 1, "the eleventh socket")
    for dial in dials:
        if not isinstance(dial, BaseException):
            await dial.close()


async def idle(venue):
    async with venue.socket("/ws") as silent:
        equal(await closes(silent), 1000, "the server had nothing to say")


main({"streams": streams, "errors": errors, "trades": trades, "requests": requests, "limits": limits, "idle": idle})
