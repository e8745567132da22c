"""Bybit's linear socket and requests, seen by a stranger. Source: bybit-exchange.github.io/docs/v5."""
import asyncio
import json

from common import Book, check, closes, equal, main, receive, refused, until

PATH = "/v5/public/linear"


def operation(name, topics, request="a1"):
    return json.dumps({"req_id": request, "op": name, "args": topics})


def is_topic(topic):
    return lambda message: message.get("topic") == topic


async def streams(venue):
    equal(await refused(venue.socket("/v5/public/spot")), 404, "another path")
    async with venue.socket(PATH) as linear:
        topics = ["publicTrade.BTCUSDT", "tickers.BTCUSDT", "orderbook.1.BTCUSDT", "kline.1.BTCUSDT"]
        await linear.send(operation("subscribe", topics))
        ack = await until(linear, lambda message: message.get("req_id") == "a1")
        check(ack["success"] is True and ack["op"] == "subscribe" and ack["conn_id"], ack)
        ticker = await until(linear, is_topic("tickers.BTCUSDT"))
        equal(ticker["type"], "snapshot", "a ticker begins with a snapshot")
        whole = set(ticker["data"])
        delta = await until(linear, is_topic("tickers.BTCUSDT"))
        check(delta["type"] == "delta" and set(delta["data"]) < whole, "then what changed")
        touch = await until(linear, is_topic("orderbook.1.BTCUSDT"))
        check(touch["type"] == "snapshot" and len(touch["data"]["b"]) == 1, "level 1")
        await until(linear, is_topic("publicTrade.BTCUSDT"))
        await linear.send(operation("unsubscribe", topics, "a2"))
        await until(linear, lambda message: message.get("req_id") == "a2")
        await linear.send('{"req_id":"p1","op":"ping"}')
        pong = json.loads(await receive(linear))  # nothing else comes
        check(pong["op"] == "ping" and pong["ret_msg"] == "pong" and pong["req_id"] == "p1", pong)


async def errors(venue):
    async with venue.socket(PATH) as linear:
        async def answer(text):
            await linear.send(text)
            return json.loads(await receive(linear))

        bad = await answer(operation("subscribe", ["kline.1.BTCUSDT", "orderbook.30.BTCUSDT"]))
        equal((bad["success"], bad["ret_msg"]),
              (False, "error:handler not found,topic:orderbook.30.BTCUSDT"), "a depth that is none")
        lower = await answer(operation("subscribe", ["publicTrade.btcusdt"]))
        equal(lower["ret_msg"], "error:handler not found,topic:publicTrade.btcusdt", "wrong case")
        # The good topic of the refused frame was not taken, or this would be refused.
        check((await answer(operation("subscribe", ["kline.1.BTCUSDT"])))["success"], "a good frame")
        again = await until_answer(linear, operation("subscribe", ["kline.1.BTCUSDT"], "a9"))
        equal(again["ret_msg"], "error:already subscribed,topic:kline.1.BTCUSDT", "twice")
        wrong = await until_answer(linear, '{"op":"sub","req_id":"a9"}')
        equal(wrong["ret_msg"], "error:invalid op", "unknown operation")
        await linear.send("{")
        while True:  # a plain text, and the socket stays
            text = await receive(linear)
            if not text.startswith("{"):
                break
        check((await until_answer(linear, '{"op":"ping","req_id":"a9"}'))["success"], "still there")


async def until_answer(linear, text):
    await linear.send(text)
    return await until(linear, lambda message: message.get("req_id") == "a9")


async def snapshot(venue, topic):
    async with venue.socket(PATH) as linear:
        await linear.send(operation("subscribe", [topic]))
        message = await until(linear, is_topic(topic))
        equal(message["type"], "snapshot", "the first message")
        return message["data"]


async def book(venue):
    topic = "orderbook.50.BTCUSDT"
    async with venue.socket(PATH) as linear:
        await linear.send(operation("subscribe", [topic]))
        first = await until(linear, is_topic(topic))
        equal(first["type"], "snapshot", "the first message")
        kept, last = Book(first["data"]["b"], first["data"]["a"]), first["data"]["u"]
        past, compared = {last: kept.top(50)}, 0
        task = asyncio.create_task(snapshot(venue, topic))
        while compared < 3:
            message = await until(linear, is_topic(topic))
            data = message["data"]
            equal((message["type"], data["u"]), ("delta", last + 1), "u rises by one")
            last = data["u"]
            kept.apply(data["b"], data["a"])
            check(len(kept.sides["b"]) <= 50 and len(kept.sides["a"]) <= 50, "the window is exact")
            past[last] = kept.top(50)
            # What another client's subscription begins with is the book that the deltas have made.
            if task.done() and task.result()["u"] in past:
                wanted = task.result()
                bids, asks = past[wanted["u"]]
                equal([list(level) for level in bids], wanted["b"], "bids of another's snapshot")
                equal([list(level) for level in asks], wanted["a"], "asks of another's snapshot")
                compared += 1
                task = asyncio.create_task(snapshot(venue, topic))
        task.cancel()


async def trades(venue):
    topic = "publicTrade.BTCUSDT"
    async with venue.socket(PATH) as linear:
        await linear.send(operation("subscribe", [topic]))
        streamed = []
        while len(streamed) < 60:
            message = await until(linear, is_topic(topic))
            streamed += [(row["i"], row["p"], row["v"], row["S"], str(row["T"])) for row in message["data"]]
        answer = await venue.get("/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000")
        rows = [(row["execId"], row["price"], row["size"], row["side"], row["time"])
                for row in answer["result"]["list"]]
        rows.reverse()
        begin = rows.index(streamed[0])
        equal(rows[begin:begin + len(streamed)], streamed, "the history of what was streamed")


async def requests(venue):
    equal(set((await venue.get("/v5/market/time"))["result"]), {"timeSecond", "timeNano"}, "time")
    names, cursor = [], ""
    while True:
        page = (await venue.get("/v5/market/instruments-info?category=linear&limit=2&cursor=" + cursor))["result"]
        names += [row["symbol"] for row in page["list"]]
        check(len(page["list"]) <= 2, "a page")
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    equal(names, ["BTCUSDT", "ETHUSDT", "XRPUSDT"], "all pages")
    klines = (await venue.get("/v5/market/kline?category=linear&symbol=ETHUSDT&interval=1&limit=50"))["result"]["list"]
    equal(len(klines), 50, "candles")
    for one, next_one in zip(klines, klines[1:]):
        equal(int(one[0]), int(next_one[0]) + 60_000, "newest first, without a hole")
    part = (await venue.get("/v5/market/kline?category=linear&symbol=ETHUSDT&interval=1"
                            f"&start={klines[20][0]}&end={klines[11][0]}"))["result"]["list"]
    equal(part, klines[11:21], "a range")
    ratio = (await venue.get("/v5/market/account-ratio?category=linear&symbol=BTCUSDT&period=5min&limit=2"))["result"]["list"]
    check(abs(float(ratio[0]["buyRatio"]) + float(ratio[0]["sellRatio"]) - 1) < 1e-9, "ratio")
    interest = (await venue.get("/v5/market/open-interest?category=linear&symbol=BTCUSDT&intervalTime=5min"))["result"]["list"][0]
    check(abs(float(interest["openInterest"]) - 2 * float(interest["singleOpenInterest"])) < 1e-6, "both sides")
    tickers = (await venue.get("/v5/market/tickers?category=linear"))["result"]["list"]
    equal(len(tickers), 3, "tickers")
    for target in ("orderbook?category=linear&symbol=NOPE", "kline?category=spot&symbol=BTCUSDT",
                   "kline?category=linear&symbol=BTCUSDT&interval=7",
                   "funding/history?category=linear&symbol=BTCUSDT&startTime=1"):
        equal((await venue.get("/v5/market/" + target))["retCode"], 10001, target)  # with status 200
    equal((await asyncio.to_thread(venue.ask, "/v5/market/nothing"))[0], 404, "another path")


async def limits(venue):
    """Six hundred requests in five seconds, then nothing for minutes."""
    answers = await asyncio.to_thread(venue.ask_often, "/v5/market/time", lambda answer: answer[0] == 403, 50_000)
    check((403, "access too frequent") in answers, "no limit was reached")
    check(sum(status == 200 for status, _ in answers) >= 600, "the limit is not below 600")
    equal((await asyncio.to_thread(venue.ask, "/v5/market/time"))[0], 403, "it lasts")


async def idle(venue):
    """A socket without subscriptions that says nothing is cut without a close frame."""
    async with venue.socket(PATH) as silent, venue.socket(PATH) as pinging:
        waiting = asyncio.create_task(closes(silent))
        while not waiting.done():
            await pinging.send('{"op":"ping"}')
            await receive(pinging)
            await asyncio.sleep(0.1)
        equal(waiting.result(), 1006, "cut")


main({"streams": streams, "errors": errors, "book": book, "trades": trades, "requests": requests,
      "limits": limits, "idle": idle})
