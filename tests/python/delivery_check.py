"""Compares what is in each store with what was recorded, and prints what differs as JSON.

usage: delivery_check.py WHAT

WHAT is JSON: `input` is the joined file; `may_lack` has for a store symbol and time of the records that
damage may have cost it, or made late; `stores` has for each store's name the `reader`, a function
of delivery_stores.py, its arguments, and for a lake `is_counted`: one counting numbers all its
batches, so that no two files can have the same numbers. Nothing but the input file and the stores is
read; the host is not asked.
"""

import json
from collections import Counter, defaultdict

import delivery_record
import delivery_stores
import script


def compare(expected: list, found: list, may_lack: set) -> dict:
    wanted, there = Counter(expected), Counter(found)
    lost, more = wanted - there, there - wanted
    behind = disordered(expected, found)
    damaged = {it for it in lost if (it.symbol, it.time_us) in may_lack}
    late = [(place, it) for place, it in behind if (it.symbol, it.time_us) in may_lack]
    damaged_count = sum(lost.pop(it) for it in damaged) + len(late)
    behind = [it for it in behind if it not in late]
    examples = [("lost", it) for it in list(lost)[:3]] + [("more", it) for it in list(more)[:3]]
    examples += [(f"behind {place}", it) for place, it in behind[:3]]
    return {
        "records": len(found),
        "lost": lost.total(),
        "doubled": sum(count for it, count in more.items() if it in wanted),
        "foreign": sum(count for it, count in more.items() if it not in wanted),
        "disordered": len(behind),
        "damaged": damaged_count,
        "examples": [f"{what}: {it}" for what, it in examples],
    }


def disordered(expected: list, found: list) -> list:
    """Records of a security that come behind one that was recorded after it, with that one's place."""
    places = defaultdict(list)
    for place, it in enumerate(expected):
        places[it].append(place)
    behind = []
    last = {}
    times = Counter()
    for it in found:
        # the second of two equal records stands for the second place
        known = places.get(it)
        if not known:
            continue
        place = known[min(times[it], len(known) - 1)]
        times[it] += 1
        if place < last.get(it.symbol, -1):
            behind.append((last[it.symbol], it))
        last[it.symbol] = place
    return behind


def main(what: str) -> None:
    what = json.loads(what)
    expected = list(delivery_record.read(what["input"]))
    result = {}
    for name, arguments in what["stores"].items():
        reader, is_counted = arguments.pop("reader"), arguments.pop("is_counted", False)
        found = getattr(delivery_stores, reader)(**arguments)
        may_lack = {tuple(it) for it in what["may_lack"].get(name, [])}
        result[name] = compare(expected, list(found), may_lack)
        if is_counted:
            result[name]["overlaps"] = delivery_stores.overlaps(**arguments)
    print(json.dumps({"expected": len(expected), "stores": result}))


if __name__ == "__main__":
    script.run(main)
