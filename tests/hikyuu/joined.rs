//! Hikyuu's buffer-server client asks a host that learned of the securities in the middle of the day and
//! joined it to history.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{History, sample};

use super::{
    bars, buffer,
    feed::SHENZHEN,
    real::{Hikyuu, TYPES},
};

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_client_of_a_host_that_joined_the_day_to_history_holds_the_bars_of_the_whole_day() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let history = History::new();
    let moments = ["10:31:07", "09:47:00", "13:00:03", "14:20:59"].map(str::to_owned);
    let periods = "\"day\", \"1m\", \"5m\", \"15m\", \"30m\", \"60m\", \"2h\"";
    let host = history.join(&[moments], periods).remove(0);
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    let whole = bars::of_hikyuu(&expected["bars"]);
    let deadline = Instant::now() + DEADLINE;
    while !bars::have_same_totals(&buffer::pulled(&mut client, host.address()), &whole) {
        assert!(Instant::now() < deadline, "some of it is on its way still");
        thread::park_timeout(Duration::from_millis(100));
    }
    buffer::assert_whole_day(&mut client, host.address(), &expected);
    client.finish();
    host.end().0.assert(0, &[]);
}
