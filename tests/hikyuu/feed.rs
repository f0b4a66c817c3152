//! Recorded days as feeds of hosts of ours.

use harness::{DAYS, Day};

/// A recorded day and what Hikyuu needs to follow it.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    pub day: Day,
    /// Its date.
    pub date: &'static str,
    /// Its securities, as Hikyuu calls them.
    pub symbols: &'static [&'static str],
}

/// Twenty stocks of Shanghai, 09:15 to 10:30.
pub const MORNING: Recorded = Recorded {
    day: DAYS[0],
    date: "2021-12-01",
    symbols: &[
        "SH600103", "SH600107", "SH600251", "SH600258", "SH600311", "SH600332", "SH600446",
        "SH600480", "SH600566", "SH600983", "SH601369", "SH603258", "SH603421", "SH603602",
        "SH603663", "SH603687", "SH605303", "SH688218", "SH688339", "SH688378",
    ],
};
/// One stock of Shanghai, a whole day.
pub const SHANGHAI: Recorded =
    Recorded { day: DAYS[1], date: "2023-02-01", symbols: &["SH600519"] };
/// Four stocks of Shenzhen, a whole day.
pub const SHENZHEN: Recorded = Recorded {
    day: DAYS[2],
    date: "2022-06-01",
    symbols: &["SZ000400", "SZ300122", "SZ300274", "SZ300918"],
};

impl Recorded {
    /// A moment of that day.
    pub fn at(&self, time: &str) -> String {
        format!("{} {time}", self.date)
    }
}

/// A sink `feed` that publishes `input` once there is a subscriber, at most so many messages a second,
/// and loses nothing.
pub fn publisher(address: &str, input: &str, max_rate: u32) -> String {
    format!(
        "[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"{input}\"]\nlisten = [\"{address}\"]\n\
         wait_subscribers = 1\nslow_subscriber = \"wait\"\nmax_rate = {max_rate}\n\
         [sinks.feed.buffer]\nwhen_full = \"block\"\n"
    )
}

/// A transform `bars` of every period that Hikyuu's agent makes bars of by the same rules.
pub fn bars(input: &str) -> String {
    format!(
        "[transforms.bars]\nplugin = \"bars\"\ninputs = [\"{input}\"]\n\
         periods = [\"day\", \"1m\", \"5m\", \"15m\", \"30m\", \"60m\", \"2h\"]\n"
    )
}
