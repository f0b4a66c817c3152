//! Real days, and what damage to them is found.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::{
    recorded::{DAYS, Row},
    *,
};

#[test]
fn real_days_lose_nothing_and_each_mark_has_its_reason() {
    // file, rules that are found
    let expected: [(&str, &[(&str, u64)]); 3] = [
        ("sse_20211201_0915_1030_20stocks_l1.csv.gz", &[]),
        ("sse_20230201_600519_l1.csv.gz", &[]),
        ("szse_20220601_4stocks_l1.csv.gz", &[]),
    ];
    for (day, (file, findings)) in DAYS.iter().zip(expected) {
        let mut bench = Bench::open(json!({}));
        let mut records = 0;
        for batch in day.batches() {
            records += bench.apply(&batch).map_or(0, |judged| judged.records() as usize);
        }
        eprintln!("{file}: {records} quotes, {:?}", bench.findings());
        for (_, log) in bench.host.told().logs {
            eprintln!("  {log}");
        }
        assert_eq!((day.file, records), (file, day.records));
        assert_eq!(bench.findings(), findings, "{file}");
        assert_eq!(bench.dropped(), [], "{file}");
    }
}

/// Numbers that look random and are the same for one seed (xorshift64*).
pub struct Seeded(pub u64);

impl Seeded {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit
    }
}

/// What a damage needs of a quote to be one.
fn is_in_session(row: &Row) -> bool {
    let of_day = row.time_us - MIDNIGHT_US;
    let of_day = of_day.rem_euclid(86_400 * SECOND_US) / SECOND_US;
    let [_, open, high, low, ..] = row.numbers;
    (9 * 3_600 + 1_860..11 * 3_600 + 1_700).contains(&of_day)
        && open > 0.0
        && high > low + 0.02
        && row.volume > 10_000
        && row.bid[1] > 0.0
        && row.ask[1] > 0.0
}

type Damage = (&'static str, fn(&mut Row), &'static str);

const DAMAGES: [Damage; 16] = [
    // what is done, how, the rule that must find it
    ("code lost", |row| row.code.clear(), "fields"),
    ("close no number", |row| row.numbers[4] = f64::NAN, "price"),
    ("sign lost its way", |row| row.numbers[1] = -row.numbers[1], "price"),
    ("amount no number", |row| row.numbers[5] = f64::INFINITY, "volume"),
    ("high and low swapped", |row| row.numbers.swap(2, 3), "high_low"),
    ("close above high", |row| row.numbers[4] = row.numbers[2] + 0.01, "range"),
    ("open below low", |row| row.numbers[1] = row.numbers[3] - 0.01, "range"),
    ("close ten times", |row| row.numbers[4] *= 10.0, "price_limit"),
    ("high 35 percent up", |row| row.numbers[2] = row.numbers[0] * 1.35, "price_limit"),
    ("previous close doubled", |row| row.numbers[0] *= 2.0, "pre_close"),
    ("volume lost a third", |row| row.volume = row.volume * 2 / 3, "falling"),
    ("ten minutes back", |row| row.time_us -= 600 * SECOND_US, "time_back"),
    ("last price lost", |row| row.numbers[4] = 0.0, "zero"),
    ("amount in another unit", |row| row.numbers[5] *= 100.0, "amount"),
    ("sides swapped", |row| std::mem::swap(&mut row.bid, &mut row.ask), "crossed"),
    ("levels swapped", |row| row.bid.swap(0, 1), "levels"),
];

#[test]
fn damage_to_real_quotes_is_found_by_the_rule_for_it() {
    // a xorshift never leaves zero
    let seed = fixtures::seed(RandomState::new().build_hasher().finish()) | 1;
    let mut random = Seeded(seed);
    for day in &DAYS {
        let rows = day.rows();
        let fit: Vec<_> =
            (rows.len() / 5..rows.len()).filter(|at| is_in_session(&rows[*at])).collect();
        assert!(fit.len() > 500, "{}", day.file);
        for (what, damage, rule) in DAMAGES {
            let at = fit[random.below(fit.len())];
            let mut bench = Bench::open(all("mark"));
            for row in &rows[..at] {
                bench.apply(&batch(&[row.record()]));
            }
            assert!(bench.findings().iter().all(|(name, _)| *name != rule));
            let mut row = rows[at].clone();
            damage(&mut row);
            let found = bench.found(&row.record());
            assert!(
                found.contains(&rule),
                "seed {seed}, {} row {at}, {what}: {rule} is not among {found:?} in {row:?}",
                day.file
            );
        }
    }
}
