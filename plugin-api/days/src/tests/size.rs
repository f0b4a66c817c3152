//! How large a day of the whole market is.

use super::*;
use crate::{Verdict, day::MINUTE_US};

const SECURITIES: u32 = 5_500;
const DATE: &str = "2021-12-01";
/// What a day may take.
const MOST_BYTES: u64 = 3_000_000;

#[test]
fn a_day_of_the_whole_market_takes_less_than_three_megabytes() {
    let mut desk = Desk::new();
    let mut random = Random(7);
    let codes: Vec<_> = (0..SECURITIES).map(|it| format!("{:06}", 600_000 + it)).collect();
    let mut volumes = vec![0_u64; codes.len()];
    let start_us = us(DATE);
    let mut rounds = 0;
    for minute in (570..690_u16).chain(780..900) {
        for round in 0..20_u32 {
            rounds += 1;
            for (code, volume) in codes.iter().zip(&mut volumes) {
                let draw = random.below(1_000_000);
                *volume += u64::try_from(draw % 5_000).unwrap() * 100;
                // exchange times jitter by a second, and one in fifty quotes does not come
                if draw % 50 == 7 {
                    continue;
                }
                let second = round * 3 + u32::try_from(draw / 7 % 2).unwrap();
                let time_us =
                    start_us + i64::from(minute) * MINUTE_US + i64::from(second) * 1_000_000;
                desk.quote(&quote(code, time_us, *volume));
            }
        }
        for code in &codes {
            let volume = u64::try_from(random.below(100_000)).unwrap() * 100;
            let time_us = start_us + i64::from(minute + 1) * MINUTE_US;
            desk.bar(&ClosedBar { amount: 12.34 * 1e6, ..bar(code, "1m", time_us, volume) });
        }
        desk.commit();
    }
    assert_eq!(rounds, 4_800);
    desk.seal();
    // with what the calendar of the file itself takes
    let Desk { folder, writer, .. } = desk;
    drop(writer);
    let bytes = std::fs::metadata(folder.path().join("ledger.sqlite")).unwrap().len();
    println!("a whole market day with its 1m bars takes {bytes} bytes");
    assert!(bytes < MOST_BYTES, "{bytes}");
    let ledger = Ledger::read(&folder.path().join("ledger.sqlite")).unwrap();
    let report = ledger.day(day(DATE), us("2022-01-01")).unwrap();
    assert_eq!((report.seen, report.verdict), (u64::from(SECURITIES), Verdict::Incomplete));
    let gaps: Vec<_> =
        report.gaps.iter().map(|gap| (gap.symbol.as_str(), &gap.from[11..16])).collect();
    assert_eq!(gaps, [("*", "09:15")], "the auction alone");
}
