//! The comparison sees what it is there for.

use std::fs;

use harness::Random;

use super::{check, fault::Which, pipeline, world::World};

#[test]
fn the_comparison_sees_what_is_lost_doubled_changed_and_out_of_order() {
    let mut world = World::start(&mut Random::new(0), false, false);
    world.finish();
    let stores = check::stores(&world);
    assert_eq!(stores.fault(), "");

    add_a_copy_and_a_changed_row(&world);
    let stream = pipeline::LISTS[0];
    let first = world.keys.cli(&["xrange", stream, "-", "+", "count", "1"]);
    world.keys.cli(&["xdel", stream, first.lines().next().unwrap()]);
    let file = world.first_file_of_lake();
    fs::copy(&file, file.with_file_name("spot-99991231T235959.000000Z-lake.parquet")).unwrap();

    let stores = check::stores(&world).by_name;
    let table = &stores["table"];
    assert_eq!([table.lost, table.doubled, table.foreign, table.disordered], [0, 1, 1, 1]);
    assert!(
        stores["stream of batches"].lost > 0 && stores["stream of batches"].disordered == 0,
        "{stores:?}"
    );
    let lake = &stores["lake"];
    assert!(lake.doubled > 0 && lake.disordered > 0 && lake.lost == 0, "{lake:?}");
    assert!(
        lake.examples.iter().any(|it| it.contains("99991231")),
        "overlapping numbers: {lake:?}"
    );
    assert_eq!(stores["streams of records"].examples, [""; 0]);
}

/// The number of a copy makes it a row of its own, behind all others.
fn add_a_copy_and_a_changed_row(world: &World) {
    let table = pipeline::table(Which::First);
    let described = world.clickhouse.query(&format!("DESCRIBE TABLE {table}"));
    let columns: Vec<_> = described.lines().filter_map(|line| line.split('\t').next()).collect();
    let columns = columns.join(", ");
    let copied = columns.replace("sequence", "sequence + 1000000000");
    let changed = columns.replace(" close,", " close + 1,").replace("sequence", "sequence + 1");
    for row in [copied, changed] {
        world.clickhouse.query(&format!(
            "INSERT INTO {table} ({columns}) SELECT {row} FROM {table} \
             ORDER BY sequence LIMIT 1"
        ));
    }
}
