"""A Hikyuu that does what it is told: one command a line, `["name", arguments...]`, answered by one.

usage: client.py TYPES ADDED      (both JSON lists)
"""

import json
import sys

import session

hikyuu = session.start(json.loads(sys.argv[1]), json.loads(sys.argv[2]))


def agent(address: str) -> None:
    hikyuu.start_spot_agent(False, 1, address)


def connected() -> bool:
    return hikyuu.spot_agent_is_connected()


def bars(symbols: list, types: list, day: str) -> dict:
    return {symbol: {ktype: session.bars(hikyuu, symbol, ktype, day) for ktype in types} for symbol in symbols}


def pull(address: str, symbols: list, ktype: str) -> None:
    stocks = [hikyuu.get_stock(symbol) for symbol in symbols]
    hikyuu.get_data_from_buffer_server(address, stocks, ktype)


def pull_all(address: str, ktype: str) -> int:
    """Asks for every security of the data folder; returns how many."""
    stocks = list(hikyuu.StockManager.instance())
    hikyuu.get_data_from_buffer_server(address, stocks, ktype)
    return len(stocks)


def ticks(address: str, market: str, code: str, since: str) -> list:
    moment = hikyuu.Datetime() if since == "null" else hikyuu.Datetime(since)
    return [
        [spot.market, spot.code, str(spot.datetime)]
        + [spot.yesterday_close, spot.open, spot.high, spot.low, spot.close, spot.amount, spot.volume]
        + [list(side) for side in (spot.bid, spot.bid_amount, spot.ask, spot.ask_amount)]
        for spot in hikyuu.get_spot_from_buffer_server(address, market, code, moment)
    ]


def serve(address: str, workers: int, save: bool, buffer: bool, folder: str) -> None:
    hikyuu.start_data_server(address, workers, save, buffer, folder)


def stop() -> None:
    hikyuu.stop_data_server()


def quit() -> None:
    """Ends as a script does, with all that Hikyuu does then."""
    sys.exit()


COMMANDS = [agent, connected, bars, pull, pull_all, ticks, serve, stop, quit]
by_name = {command.__name__: command for command in COMMANDS}
session.say("ready")
for line in sys.stdin:
    name, *arguments = json.loads(line)
    session.say(by_name[name](*arguments))
session.leave()
