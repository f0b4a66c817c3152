"""The part of the exchanges' day that a quote is of, as the docs tell it; after 2020-08-24."""

BEGINS = (
    ("00:00:00", "pre_open"), ("09:15:00", "auction"), ("09:25:00", "pre_open"),
    ("09:30:00", "continuous"), ("11:30:00", "break"), ("13:00:00", "continuous"),
    ("14:57:00", "closing_auction"), ("15:00:00", "closed"), ("15:05:00", "after_hours"),
    ("15:30:00", "closed"),
)
AFTER_HOURS = (("SH", "688"), ("SH", "689"), ("SZ", "30"))


def phase_of(symbol: str, time: str) -> str:
    """`time` is the exchange's: `2022-06-01 09:15:03`, with or without a fraction."""
    code, market = symbol.split(".")
    phase = [phase for begin, phase in BEGINS if time[11:] >= begin][-1]
    has_after_hours = any(market == other and code.startswith(start) for other, start in AFTER_HOURS)
    return "closed" if phase == "after_hours" and not has_after_hours else phase
