"""Compares bars of hosts that joined a recorded day to history with those of the whole day.

usage: joined_check.py servers RECORDED_DAY PERIODS ADDRESS...
       joined_check.py lakes RECORDED_DAY PERIODS LAKE...

`servers` asks Hikyuu data servers, and waits for what is still on its way to them; `lakes` reads what
stores have in the end. PERIODS are separated by commas.
"""

import time

import bars_check
import hikyuu_check
import script


def check_server(address: str, day: str, ktypes: dict) -> None:
    client = hikyuu_check.Client(address)
    deadline = time.monotonic() + hikyuu_check.PATIENCE
    while True:
        try:
            hikyuu_check.check_bars(client, day, ktypes)
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main(what: str, day: str, periods: str, *hosts: str) -> None:
    names = periods.split(",")
    ktypes = {name: hikyuu_check.KTYPES[name] for name in names}
    for host in hosts:
        if what == "servers":
            check_server(host, day, ktypes)
        else:
            bars_check.main(host, day, "changes", *names)


if __name__ == "__main__":
    script.run(main)
