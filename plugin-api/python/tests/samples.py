"""Records of the tests."""

from __future__ import annotations

from datetime import datetime, timedelta

import dataserver as ds

MORNING = datetime(2026, 11, 27, 9, 30, tzinfo=ds.ZONE)


def quote(number: int = 0, **other: object) -> dict:
    """A quote of five levels; the number tells it from others."""
    record = {
        "symbol": f"{600000 + number:06}.SH",
        "name": f"股票{number}",
        "time": MORNING + timedelta(seconds=number),
        "recv_time": MORNING + timedelta(seconds=number, microseconds=250),
        "pre_close": 10.0,
        "open": 10.1,
        "high": 10.5,
        "low": 9.9,
        "close": 10.0 + number / 100,
        "amount": 1_234_567.89 + number,
        "volume": 1_000_000 + number,
        "bid": [10.0, 9.99, 9.98, 9.97, 9.96],
        "bid_volume": [100, 200, 300, 400, 500],
        "ask": [10.01, 10.02, 10.03, 10.04, 10.05],
        "ask_volume": [150, 250, 350, 450, 550],
        "source": "test",
        "quality_score": 0.5,
    }
    return {**record, **other}


def bar(number: int = 0, **other: object) -> dict:
    """A bar of a minute."""
    record = {
        "symbol": "000001.SZ",
        "period": "1m",
        "time": MORNING + timedelta(minutes=number + 1),
        "open": 11.0,
        "high": 11.5,
        "low": 10.9,
        "close": 11.0 + number / 100,
        "amount": 110_000.5,
        "volume": 10_000 + number,
        "closed": number % 2 == 0,
        "quality_score": None,
        "source": "qq",
    }
    return {**record, **other}


def payload(*numbers: int) -> bytes:
    return ds.Batch.of("spot", [quote(number) for number in numbers]).payload
