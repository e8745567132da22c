"""The linear perpetuals that a venue lists, seen by a stranger: argv holds the names behind the usual arguments."""
import json
import sys

from common import equal, main


async def binance(venue):
    rows = (await venue.get("/fapi/v1/exchangeInfo"))["symbols"]
    return [row["symbol"] for row in rows
            if (row["contractType"], row["quoteAsset"], row["status"]) == ("PERPETUAL", "USDT", "TRADING")]


async def bybit(venue):
    names, cursor = [], ""
    while True:
        page = (await venue.get("/v5/market/instruments-info?category=linear&limit=30&cursor=" + cursor))["result"]
        names += [row["symbol"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            return names


async def okx(venue):
    rows = (await venue.get("/api/v5/public/instruments?instType=SWAP"))["data"]
    return [row["instId"] for row in rows if row["ctType"] == "linear"]


async def hyperliquid(venue):
    meta = await venue.get("/info", body=json.dumps({"type": "meta"}), headers={"Content-Type": "application/json"})
    return [row["name"] for row in meta["universe"]]


def holds(listed):
    async def scenario(venue):
        equal(await listed(venue), sys.argv[4:], "the list")
    return scenario


main({scenario.__name__: holds(scenario) for scenario in (binance, bybit, okx, hyperliquid)})
