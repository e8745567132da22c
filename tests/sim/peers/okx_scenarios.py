"""OKX's public and business sockets and requests, seen by a stranger. Source: www.okx.com/docs-v5."""
import asyncio
import json
from decimal import Decimal

from common import Book, check, closes, equal, main, receive, refused, until

PUBLIC, BUSINESS = "/ws/v5/public", "/ws/v5/business"
SWAP = "BTC-USDT-SWAP"


def argument(channel, name=SWAP):
    return {"channel": channel, "instId": name}


def operation(name, arguments, request=None):
    frame = {"op": name, "args": arguments}
    if request:
        frame["id"] = request
    return json.dumps(frame)


def is_channel(channel):
    return lambda message: message.get("arg", {}).get("channel") == channel and "data" in message


async def streams(venue):
    equal(await refused(venue.socket("/ws/v5/private")), 404, "another path")
    async with venue.socket(PUBLIC) as public, venue.socket(BUSINESS) as business:
        # One answer for each argument; a bad one cancels no other.
        wanted = [argument("trades"), argument("candle1m"), argument("books", "NOPE-USDT-SWAP"),
                  {"channel": "liquidation-orders", "instType": "SWAP"}, argument("bbo-tbt")]
        await public.send(operation("subscribe", wanted, "x1"))
        answers = [json.loads(await receive(public)) for _ in wanted]
        equal([answer["event"] for answer in answers],
              ["subscribe", "error", "error", "subscribe", "subscribe"], "answers")
        equal([answer.get("arg") for answer in answers if answer["event"] == "subscribe"],
              [wanted[0], wanted[3], wanted[4]], "arguments")
        equal(answers[0]["id"], "x1", "id")
        check(answers[0]["connId"], "connection")
        equal(answers[1]["code"], "60018", "a channel of the other socket")
        check(f"channel:candle1m, instId:{SWAP} doesn't exist" in answers[1]["msg"], answers[1])
        touch = await until(public, is_channel("bbo-tbt"))
        check(len(touch["data"][0]["bids"]) == 1 and "seqId" in touch["data"][0], touch)
        await until(public, is_channel("trades"))
        await business.send(operation("subscribe", [argument("candle1m")]))
        equal(json.loads(await receive(business))["event"], "subscribe", "on business")
        candle = await until(business, is_channel("candle1m"))
        check(len(candle["data"][0]) == 9 and candle["data"][0][8] == "0", candle)
        await public.send(operation("unsubscribe", [wanted[0], wanted[4]]))
        for _ in range(2):
            await until(public, lambda message: message.get("event") == "unsubscribe")
        await public.send("ping")
        text = await receive(public)
        while text != "pong":  # nothing but liquidations may come
            equal(json.loads(text)["arg"]["channel"], "liquidation-orders", "after unsubscribe")
            text = await receive(public)


async def errors(venue):
    async with venue.socket(PUBLIC) as public:
        for bad in ("{", '{"op":"subscribe"}', '{"op":"nothing","args":[{}]}', '{"op":"subscribe","args":[]}'):
            await public.send(bad)
            equal(json.loads(await receive(public))["code"], "60012", bad)
        await public.send(operation("subscribe", [argument("index-tickers", "NEAR-USDT")]))
        error = json.loads(await receive(public))
        equal(error["msg"], "Wrong URL or channel:index-tickers, instId:NEAR-USDT doesn't exist. Please use the "
              "correct URL, channel and parameters referring to API document.", "the venue's words")
        for _ in range(480):
            await public.send(operation("unsubscribe", [argument("trades")]))
        await until(public, lambda message: message.get("code") == "60014")
        await public.send("ping")
        while await receive(public) != "pong":
            pass


async def snapshot(venue):
    async with venue.socket(PUBLIC) as public:
        await public.send(operation("subscribe", [argument("books")]))
        message = await until(public, is_channel("books"))
        equal((message["action"], message["data"][0]["prevSeqId"]), ("snapshot", -1), "the first message")
        return message["data"][0]


def sides(data, *names):
    return [[(level[0], level[1]) for level in data[name]] for name in names]


async def book(venue):
    async with venue.socket(PUBLIC) as public:
        await public.send(operation("subscribe", [argument("books")]))
        first = await until(public, is_channel("books"))
        equal((first["action"], first["data"][0]["prevSeqId"]), ("snapshot", -1), "the first message")
        kept, last = Book(*sides(first["data"][0], "bids", "asks")), first["data"][0]["seqId"]
        past, compared = {last: kept.top(400)}, 0
        task = asyncio.create_task(snapshot(venue))
        while compared < 2:
            message = await until(public, is_channel("books"))
            data = message["data"][0]
            equal((message["action"], data["prevSeqId"]), ("update", last), "prevSeqId follows seqId")
            last = data["seqId"]
            kept.apply(*sides(data, "bids", "asks"))
            past[last] = kept.top(400)
            # What another client's subscription begins with is the book that the updates have made.
            if task.done() and task.result()["seqId"] in past:
                wanted = task.result()
                equal(list(past[wanted["seqId"]]), sides(wanted, "bids", "asks"), "another's snapshot")
                compared += 1
                task = asyncio.create_task(later(venue))
        task.cancel()


async def later(venue):
    await asyncio.sleep(0.5)  # three dials a second are allowed
    return await snapshot(venue)


async def trades(venue):
    async with venue.socket(PUBLIC) as public:
        await public.send(operation("subscribe", [argument("trades")]))
        streamed = []
        while len(streamed) < 40:
            message = await until(public, is_channel("trades"))
            streamed += message["data"]
            if len(streamed) > 1:
                equal(int(streamed[-1]["tradeId"]), int(streamed[-2]["tradeId"]) + int(streamed[-1]["count"]),
                      "ids without a hole")
        check(any(int(row["count"]) > 1 for row in streamed), "sums of fills")
        first = int(streamed[0]["tradeId"]) - int(streamed[0]["count"]) + 1
        fills, after = {}, int(streamed[-1]["tradeId"]) + 1
        while after > first:
            page = (await venue.get(f"/api/v5/market/history-trades?instId={SWAP}&type=1&after={after}&limit=15"))["data"]
            equal([int(row["tradeId"]) for row in page], list(range(after - 1, after - 1 - len(page), -1)),
                  "each fill is a row, newest first")
            fills.update({int(row["tradeId"]): row for row in page})
            after = int(page[-1]["tradeId"])
        for row in streamed:
            last, count = int(row["tradeId"]), int(row["count"])
            parts = [fills[id] for id in range(last - count + 1, last + 1)]
            equal(sum(Decimal(part["sz"]) for part in parts), Decimal(row["sz"]), "fills are what the stream summed")
            equal({(part["px"], part["side"], part["ts"]) for part in parts}, {(row["px"], row["side"], row["ts"])},
                  "at one price and time")
        end = int(streamed[20]["ts"])
        page = (await venue.get(f"/api/v5/market/history-trades?instId={SWAP}&type=2&after={end}&limit=100"))["data"]
        newest = max(id for id, row in fills.items() if int(row["ts"]) < end)
        equal(int(page[0]["tradeId"]), newest, "by time, exclusive")


async def requests(venue):
    rows = (await venue.get("/api/v5/public/instruments?instType=SWAP"))["data"]
    equal([row["instId"] for row in rows],
          [SWAP, "ETH-USDT-SWAP", "XRP-USDT-SWAP", "BTC-USD-SWAP"], "contracts")
    equal(rows[0]["ctVal"], "0.01", "contract size")
    check(int((await venue.get("/api/v5/public/time"))["data"][0]["ts"]) > 0, "time")
    candles = (await venue.get(f"/api/v5/market/candles?instId={SWAP}&bar=1m&limit=60"))["data"]
    equal((len(candles), candles[0][8], candles[1][8]), (60, "0", "1"), "candles")
    for one, next_one in zip(candles, candles[1:]):
        equal(int(one[0]), int(next_one[0]) + 60_000, "newest first, without a hole")
    part = (await venue.get(f"/api/v5/market/candles?instId={SWAP}&bar=1m&after={candles[9][0]}"
                            f"&before={candles[20][0]}"))["data"]
    equal([row[0] for row in part], [row[0] for row in candles[10:20]], "older than after, newer than before")
    one_level = (await venue.get(f"/api/v5/market/books?instId={SWAP}"))["data"][0]
    equal((len(one_level["bids"]), len(one_level["asks"])), (1, 1), "one level by default")
    equal(len((await venue.get("/api/v5/public/funding-rate?instId=ANY"))["data"]), 4, "every swap")
    for target, size in ((f"rubik/stat/contracts/long-short-account-ratio-contract?instId={SWAP}&period=5m&limit=2", 2),
                         (f"rubik/stat/taker-volume-contract?instId={SWAP}&period=5m&unit=1&limit=2", 3)):
        row = (await venue.get("/api/v5/" + target))["data"][0]
        equal(len(row), size, target)
    interest = (await venue.get(f"/api/v5/public/open-interest?instType=SWAP&instId={SWAP}"))["data"][0]
    check(abs(float(interest["oi"]) * 0.01 - float(interest["oiCcy"])) < 1e-6, "contracts and coins")
    for target, status, code in (("/api/v5/market/books?instId=NOPE", 200, "51001"), ("/api/v5/market/books", 400, "51000"),
                                 (f"/api/v5/market/candles?instId={SWAP}&bar=7m", 400, "51000"), ("/api/v5/x", 404, "404")):
        got, _, body = await asyncio.to_thread(venue.ask, target)
        equal((got, json.loads(body)["code"]), (status, code), target)


async def limits(venue):
    """Five in two seconds of the tightest endpoint; another contract's budget is its own."""
    target = "/api/v5/rubik/stat/taker-volume-contract?period=5m&limit=1&instId="
    answers = []
    while len(answers) < 200 and not any(status == 429 for status, _ in answers):
        status, _, body = await asyncio.to_thread(venue.ask, target + SWAP)
        answers.append((status, json.loads(body)["code"]))
    check((429, "50011") in answers and len(answers) > 5, f"answers {answers[-8:]}")
    equal((await asyncio.to_thread(venue.ask, target + "ETH-USDT-SWAP"))[0], 200, "another contract")
    dials = await asyncio.gather(*(venue.socket(PUBLIC) for _ in range(12)), return_exceptions=True)
    check(any(getattr(dial, "status_code", 0) == 429 for dial in dials), "three dials a second")
    for dial in dials:
        if not isinstance(dial, BaseException):
            await dial.close()


async def idle(venue):
    async with venue.socket(PUBLIC) as silent:
        equal(await closes(silent), 4004, "nothing was said on either side")


main({"streams": streams, "errors": errors, "book": book, "trades": trades, "requests": requests,
      "limits": limits, "idle": idle})
