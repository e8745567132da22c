"""Binance's sockets and requests, seen by a stranger. Source: developers.binance.com, USD-M futures."""
import asyncio
import json

from common import Book, RawSocket, check, closes, equal, main, receive, refused, until


def subscribe(topics, number=1, method="SUBSCRIBE"):
    return json.dumps({"method": method, "params": topics, "id": number})


async def streams(venue):
    async with venue.socket("/public/stream") as public, venue.socket("/market/stream") as market:
        # One on its own path, one on the wrong path, one that does not exist: all acknowledged.
        topics = ["btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@nonsense", "BTCUSDT@bookTicker"]
        await public.send(subscribe(topics, 7))
        equal(json.loads(await receive(public)), {"result": None, "id": 7}, "ack")
        await market.send(subscribe(["btcusdt@markPrice@1s", "btcusdt@bookTicker"], 8))
        equal(json.loads(await receive(market)), {"result": None, "id": 8}, "ack")
        for _ in range(20):
            equal(json.loads(await receive(public))["stream"], "btcusdt@bookTicker", "on /public")
        for _ in range(2):
            message = json.loads(await receive(market))
            equal(message["stream"], "btcusdt@markPrice@1s", "on /market")
            equal(message["data"]["e"], "markPriceUpdate", "event")
        await public.send('{"method":"LIST_SUBSCRIPTIONS","id":9}')
        listed = await until(public, lambda message: message.get("id") == 9)
        equal(listed["result"], topics, "list")
        await public.send(subscribe(["btcusdt@bookTicker"], 10, "UNSUBSCRIBE"))
        await until(public, lambda message: message.get("id") == 10)
        await public.send('{"method":"LIST_SUBSCRIPTIONS","id":11}')
        # Nothing of it comes between the two answers.
        equal(json.loads(await receive(public)), {"result": topics[1:], "id": 11}, "after unsubscribe")


async def forms(venue):
    async with venue.socket("/public/ws/btcusdt@bookTicker") as bare:
        equal(json.loads(await receive(bare))["e"], "bookTicker", "bare payload")
        await bare.send('{"method":"SET_PROPERTY","params":["combined",true],"id":5}')
        await until(bare, lambda message: message.get("id") == 5)
        await until(bare, lambda message: message.get("stream") == "btcusdt@bookTicker")
    async with venue.socket("/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker") as both:
        names = set()
        while len(names) < 2:
            names.add(json.loads(await receive(both))["stream"])
        equal(names, {"btcusdt@bookTicker", "ethusdt@bookTicker"}, "by query")
    async with venue.socket("/ws/btcusdt@bookTicker") as root:
        equal(json.loads(await receive(root))["e"], "bookTicker", "the root serves /public")
    equal(await refused(venue.socket("/nowhere")), 404, "another path")


async def errors(venue):
    async with venue.socket("/public/stream") as public:
        await public.send("{")
        equal(json.loads(await receive(public))["code"], 3, "invalid JSON")
        await public.send('{"method":"SUBSCRIB","params":["x"],"id":1}')
        equal(json.loads(await receive(public))["code"], 2, "unknown method")
        await public.send('{"method":"SUBSCRIBE","params":[1],"id":2}')
        equal(json.loads(await receive(public))["error"]["code"], 2, "no stream's name")
        await public.send(subscribe([f"x{i}@aggTrade" for i in range(1025)], 3))
        equal(json.loads(await receive(public))["error"]["code"], 2, "too many streams")
        for _ in range(20):
            await public.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        equal(await closes(public), 1008, "more than ten frames in a second")


async def book(venue):
    async with venue.socket("/public/stream") as public:
        await public.send(subscribe(["btcusdt@depth@100ms", "btcusdt@bookTicker"]))
        events, tickers, kept, last, compared, joins = [], {}, None, None, 0, 0
        wanted = None

        def take(event):
            nonlocal last
            if last is not None:
                equal(event["pu"], last, "pu follows u")
            last = event["u"]
            kept.apply(event["b"], event["a"])
            if event["u"] in tickers:
                bids, asks = kept.top(1)
                ticker = tickers[event["u"]]
                equal((bids[0], asks[0]),
                      ((ticker["b"], ticker["B"]), (ticker["a"], ticker["A"])), "bookTicker of the same u")
                return 1
            return 0

        while compared < 10 or joins < 3:
            data = (await until(public, lambda message: "data" in message))["data"]
            if data["e"] == "bookTicker":
                tickers[data["u"]] = data
                continue
            if kept is None:
                events.append(data)
                if len(events) < 3:
                    continue
                body = await venue.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
                kept, snapshot_id = Book(body["bids"], body["asks"]), body["lastUpdateId"]
                # What was buffered, and what comes until one joins.
                while events[-1]["u"] < snapshot_id:
                    data = (await until(public, lambda message: message.get("data", {}).get("e")
                                        == "depthUpdate"))["data"]
                    events.append(data)
                joined = [event for event in events if event["u"] >= snapshot_id]
                first = joined[0]
                check(first["U"] <= snapshot_id <= first["u"] or first["pu"] == snapshot_id,
                      f"snapshot {snapshot_id} joins {first['U']}..{first['u']} pu {first['pu']}")
                for event in joined:
                    compared += take(event)
                continue
            compared += take(data)
            # Another snapshot is the book that the events have made by then.
            if wanted is None:
                wanted = await venue.get("/fapi/v1/depth?symbol=BTCUSDT&limit=100")
            if last == wanted["lastUpdateId"]:
                bids, asks = kept.top(100)
                equal([list(level) for level in bids], wanted["bids"], "bids of a later snapshot")
                equal([list(level) for level in asks], wanted["asks"], "asks of a later snapshot")
                joins += 1
            if last >= wanted["lastUpdateId"]:
                wanted = None


async def trades(venue):
    keys = ("a", "p", "q", "nq", "f", "l", "T", "m")
    async with venue.socket("/market/stream") as market:
        await market.send(subscribe(["btcusdt@aggTrade"]))
        streamed = []
        while len(streamed) < 40:
            data = (await until(market, lambda message: "data" in message))["data"]
            streamed.append({key: data[key] for key in keys})
        for one, next_one in zip(streamed, streamed[1:]):
            equal(next_one["a"], one["a"] + 1, "ids without a hole")
            equal(next_one["f"], one["l"] + 1, "fills without a hole")
        first = streamed[0]["a"]
        asked = await venue.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first}&limit=40")
        equal(asked, streamed, "the history from an id")
        page = await venue.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first + 10}&limit=5")
        equal(page, streamed[10:15], "a page of it")
        start, end = streamed[5]["T"], streamed[20]["T"]
        asked = await venue.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={start}&endTime={end}&limit=1000")
        equal([trade["a"] for trade in asked],
              [trade["a"] for trade in streamed if start <= trade["T"] <= end], "by time")


async def requests(venue):
    info = await venue.get("/fapi/v1/exchangeInfo")
    symbols = {row["symbol"]: row for row in info["symbols"]}
    equal(symbols["BTCUSDT"]["contractType"], "PERPETUAL", "contract")
    equal(symbols["BTCUSDT"]["status"], "TRADING", "status")
    check("BTCUSDT_270326" in symbols, "a dated one")
    klines = await venue.get("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=90")
    equal(len(klines), 90, "candles")
    for one, next_one in zip(klines, klines[1:]):
        equal(next_one[0], one[0] + 60_000, "candles without a hole")
    hours = await venue.get("/fapi/v1/klines?symbol=ETHUSDT&interval=1h&limit=5")
    for one, next_one in zip(hours, hours[1:]):
        equal(next_one[0], one[0] + 3_600_000, "hours")
    part = await venue.get(f"/fapi/v1/klines?symbol=ETHUSDT&interval=1m&startTime={klines[10][0]}"
                           f"&endTime={klines[19][0]}")
    equal(part, klines[10:20], "a range")
    for target, keys in (("openInterest?symbol=BTCUSDT", {"symbol", "openInterest", "time"}),
                         ("premiumIndex?symbol=BTCUSDT", {"symbol", "markPrice", "lastFundingRate"}),
                         ("time", {"serverTime"})):
        check(keys <= set(await venue.get("/fapi/v1/" + target)), target)
    for name in ("globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio"):
        rows = await venue.get(f"/futures/data/{name}?symbol=BTCUSDT&period=5m&limit=2")
        check(rows and all(abs(float(row["longAccount"]) + float(row["shortAccount"]) - 1) < 1e-9
                           for row in rows), name)
    rows = await venue.get("/futures/data/takerlongshortRatio?symbol=BTCUSDT&period=5m&limit=2")
    equal(rows[1]["timestamp"] - rows[0]["timestamp"], 300_000, "taker ratio")
    for target, status, code in (("/fapi/v1/depth?symbol=NOPE", 400, -1121), ("/fapi/v1/depth", 400, -1102),
                                 ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021),
                                 ("/fapi/v1/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
                                 ("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1001", 400, -1130),
                                 ("/fapi/v1/nothing", 404, -5000)):
        got, _, body = await asyncio.to_thread(venue.ask, target)
        equal((got, json.loads(body)["code"]), (status, code), target)


async def limits(venue):
    """A minute's weight, told; 429 above it; who goes on is banned."""
    used, statuses = 0, []
    while 418 not in statuses:
        status, headers, body = await asyncio.to_thread(
            venue.ask, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
        statuses.append(status)
        if status == 200:
            now = int(headers["X-MBX-USED-WEIGHT-1M"])
            check(now == used + 20 or now == 20, f"weight {now} after {used}")  # or another minute
            used = now
        else:
            check(int(headers["Retry-After"]) > 0, "Retry-After")
            equal(json.loads(body)["code"], -1003, "code")
        check(len(statuses) < 400, "no limit was reached")
    check(used == 2400 and statuses.count(429) >= 10, f"{used} {statuses[-30:]}")
    status, headers, _ = await asyncio.to_thread(venue.ask, "/fapi/v1/time")
    check(status == 418 and int(headers["Retry-After"]) > 60, "banned from everything")


async def pings(venue):
    """The server's ping comes with a payload; without pongs the connection is cut."""
    def listen():
        raw = RawSocket(venue, "/public/stream")
        opcodes = []
        while (frame := raw.frame()) is not None:
            opcodes.append(frame[0])
            if frame[0] == 9:
                check(frame[1].isdigit(), f"payload {frame[1]}")
        return opcodes

    opcodes = await asyncio.to_thread(listen)
    check(opcodes.count(9) >= 1 and opcodes[-1] == 8, f"frames {opcodes}")
    async with venue.socket("/public/stream") as answering:  # python3-websockets sends pongs
        await answering.send(subscribe(["btcusdt@bookTicker"]))
        loop = asyncio.get_running_loop()
        end = loop.time() + 5
        while loop.time() < end:
            await receive(answering)


async def lifetime(venue):
    async with venue.socket("/public/stream") as public:
        await public.send(subscribe(["btcusdt@bookTicker"]))
        equal(await closes(public), 1001, "the end of its life")


async def recorded(venue):
    """Of contracts and streams that no model has; the clock stands until somebody has subscribed."""
    equal(await venue.get("/fapi/v1/depth?symbol=LTCUSDT"), {"lastUpdateId": 5}, "a recorded answer")
    async with venue.socket("/public/ws") as bare:
        await bare.send(subscribe(["ltcusdt@trade", "ltcusdt@depth@0ms"]))
        equal(json.loads(await receive(bare)), {"result": None, "id": 1}, "ack")
        begin = asyncio.get_running_loop().time()
        equal(json.loads(await receive(bare)), {"e": "trade", "s": "LTCUSDT", "t": 1}, "it had an envelope")
        equal(json.loads(await receive(bare)), {"e": "depthUpdate", "s": "LTCUSDT", "u": 2}, "it had none")
        check(asyncio.get_running_loop().time() - begin > 0.2, "at the recorded distance")
    async with venue.socket("/market/stream") as combined:
        await combined.send(subscribe(["ltcusdt@trade"]))
        await until(combined, lambda message: "result" in message)
        equal(json.loads(await receive(combined)),
              {"stream": "ltcusdt@trade", "data": {"e": "trade", "s": "LTCUSDT", "t": 3}}, "with an envelope")


async def listings(venue):
    """A contract appears among the instruments and begins to be told of; another one ends."""
    symbols = set()
    while "SOLUSDT" not in symbols:
        symbols = {row["symbol"] for row in (await venue.get("/fapi/v1/exchangeInfo"))["symbols"]}
    async with venue.socket("/public/stream") as public:
        await public.send(subscribe(["solusdt@bookTicker", "xrpusdt@depth@100ms"]))
        await until(public, lambda message: message.get("stream") == "solusdt@bookTicker")
    while True:
        rows = (await venue.get("/fapi/v1/exchangeInfo"))["symbols"]
        ended = [row["symbol"] for row in rows if row["status"] == "SETTLING"]
        if ended:
            equal(ended, ["SOLUSDT"], "what is delisted: the last one")
            break
        await asyncio.sleep(0.1)
    async with venue.socket("/public/stream") as public:
        await public.send(subscribe(["solusdt@bookTicker", "btcusdt@bookTicker"]))
        await until(public, lambda message: "result" in message)
        for _ in range(30):
            equal(json.loads(await receive(public))["stream"], "btcusdt@bookTicker", "silent")


main({"recorded": recorded, "listings": listings, "streams": streams, "forms": forms, "errors": errors, "book": book, "trades": trades,
      "requests": requests, "limits": limits, "pings": pings, "lifetime": lifetime})
