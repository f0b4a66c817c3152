"""Times of the exchange."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Union

_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _zone() -> tzinfo:
    try:
        from zoneinfo import ZoneInfo

        return ZoneInfo("Asia/Shanghai")
    except Exception:  # a machine without the database of zones
        return timezone(timedelta(hours=8), "Asia/Shanghai")


#: The zone of the exchanges' clocks.
ZONE: tzinfo = _zone()


def moment(us: int) -> datetime:
    """The exchange's time of that many microseconds since 1970 UTC."""
    return datetime.fromtimestamp(us // _SECOND_US, ZONE).replace(microsecond=us % _SECOND_US)


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 UTC of a time that says its zone."""
    if not isinstance(time, datetime):
        raise ValueError("it is no datetime")
    if time.tzinfo is None:
        raise ValueError("it has no zone, so say which: tzinfo=dataserver.ZONE")
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND_US + since.microseconds


def text_of(time: Union[str, date, datetime], of_day: str) -> str:
    """A time as the host reads it; a day alone stands for that time of it."""
    if isinstance(time, datetime):
        local = time if time.tzinfo is None else time.astimezone(ZONE)
        return local.strftime("%Y-%m-%d %H:%M:%S.%f")
    text = time.isoformat() if isinstance(time, date) else str(time).strip()
    return text if len(text) > 10 else f"{text} {of_day}"
