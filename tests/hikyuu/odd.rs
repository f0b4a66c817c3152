//! Feeds of late, falling and missing values: what Hikyuu's agent makes of them, and our `bars`.

use harness::{Bench, Random, free_port, seed};
use serde_json::{Value, json};

use super::{
    bars::{self, Bars},
    feed,
    real::{Hikyuu, Session, TYPES},
};

pub const DATE: &str = "2022-06-01";
/// Securities of the odd feed, and the one that ends it.
const SYMBOLS: [&str; 5] = ["SH600519", "SH600000", "SZ000400", "SZ300122", "SZ000001"];
const LAST: &str = "SH600004";

/// Moments of the rounds, around every edge of the sessions; three messages each, so that all stay
/// below the 128 that a subscriber keeps.
const MOMENTS: [&str; 38] = [
    "09:15:00", "09:25:00", "09:29:59", "09:30:00", "09:30:59", "09:31:00", "09:31:30", "09:34:59",
    "09:35:00", "09:44:10", "09:45:00", "09:59:59", "10:00:00", "10:15:20", "10:30:00", "10:59:59",
    "11:00:00", "11:15:00", "11:29:59", "11:30:00", "11:30:30", "11:30:31", "12:15:00", "12:59:59",
    "13:00:00", "13:00:01", "13:29:59", "13:30:00", "13:59:59", "14:00:00", "14:30:00", "14:56:59",
    "14:59:59", "15:00:00", "15:00:12", "15:00:30", "15:00:31", "15:30:00",
];

/// A spot of the feed.
pub fn spot(symbol: &str, datetime: &str, prices: [f64; 4], amount: f64, volume: f64) -> Value {
    let (market, code) = symbol.split_at(2);
    let [open, high, low, close] = prices;
    json!({
        "market": market, "code": code, "name": "n", "datetime": datetime, "yesterday_close": 10.0,
        "open": open, "high": high, "low": low, "close": close, "amount": amount,
        "volume": volume, "bid": [], "bid_amount": [], "ask": [], "ask_amount": [],
    })
}

/// One security's feed: prices wander, totals grow, and now and then something is wrong.
struct Walk {
    price: f64,
    high: f64,
    low: f64,
    amount: f64,
    volume: f64,
}

impl Walk {
    fn next(&mut self, symbol: &str, moment: &str, random: &mut Random) -> Value {
        let mut up_to = |most| f64::from(u32::try_from(random.between(0, most)).unwrap());
        let step = up_to(20) - 10.0;
        self.price = (self.price * 100.0 + step).round() / 100.0;
        (self.high, self.low) = (self.high.max(self.price), self.low.min(self.price));
        self.amount += up_to(500);
        self.volume += up_to(5_000);
        let mut prices = [10.0, self.high, self.low, self.price];
        let (mut amount, mut volume) = (self.amount, self.volume);
        let mut time = moment.to_owned();
        match random.between(0, 13) {
            0 => prices[3] = 0.0,
            1 => prices = [0.0, 0.0, 0.0, self.price],
            2 => prices[1] = self.price - 1.0,
            3 => prices = [0.0; 4],
            4 => amount /= 2.0,
            5 => volume = 0.0,
            6 => (amount, volume) = (0.0, 0.0),
            // late, by less than the half hour that begins a feed anew
            7 => {
                let minute: u32 = time[3..5].parse().unwrap();
                time.replace_range(3..5, &format!("{:02}", minute.div_ceil(2)));
            }
            8 => time.push_str(".250"),
            _ => {}
        }
        let datetime = match random.between(0, 3) {
            0 => format!("{} {time}", DATE.replace('-', "/")),
            1 => format!("{} {time}", DATE.replace('-', "")),
            _ => format!("{DATE} {time}"),
        };
        spot(symbol, &datetime, prices, amount, volume)
    }
}

/// The rounds of a feed.
fn rounds(seed: u64) -> Vec<Vec<Value>> {
    let mut random = Random::new(seed);
    let walk = || Walk { price: 10.0, high: 10.0, low: 10.0, amount: 0.0, volume: 0.0 };
    let mut walks: Vec<Walk> = SYMBOLS.iter().map(|_| walk()).collect();
    let mut rounds: Vec<Vec<Value>> = Vec::new();
    for moment in MOMENTS {
        let each = SYMBOLS.iter().zip(&mut walks);
        rounds.push(each.map(|(symbol, walk)| walk.next(symbol, moment, &mut random)).collect());
    }
    rounds.push(vec![last(DATE)]);
    rounds
}

/// The spot that ends a feed.
pub fn last(date: &str) -> Value {
    spot(LAST, &format!("{date} 14:59:59"), [1.0; 4], 1.0, 1.0)
}

/// Waits until the agent has taken the last spot in, and so, having one thread, all before it.
pub fn followed(session: &mut Session, date: &str, symbols: &[&str]) -> Bars {
    let last = json!(["bars", [LAST], TYPES, date]);
    session.ask_until(&last, |answer| bars::of_hikyuu(answer).len() == TYPES.len());
    let symbols = [symbols, &[LAST]].concat();
    bars::of_hikyuu(&session.ask(json!(["bars", symbols, TYPES, date])))
}

/// What Hikyuu and what our bars make of rounds of spots, by way of a collector of neither.
fn both(
    hikyuu: &Hikyuu,
    date: &str,
    symbols: &[&str],
    rounds: &[Vec<Value>],
    bad: u64,
) -> (Bars, Bars) {
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let mut publisher = hikyuu.publisher(&address);
    let port = free_port();
    let bench = Bench::with_links(&["bars", "console", "nng-sub"]);
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n[sources.bus]\n\
         plugin = \"nng-sub\"\ndial = \"{address}\"\n{}updates = false\nclose_after = \"1h\"\n\
         [sinks.screen]\nplugin = \"console\"\ninputs = [\"bars\"]\n",
        feed::bars("bus")
    ));
    let host = bench.start();
    let mut session = hikyuu.start(&format!("{date} 10:00:00"), &TYPES, &[]);
    session.ask(json!(["agent", address]));
    session.ask_until(&json!(["connected"]), |answer| answer == true);
    assert_eq!(publisher.ask(json!(["wait", 2])), true);
    let mut sent = 0;
    for round in rounds {
        sent += publisher.ask(json!(["spots", round])).as_u64().unwrap();
    }
    let theirs = followed(&mut session, date, symbols);
    session.finish();
    let labels = "component=\"bus\",kind=\"source\",plugin=\"nng-sub\"";
    let line = format!("dataserver_records_in_total{{{labels}}} {}\n", sent - bad);
    host.wait_for_answer(port, "/metrics", &line);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    (theirs, bars::of_console(&run.stdout))
}

#[test]
fn bars_of_feeds_with_late_falling_and_missing_values_are_those_of_hikyuus_agent() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let first = seed(1);
    for seed in first..first + 3 {
        let (theirs, ours) = both(hikyuu, DATE, &SYMBOLS, &rounds(seed), 0);
        bars::assert_same(&theirs, &ours);
    }
}

#[test]
fn bars_differ_from_those_of_hikyuus_agent_where_the_manual_says() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let flat = |symbol, time: &str, price, amount, volume| {
        spot(symbol, &format!("{DATE} {time}"), [price; 4], amount, volume)
    };
    let mut rounds: Vec<Vec<Value>> = Vec::new();
    // one quote ahead of its time
    for (time, amount) in [
        ("10:00:00", 1.0),
        ("10:45:00", 2.0),
        ("10:05:00", 5.0),
        ("10:05:10", 6.0),
        ("10:05:20", 7.0),
    ] {
        rounds.push(vec![flat("SH600519", time, 10.0, amount, amount)]);
    }
    // no number
    let mut odd = flat("SH600000", "10:00:00", 10.0, 1.0, 1.0);
    odd["amount"] = json!("nan");
    rounds.push(vec![odd]);
    rounds.push(vec![flat("SZ000400", "10:00:00", 10.0, -1.0, -2.0)]);
    rounds.push(vec![flat("SZ300122", "10:00:00", 10.0, 1.0, 0.125)]);
    let mut odd = flat("SZ000001", "10:00:00", 10.0, 1.0, 1.0);
    odd["high"] = json!("inf");
    rounds.push(vec![odd]);
    rounds.push(vec![last(DATE)]);
    let (theirs, ours) = both(hikyuu, DATE, &SYMBOLS, &rounds, 3);
    let shown = |bars: &Bars| -> Vec<String> {
        let is_shown =
            |symbol: &str, ktype: &str| symbol != LAST && ["DAY", "MIN"].contains(&ktype);
        bars.iter()
            .filter(|((symbol, ktype, _), _)| is_shown(symbol, ktype))
            .map(|((symbol, ktype, time), bar)| {
                format!("{symbol} {ktype} {} {} {}", &time[11..16], bar.amount, bar.volume)
            })
            .collect()
    };
    assert_eq!(
        shown(&theirs),
        [
            // what comes behind it is ignored within the day; the day takes what came last
            "SH600519 DAY 00:00 70000 700",
            "SH600519 MIN 10:01 10000 100",
            "SH600519 MIN 10:46 10000 100",
            // the day is no valid bar, its minute is
            "SZ000001 MIN 10:01 10000 100",
            // parts of a share
            "SZ300122 DAY 00:00 10000 12.5",
            "SZ300122 MIN 10:01 10000 12.5",
        ]
    );
    assert_eq!(
        shown(&ours),
        [
            "SH600519 DAY 00:00 70000 700",
            "SH600519 MIN 10:01 10000 100",
            "SH600519 MIN 10:06 60000 600",
            "SZ300122 DAY 00:00 10000 13",
            "SZ300122 MIN 10:01 10000 13",
        ]
    );
}
