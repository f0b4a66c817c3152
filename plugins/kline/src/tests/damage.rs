//! Damaged answers never bring the reader down, and what it takes of them is in order.

use std::{fs, sync::LazyLock};

use fixtures::fixture;
use plugin_api::serde_json::json;
use proptest::{collection::vec, prelude::*};

use super::{
    answers::{DAYS, FIVE_MINUTES, QFQ},
    vendor::answer,
};
use crate::{
    answer::{Security, read},
    question::Question,
};

/// An answer, whose it is, and what was asked.
type Body = (Vec<u8>, &'static str, Question);

/// Answers to damage.
static BODIES: LazyLock<Vec<Body>> = LazyLock::new(bodies);

fn bodies() -> Vec<Body> {
    let days = [
        json!(["2026-09-17", "10.000", "10.100", "10.200", "9.900", "1000.000"]),
        json!(["2026-09-18", "10.1", "10.2", "10.2", "9.9", "1000", { "nd": "2025", "fh_sh": "" }]),
    ];
    let newer = json!(["2026-09-18", "10", "10", "11", "9", "10", {}, "1", "1.00", "0", "0"]);
    let minutes = json!(["202609181500", "10", "10", "10", "10", "5.00", {}, "0.59"]);
    let turnover = Question { turnover: true, ..DAYS };
    let mut bodies = vec![
        (answer("sh600000", "day", &days), "600000.SH", DAYS),
        (answer("sh600000", "qfqday", &days), "600000.SH", QFQ),
        (answer("sh600000", "day", &[newer]), "600000.SH", turnover),
        (format!("m5={}", answer("sh600000", "m5", &[minutes])), "600000.SH", FIVE_MINUTES),
    ];
    let recorded = [
        ("kline/fqkline_day_none_sh600601_202301.cut.json", "600601.SH", DAYS),
        ("kline/fqkline_day_qfq_sh510300_etf_20260904.json", "510300.SH", QFQ),
    ];
    for (name, symbol, question) in recorded {
        if let Some(path) = fixture(name) {
            bodies.push((fs::read_to_string(path).unwrap(), symbol, question));
        }
    }
    bodies.into_iter().map(|(text, symbol, it)| (text.into_bytes(), symbol, it)).collect()
}

fn takes(bytes: &[u8], symbol: &str, question: &Question) {
    let Ok(page) = read(bytes, &Security::of(symbol), question) else { return };
    let is_in_order = page.rows.windows(2).all(|pair| pair[0].time_us < pair[1].time_us);
    assert!(is_in_order, "{:?}", page.rows);
    for row in &page.rows {
        assert!(row.low <= row.open.min(row.close) && row.open.max(row.close) <= row.high);
        assert!(row.volume >= 0.0 && row.volume.is_finite());
        let (code, market) = symbol.split_once('.').unwrap();
        // whatever it says, it does not panic
        let _ = crate::bar::bar_of(row, market, code, question, 0);
    }
}

proptest! {
    #[test]
    fn bytes_that_were_changed_left_out_or_added_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..8),
    ) {
        let (mut bytes, symbol, question) = BODIES[which.index(BODIES.len())].clone();
        for (place, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => {
                    bytes.remove(place);
                }
            }
        }
        takes(&bytes, symbol, &question);
    }

    #[test]
    fn answers_that_end_too_early_are_refused(
        (which, at) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (bytes, symbol, question) = &BODIES[which.index(BODIES.len())];
        let cut = &bytes[..at.index(bytes.len())];
        if cut.trim_ascii().len() < bytes.trim_ascii().len() {
            prop_assert!(read(cut, &Security::of(symbol), question).is_err());
        }
    }

    #[test]
    fn values_of_any_text_are_a_number_or_a_damaged_row(cells in vec("[-+.0-9eNaInf]{0,12}", 5)) {
        let mut row = vec![json!("2026-09-18")];
        row.extend(cells.into_iter().map(|cell| json!(cell)));
        let text = answer("sh600000", "day", &[json!(row)]);
        takes(text.as_bytes(), "600000.SH", &DAYS);
        takes(answer("sh600000", "qfqday", &[json!(row)]).as_bytes(), "600000.SH", &QFQ);
    }
}
