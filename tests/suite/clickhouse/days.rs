//! What was replayed is in the tables, cell by cell.

use harness::{Bench, ClickHouse, DAYS, python, sample};

#[test]
fn every_record_of_every_day_is_in_the_table_cell_by_cell() {
    let server = ClickHouse::start();
    for (index, day) in DAYS.iter().enumerate() {
        let bench = Bench::new(&["replay", "clickhouse"]);
        let database = format!("day{index}");
        bench.pipeline(&format!(
            "{}\n[sinks.store]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\n\
             url = \"{}\"\ndatabase = \"{database}\"\nuser = \"writer\"\npassword = \"secret\"\n\
             workers = 2\nbatch = {{ max_records = 2000 }}\n",
            day.source(),
            server.http_url()
        ));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("store", "out"), day.records);
        assert!(!run.stderr.contains("secret"), "the password was told:\n{}", run.stderr);
        let checked = python(
            "clickhouse_check.py",
            &[
                &server.http_url(),
                &format!("{database}.spots"),
                &sample(day.file).display().to_string(),
            ],
        );
        assert_eq!(checked.finish().trim(), format!("{} rows", day.records));
    }
}

#[test]
fn without_compression_the_same_rows_arrive() {
    let server = ClickHouse::start();
    let counts = ["lz4", "none"].map(|compression| {
        let bench = Bench::new(&["replay", "clickhouse"]);
        bench.pipeline(&format!(
            "{}\n[sinks.store]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"{}\"\n\
             database = \"{compression}\"\ncompression = \"{compression}\"\n",
            DAYS[1].source(),
            server.http_url()
        ));
        bench.run(&["run"]).assert(0, &[]);
        server.query(&format!(
            "SELECT count(), sum(cityHash64(symbol, time_us, close, volume, toString(bid), \
             toString(ask_volume), sequence)) FROM {compression}.spots FINAL"
        ))
    });
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0].starts_with(&DAYS[1].records.to_string()), "{}", counts[0]);
}
