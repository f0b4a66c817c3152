//! Damaged lines of the Tencent quote service: a record says what stands in the line, or there is
//! none.
#![cfg(feature = "qq")]
#![allow(clippy::unwrap_used)]

use std::{
    cell::Cell,
    fs,
    hash::{BuildHasher, Hasher, RandomState},
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use schemas::{
    qq::{Encoding, Quote, symbol_of},
    time::parse_exchange_time,
};

/// A line of each kind, beside the recorded ones.
const LINES: [&str; 3] = [
    "v_sh600000=\"1~PFYH~600000~9.40~9.26~9.28~771871~432658~339213~9.39~1145~9.38~2011~9.37~2185~9.36\
     ~1755~9.35~2451~9.40~2425~9.41~17606~9.42~17796~9.43~13629~9.44~10580~~20260914161438~0.14~1.51\
     ~9.43~9.24~9.40/771871/722307374~771871~72231~0.23~6.11~~9.43~9.24~2.05~3130.75~3130.75~0.42\
     ~10.19~8.33~1.27~-52489~9.36~5.06~6.26~~~0.01~72230.7374~54.6140~581~   A~GP-A\";",
    "v_sz000029=\"51~SFA~000029~12.50~12.50~0.00~0~0~0~0.00~0~0.00~0~0.00~0~0.00~0~0.00~0~0.00~0~0.00\
     ~0~0.00~0~0.00~0~0.00~0~~20221122115700~0.00~0.00~0.00~0.00~12.50/0/0~0~0~0.00~~S~0.00~0.00\
     ~0.00~1.0~1.0~1.0~13.75~11.25~0.00~0~0.00~~~~~~0.0000~0.0000~0~ ~GP-A\";",
    "v_sh688001=\"1~HXYX~688001~60.01~59.00~59.10~1234567~1~1~60.00~200~59.99~345~59.98~1~59.97~2~59.96\
     ~3~60.01~4~60.02~5~60.03~6~60.04~7~60.05~8~~20221118155905~1.01~1.71~61.00~58.00\
     ~60.01/1234567/74000000~1234567~7400~0.9~50~~61.00~58.00~5.1~1~1~1~70.80~47.20~1~1~60~~~~~~7400.0000\
     ~0.0000~0~ ~GP-A-KCB\";",
];

/// The recorded lines of quotes, and those above.
fn lines() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = LINES.map(|line| line.as_bytes().to_vec()).into();
    let folder = fixtures::fixture("qq").unwrap();
    for part in ["batch", "single"] {
        let files = fs::read_dir(folder.join(part)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for bytes in files.into_iter().map(|file| fs::read(file).unwrap()) {
            let quotes = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            lines.extend(quotes.filter(|line| read(line).is_some()));
        }
    }
    lines
}

/// What the parser makes of a line: symbol, then the values by what they are made of.
fn read(line: &[u8]) -> Option<Record> {
    let mut name = String::new();
    let quote = Quote::parse_bytes(line, Encoding::Gbk, &mut name).ok()?;
    Some(Record {
        symbol: format!("{}{}", quote.market.to_lowercase(), quote.code),
        name: quote.name.to_owned(),
        time_us: quote.time_us,
        prices: vec![
            (3, quote.close),
            (4, quote.pre_close),
            (5, quote.open),
            (33, quote.high),
            (34, quote.low),
        ]
        .into_iter()
        .chain((0..5).flat_map(|it| [(9 + 2 * it, quote.bid[it]), (19 + 2 * it, quote.ask[it])]))
        .collect(),
        volume: quote.volume_shares,
        sizes: (0..5)
            .flat_map(|it| {
                [(10 + 2 * it, quote.bid_volume[it]), (20 + 2 * it, quote.ask_volume[it])]
            })
            .collect(),
        amount: quote.amount,
    })
}

#[derive(Debug)]
struct Record {
    symbol: String,
    name: String,
    time_us: i64,
    prices: Vec<(usize, f64)>,
    volume: u64,
    sizes: Vec<(usize, u64)>,
    amount: f64,
}

/// The fields of a line by a plain split, with the name read as text and all else as bytes.
fn fields(line: &[u8]) -> Vec<String> {
    let start = line.iter().position(|byte| *byte == b'"').map_or(line.len(), |at| at + 1);
    let end = line.iter().rposition(|byte| *byte == b'"').unwrap_or(start).max(start);
    let body = &line[start..end];
    let text = |bytes| Encoding::Gbk.decode(bytes).into_owned();
    let mut separators: Vec<_> = (0..body.len()).filter(|at| body[*at] == b'~').collect();
    if let Some(first) = separators.first().copied() {
        // within the name, one may be half of a character
        let ends_name = |at: usize| text(&body[first + 1..=at]).ends_with('~');
        let halves = separators[1..].iter().take_while(|at| !ends_name(**at)).count();
        separators.drain(1..=halves);
    }
    let starts = [0].into_iter().chain(separators.iter().map(|at| at + 1));
    starts
        .zip(separators.iter().copied().chain([body.len()]))
        .map(|(a, b)| text(&body[a..b]))
        .collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Panics unless the record says what stands in the line.
fn agrees(record: &Record, line: &[u8]) {
    let fields = fields(line);
    let shown = String::from_utf8_lossy(line);
    let text = |index: usize| fields.get(index).map_or("", String::as_str);
    for (field, price) in &record.prices {
        assert_eq!(
            number(text(*field)).map(f64::to_bits),
            Some(price.to_bits()),
            "{field} {shown}"
        );
    }
    let is_star = record.symbol.starts_with("sh688") || record.symbol.starts_with("sh689");
    let whole = |text: &str| number(text).filter(|it| it.fract() == 0.0);
    let per_volume = if is_star { 1.0 } else { 100.0 };
    let shares = |units: Option<f64>, unit: f64| units.map(|units| (units * unit + 0.0).to_bits());
    #[allow(clippy::cast_precision_loss)] // below 2^53
    let bits = |shares: u64| Some((shares as f64).to_bits());
    assert_eq!(shares(whole(text(6)), per_volume), bits(record.volume), "6 {shown}");
    let per_size = match (is_star, whole(text(87))) {
        (false, _) => 100.0,
        (true, Some(unit)) if unit > 0.0 => unit,
        (true, _) => 1.0,
    };
    for (field, size) in &record.sizes {
        assert_eq!(shares(whole(text(*field)), per_size), bits(*size), "{field} {shown}");
    }
    assert_eq!(parse_exchange_time(text(30)), Some(record.time_us), "30 {shown}");
    // the amount stands in one of three fields
    let exact = text(35).rsplit('/').next().and_then(number);
    let rounded = [57, 37].map(|field| number(text(field)).map(|amount| amount * 1e4));
    let amounts = [exact, rounded[0], rounded[1]].into_iter().flatten();
    let near =
        amounts.filter(|amount| (amount - record.amount).abs() <= 1e-6 * amount.abs()).count();
    assert!(near > 0, "{} {shown}", record.amount);
    assert!(text(35).is_empty() || text(35).split('/').count() == 3, "35 {shown}");
    assert_eq!(text(2), &record.symbol[2..], "{shown}");
}

#[derive(Debug, Clone)]
enum Damage {
    /// All from there on is missing, as when a connection broke.
    Cut(prop::sample::Index),
    /// The same, but the line is closed again, as when a proxy patches it.
    CutAndClosed(prop::sample::Index),
    /// Bytes are others.
    Bytes(Vec<(prop::sample::Index, u8)>),
    /// A field is there twice, or one too many.
    More(prop::sample::Index, Option<&'static str>),
    /// A field is missing.
    Less(prop::sample::Index),
    /// A piece is missing.
    Gap(prop::sample::Index, prop::sample::Index),
    /// A piece comes twice.
    Again(prop::sample::Index, prop::sample::Index),
    /// Another line begins within this one.
    Joined(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"~\"0123456789./-;=v_s\n ".to_vec())];
    prop_oneof![
        at().prop_map(Damage::Cut),
        at().prop_map(Damage::CutAndClosed),
        prop::collection::vec((at(), byte), 1..4).prop_map(Damage::Bytes),
        (at(), prop::option::of(prop::sample::select(vec!["", "0", "0.00", "9.99", "S"])))
            .prop_map(|(at, what)| Damage::More(at, what)),
        at().prop_map(Damage::Less),
        (at(), at()).prop_map(|(from, to)| Damage::Gap(from, to)),
        (at(), at()).prop_map(|(from, to)| Damage::Again(from, to)),
        at().prop_map(Damage::Joined),
    ]
}

/// The damaged line, and whether nothing may come of it.
fn damaged(line: &[u8], damage: &Damage, other: &[u8]) -> (Vec<u8>, bool) {
    let body = line.iter().position(|byte| *byte == b'"').unwrap() + 1;
    // no recorded name has a `~` within a character
    let end = line.iter().rposition(|byte| *byte == b'"').unwrap();
    let fields: Vec<_> = line[body..end].split(|it| *it == b'~').map(<[u8]>::to_vec).collect();
    let joined = |fields: Vec<Vec<u8>>| [&line[..body], &fields.join(&b'~'), b"\";"].concat();
    let range = |a: &prop::sample::Index, b: &prop::sample::Index| {
        let (a, b) = (a.index(line.len()), b.index(line.len()));
        a.min(b)..a.max(b)
    };
    match damage {
        Damage::Cut(at) => {
            let at = at.index(line.trim_ascii_end().len() - 1);
            (line[..at].to_vec(), true)
        }
        Damage::CutAndClosed(at) => {
            let at = body + at.index(line.len() - body);
            ([&line[..at], b"\";"].concat(), false)
        }
        Damage::Bytes(bytes) => {
            let mut line = line.to_vec();
            for (at, byte) in bytes {
                let at = at.index(line.len());
                line[at] = *byte;
            }
            (line, false)
        }
        Damage::More(at, what) => {
            let (at, mut fields) = (at.index(fields.len()), fields);
            let field = what.map_or_else(|| fields[at].clone(), |text| text.as_bytes().to_vec());
            fields.insert(at, field);
            // a second field 35 moves nothing that is read
            let moves = (2..35).contains(&at) || (at == 35 && what.is_some());
            (joined(fields), moves)
        }
        Damage::Less(at) => {
            let (at, mut fields) = (at.index(fields.len()), fields);
            fields.remove(at);
            (joined(fields), at < 36)
        }
        Damage::Gap(from, to) => {
            let mut line = line.to_vec();
            line.drain(range(from, to));
            (line, false)
        }
        Damage::Again(from, to) => {
            let range = range(from, to);
            ([&line[..range.end], &line[range.start..]].concat(), false)
        }
        Damage::Joined(at) => ([&line[..at.index(line.len())], other].concat(), false),
    }
}

#[test]
fn no_damage_panics_or_gives_a_record_that_the_line_does_not_say() {
    let lines = lines();
    let (records, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let seed = fixtures::seed(RandomState::new().build_hasher().finish());
    let seed = [seed.to_le_bytes(); 4].concat();
    let picks = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let config = Config { cases: 10_000, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&(picks, damage()), |((line, other), damage)| {
        let (line, other) = (line.get(&lines), other.get(&lines));
        let original = read(line).unwrap();
        agrees(&original, line);
        let (broken, must_fail) = damaged(line, &damage, other);
        match read(&broken) {
            None => refused.set(refused.get() + 1),
            Some(record) => {
                prop_assert!(!must_fail || broken == *line, "{}", String::from_utf8_lossy(&broken));
                agrees(&record, &broken);
                let is_same_name = fields(&broken).get(1) == fields(line).get(1);
                prop_assert!(!is_same_name || record.name == original.name);
                prop_assert_eq!(symbol_of(&broken), Some(record.symbol.as_bytes()));
                records.set(records.get() + 1);
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (records, refused) = (records.get(), refused.get());
    println!("{records} records of 10,000 damaged lines, {refused} refused");
    assert!(records > 1_000 && refused > 1_000, "{records} {refused}");
}
