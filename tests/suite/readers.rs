//! Independent readers agree with the recorded days, cell by cell and in order.

use harness::{Bench, DAYS, free_port, python, sample};

#[test]
fn subscribers_over_ipc_and_tcp_receive_every_record_of_every_day() {
    for day in DAYS {
        let bench = Bench::new(&["replay", "nng-pub"]);
        let ipc = format!("ipc://{}", bench.path("feed.ipc").display());
        let tcp = format!("tcp://127.0.0.1:{}", free_port());
        bench.pipeline(&format!(
            "{}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\n\
             listen = [\"{ipc}\", \"{tcp}\"]\nwait_subscribers = 2\n",
            day.source()
        ));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        let recorded = sample(day.file).display().to_string();
        let readers = [ipc, tcp].map(|address| python("check_feed.py", &[&address, &recorded]));
        let run = host.wait();
        run.assert(0, &[]);
        assert_eq!(run.summary("feed", "out"), day.records);
        for reader in readers {
            assert!(reader.finish().contains(&format!("{} quotes", day.records)));
        }
    }
}

#[test]
fn pandas_and_pyarrow_read_every_record_of_every_day_from_the_lake() {
    for day in DAYS {
        let bench = Bench::new(&["replay", "parquet"]);
        bench.pipeline(&format!(
            "{}\n[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n",
            day.source()
        ));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("lake", "out"), day.records);
        let (lake, recorded) = (bench.path("lake"), sample(day.file));
        let checked = python(
            "check_lake.py",
            &[&lake.display().to_string(), &recorded.display().to_string()],
        );
        assert_eq!(checked.finish().trim(), format!("{} rows", day.records));
    }
}
