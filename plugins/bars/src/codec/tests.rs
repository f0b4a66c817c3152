//! States as every version wrote them, made by hand.

use super::*;
use crate::{
    bar::{Bar, Prices, Totals},
    origin::Origin,
    security::empty::Watch,
    security::fill::Fill,
    security::history::{Joint, Taken},
    security::row::Row,
    security::seam::Seam,
};

const PERIODS: [Period; 1] = [Period::ALL[0]];
const MAGICS: [&[u8; 8]; 4] = [b"DSBARS1\n", b"DSBARS2\n", b"DSBARS3\n", b"DSBARS4\n"];

/// One security with one bar, from version 2 on a quote that waits, from version 3 on sources.
fn written(version: usize) -> Vec<u8> {
    let mut bytes = MAGICS[version - 1].to_vec();
    bytes.extend(1_000_i64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(b"\x02SH\x06600000");
    bytes.extend([1_000_i64, 18_962].map(i64::to_le_bytes).concat());
    bytes.extend([9.0_f64.to_le_bytes(), 7_u64.to_le_bytes()].concat());
    bytes.extend([1, 0]); // one bar, of the first period
    bytes.extend([2_000_i64, 2_000, 2_000, 18_962].map(i64::to_le_bytes).concat());
    bytes.extend([10.0_f64, 11.0, 9.0, 10.5].map(f64::to_le_bytes).concat());
    bytes.extend([[0; 8], [0; 8], 9.0_f64.to_le_bytes(), 7_u64.to_le_bytes()].concat());
    bytes.push(0);
    bytes.extend(f32::NAN.to_le_bytes());
    if version >= 3 {
        bytes.extend([3, 0]);
    }
    if version >= 2 {
        bytes.push(1); // live
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend([0_i64, 3_000, 4_000, i64::MIN].map(i64::to_le_bytes).concat());
        bytes.push(1); // behind
        bytes.extend([10.0_f64, 12.0, 9.0, 11.5].map(f64::to_le_bytes).concat());
        bytes.extend([9.5_f64.to_le_bytes(), 8_u64.to_le_bytes()].concat());
        bytes.extend(0.5_f32.to_le_bytes());
    }
    if version >= 3 {
        bytes.extend([2, 0]);
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(b"\x02qq\x03qmt");
    }
    if version >= 4 {
        bytes.push(1); // it is watched, and has no history
        bytes.extend([18_962_i64, 500].map(i64::to_le_bytes).concat());
        bytes.extend(8.5_f64.to_le_bytes());
        bytes.extend([1, 0, 1]);
    }
    signed(bytes)
}

fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn write(state: State) -> Vec<u8> {
    let State { newest_us, is_live, securities, held, origins } = state;
    encode(&Feed::restored(newest_us, is_live, held), &securities, &PERIODS, &origins)
}

#[test]
fn a_state_of_every_version_is_read_and_written_anew() {
    for version in 1..=4 {
        let bytes = written(version);
        let state = decode(&bytes, &PERIODS).unwrap();
        let security = &state.securities[0];
        let bar = security.row.bars[0].unwrap();
        assert_eq!((bar.prices.close, bar.until.volume, bar.quality_score), (10.5, 7, None));
        assert!(!bar.is_assumed && !bar.is_closed && security.joint.is_none());

        assert_eq!((state.is_live, state.held.len()), (version >= 2, usize::from(version >= 2)));
        for Held { key, is_behind, quote, .. } in &state.held {
            assert_eq!((*key, *is_behind, quote.totals.volume), (0, true, 8));
            assert_eq!((quote.quality_score, quote.may_be_virtual), (Some(0.5), false));
            assert_eq!(quote.origin, Origin(if version >= 3 { 2 } else { 0 }));
        }

        let names: Vec<_> = state.origins.names().iter().map(|name| &**name).collect();
        let (origin, expected) =
            if version >= 3 { (Origin(3), &["qq", "qmt"][..]) } else { (Origin(0), &[][..]) };
        assert_eq!((bar.origin, &names[..]), (origin, expected));

        let fill = Fill { day: 18_962, from_us: 500, price: 8.5, origin: Origin(1) };
        let watch = (version >= 4).then_some(Watch { fill, is_hole: true });
        assert_eq!(security.watch, watch);

        let again = write(state);
        if version >= 3 {
            assert_eq!(again, bytes, "{version}");
        } else {
            assert!(again.starts_with(MAGICS[2]));
            let (one, other) = (decode(&bytes, &PERIODS).unwrap(), decode(&again, &PERIODS));
            assert_eq!(other.unwrap().securities, one.securities);
        }
    }
    assert!(decode(&signed(b"DSBARS5\n".to_vec()), &PERIODS).is_none());
}

#[test]
fn what_is_kept_of_history_is_read_as_it_was_written() {
    let mut state = decode(&written(4), &PERIODS).unwrap();
    let security = &mut state.securities[0];
    let bar = security.row.bars[0].unwrap();
    let (before, last) = (Totals { amount: 5.0, volume: 4 }, Totals { amount: 2.0, volume: 1 });
    let taken = Taken {
        day: 18_962,
        last_us: 1_500,
        before,
        last,
        prices: Prices::flat(9.5),
        lacks_amounts: true,
        origin: Origin(2),
    };
    let past = Bar { is_assumed: true, is_closed: true, origin: Origin(2), ..bar };
    let seam = Seam {
        day: 18_962,
        end_us: 2_000,
        totals: last,
        price: 10.0,
        past: Row { day: 18_962, totals: before, bars: vec![Some(past)] },
        first: vec![Some(Bar { origin: Origin(1), ..bar })],
    };
    for seam in [Some(seam), None] {
        let (seen_us, assumed_us) = (900, 1_400);
        let joint = Joint { is_live: true, seen_us, taken, assumed_us, seam };
        state.securities[0].joint = Some(Box::new(joint));
        let expected = state.securities.clone();
        let again = decode(&write(state), &PERIODS).unwrap();
        assert_eq!(again.securities, expected);
        state = again;
    }
}
