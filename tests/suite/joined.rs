//! Hosts that come to know securities in the middle of a recorded day and join it to history: in the end
//! their stores and `hikyuu-server` have the bars of the whole day, as pandas computes them.

use harness::{DAYS, History, Random, python, sample, seed};

const PERIODS: &str = "1m,3m,5m,30m,60m,2h,day";
/// Each learns of four securities at moments of their own.
const HOSTS: usize = 5;

/// A time of trading before the last minutes.
fn moment(random: &mut Random) -> String {
    let minute = random.between(0, 225);
    let minute = if minute < 118 { 9 * 60 + 32 + minute } else { 13 * 60 + minute - 118 };
    format!("{:02}:{:02}:{:02}", minute / 60, minute % 60, random.between(0, 59))
}

#[test]
fn a_day_that_is_joined_at_any_moment_ends_with_the_bars_of_the_whole_day() {
    let mut random = Random::new(seed(16));
    let moments: Vec<_> = (0..HOSTS).map(|_| [(); 4].map(|()| moment(&mut random))).collect();
    println!("securities come at {moments:?}");
    let periods: Vec<_> = PERIODS.split(',').map(|period| format!("\"{period}\"")).collect();
    let history = History::new();
    let hosts = history.join(&moments, &periods.join(", "));
    let recorded = sample(DAYS[2].file).display().to_string();
    let check = |what: &str, places: Vec<String>| {
        let mut arguments = vec![what, &recorded, PERIODS];
        arguments.extend(places.iter().map(String::as_str));
        python("joined_check.py", &arguments).finish();
    };
    check("servers", hosts.iter().map(|late| late.address().to_owned()).collect());
    let lakes = hosts.iter().map(|late| late.lake().display().to_string()).collect();
    let ended: Vec<_> = hosts.into_iter().map(harness::LateHost::end).collect();
    for (run, _) in &ended {
        run.assert(0, &[]);
    }
    check("lakes", lakes);
}
