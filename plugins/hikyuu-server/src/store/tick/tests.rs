//! What is packed comes back, in few bytes.

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..100_000_i32).prop_map(|cents| f64::from(cents) / 100.0),
        2 => (0..1_000_000_i32).prop_map(f64::from),
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, 1e300, -0.01]),
    ]
}

fn tick() -> impl Strategy<Value = Tick> {
    let levels =
        prop_oneof![3 => Just([5; 4]), 1 => Just([0; 4]), 1 => prop::array::uniform4(0..16_u8)];
    (levels, any::<i32>(), any::<bool>()).prop_flat_map(|(levels, time, whole)| {
        let len = FIELDS + levels.iter().map(|count| usize::from(*count)).sum::<usize>();
        let time_us = i64::from(time) * if whole { SECOND_US } else { 1_001 };
        prop::collection::vec(value(), len).prop_map(move |values| Tick { time_us, levels, values })
    })
}

proptest! {
    #[test]
    fn quotes_come_back_bit_by_bit(ticks in prop::collection::vec(tick(), 1..20)) {
        let mut bytes = Vec::new();
        let mut before = Tick::default();
        for tick in &ticks {
            tick.pack(&before, &mut bytes);
            before = tick.clone();
        }
        let mut read = Unpacker::new(&bytes);
        for tick in &ticks {
            read.advance().unwrap();
            let bits = |tick: &Tick| tick.values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(read.tick()), bits(tick));
            prop_assert!(read.tick().is_same(tick));
            let mut row = Vec::new();
            tick.write_row(&mut row);
            prop_assert_eq!(read.row(), &row);
            prop_assert_eq!(row.len(), tick.row_len());
        }
        prop_assert!(read.rest.is_empty());
    }

    #[test]
    fn damaged_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut read = Unpacker::new(&bytes);
        while read.advance().is_some() && !read.rest.is_empty() {}
    }
}

#[test]
fn a_quote_that_went_through_base_units_is_the_same() {
    let wire = |amount: f64, volume: f64| Tick {
        values: vec![8.5, 8.5, 8.5, 8.5, 8.5, amount, volume],
        ..Tick::default()
    };
    for number in 1..20_000_u32 {
        let (amount, volume) = (f64::from(number) * 7.0 * 0.0001, f64::from(number) * 0.01);
        let base = ((amount * 10_000.0), (volume * 100.0).round());
        let back = wire(base.0 / 10_000.0, base.1 / 100.0);
        assert!(back.is_same(&wire(amount, volume)), "{number}");
    }
    assert!(!wire(1.0, 100.0).is_same(&wire(1.0, 100.01)));
    assert!(wire(f64::NAN, f64::INFINITY).is_same(&wire(f64::NAN, f64::INFINITY)));
    assert!(!wire(f64::INFINITY, 1.0).is_same(&wire(1.0, 1.0)));
}

#[test]
fn an_ordinary_change_takes_a_few_bytes() {
    let mut values = vec![8.49, 8.5, 8.51, 8.48, 8.5, 1234.5, 14_520.0];
    values.extend([8.49, 8.48, 8.47, 8.46, 8.45, 10.0, 20.0, 30.0, 40.0, 50.0]);
    values.extend([8.5, 8.51, 8.52, 8.53, 8.54, 10.0, 20.0, 30.0, 40.0, 50.0]);
    let before = Tick { time_us: 0, levels: [5; 4], values };
    let mut after = Tick { time_us: 3 * SECOND_US, ..before.clone() };
    (after.values[5], after.values[6], after.values[12]) = (1_243.0, 14_530.0, 15.0);
    let mut bytes = Vec::new();
    after.pack(&before, &mut bytes);
    assert!(bytes.len() <= 14, "{} bytes", bytes.len());
}
