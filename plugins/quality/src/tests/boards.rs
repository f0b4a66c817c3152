//! Bands against a table, and against the limits that recorded Tencent lines carry.

use std::fs;

use plugin_api::schemas::{qq, time::ExchangeTime};

use crate::{
    board::{Band, Board},
    options::Bands,
};

#[test]
fn codes_tell_the_board() {
    let cases = [
        // exchange, code, board
        ("SH", "600000", Board::Main),
        ("sh", "605303", Board::Main),
        ("SH", "688981", Board::Growth),
        ("SH", "689009", Board::Growth),
        ("SH", "510050", Board::Fund),
        ("SH", "588000", Board::Fund),
        ("SH", "000001", Board::Index),
        ("SH", "900901", Board::ShanghaiB),
        ("SH", "110059", Board::Other),
        ("SH", "204001", Board::Other),
        ("SZ", "000001", Board::Main),
        ("SZ", "002594", Board::Main),
        ("SZ", "300750", Board::Growth),
        ("SZ", "159919", Board::Fund),
        ("SZ", "399001", Board::Index),
        ("SZ", "200011", Board::ShenzhenB),
        ("SZ", "123001", Board::Other),
        ("BJ", "920002", Board::Beijing),
        ("BJ", "430047", Board::Beijing),
        ("BJ", "899050", Board::Index),
        ("HK", "600000", Board::Other),
        ("SH", "", Board::Other),
    ];
    for (market, code, board) in cases {
        assert_eq!(Board::of(market, code), board, "{market}{code}");
    }
}

#[test]
fn limits_are_rounded_to_the_step_and_one_step_away_at_least() {
    let cases = [
        // board, name, previous close, lowest, highest
        (Board::Main, "", 10.45, 9.41, 11.5),
        (Board::Main, "ST", 10.45, 9.93, 10.97),
        (Board::Main, "", 0.04, 0.03, 0.05),
        (Board::Main, "", 0.01, 0.01, 0.02),
        (Board::Growth, "ST", 15.25, 12.2, 18.3),
        (Board::Beijing, "", 3.33, 2.34, 4.32),
        (Board::Beijing, "", 10.0, 7.0, 13.0),
        (Board::Fund, "", 2.513, 2.01, 3.016),
        (Board::ShanghaiB, "", 0.305, 0.275, 0.336),
    ];
    for (board, name, pre_close, low, high) in cases {
        let band = Band::of(board, name, 19_000, pre_close, &Bands::default()).unwrap();
        assert!((band.low - low).abs() < 1e-9, "{board:?} {pre_close}: {band:?}");
        assert!((band.high - high).abs() < 1e-9, "{board:?} {pre_close}: {band:?}");
    }
}

/// The recorded Tencent lines, decoded.
pub fn tencent_lines() -> Vec<String> {
    let folder = fixtures::fixture("qq").unwrap();
    let mut lines = Vec::new();
    for part in ["batch", "single"] {
        for file in fs::read_dir(folder.join(part)).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let text = qq::Encoding::Gbk.decode(&bytes);
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    let least = if fixtures::are_complete() { 1_265 } else { 120 };
    assert!(lines.len() >= least, "only {} lines", lines.len());
    lines
}

#[test]
fn bands_are_those_that_the_exchange_publishes() {
    let lines = tencent_lines();
    let (mut checked, mut funds) = (0, 0);
    for line in &lines {
        let Ok(quote) = qq::Quote::parse(line) else { continue };
        let fields: Vec<_> = line.split('~').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let (Some(high), Some(low)) = (number(47), number(48)) else { continue };
        let board = Board::of(quote.market, quote.code);
        let day = ExchangeTime::from_utc_us(quote.time_us).day;
        let band = Band::of(board, quote.name, day, quote.pre_close, &Bands::default());
        let Some(band) = band.filter(|_| high > 0.0 && low > 0.0) else { continue };
        if board == Board::Fund {
            // codes do not tell whether it is 10 or 20 percent
            assert!(band.low <= low && high <= band.high, "{line}");
            funds += 1;
            continue;
        }
        checked += 1;
        assert!(
            (band.high - high).abs() < 1e-6 && (band.low - low).abs() < 1e-6,
            "{band:?}, published {low} to {high}: {line}"
        );
    }
    eprintln!("{checked} bands are as published, {funds} of funds hold what is published");
    let (least, least_funds) = if fixtures::are_complete() { (1_200, 1) } else { (100, 0) };
    assert!(checked >= least && funds >= least_funds, "{checked} {funds}");
}

#[test]
fn the_limit_of_st_securities_was_raised_in_2026() {
    let bands = Bands::default();
    let band = |day| Band::of(Board::Main, "*ST", day, 10.0, &bands).map(|band| band.high);
    assert_eq!([20_639, 20_640].map(band), [Some(10.5), Some(11.0)]);
    let told = Bands { st: Some(7.0), ..bands };
    let band = Band::of(Board::Main, "ST", 20_639, 10.0, &told).map(|band| band.high);
    assert_eq!(band, Some(10.700_000_000_000_001));
}
