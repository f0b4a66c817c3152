//! A recorded day goes through Redis and is the same, cell by cell.

use harness::{Bench, DAYS, Redis, python, repository, sample};

use super::{Running, from_redis, wait_until};

#[test]
fn an_independent_reader_finds_every_field_of_every_day_in_the_streams() {
    let server = Redis::start(&[]);
    let schema = repository().join("schemas/spot.fbs").display().to_string();
    for (index, day) in DAYS.iter().enumerate() {
        let bench = Bench::new(&["replay", "redis-stream"]);
        let mut pipeline = day.source();
        // shards are the same for every day
        let ways = [("fields", 0), ("flatbuffers", 0), ("fields", 3), ("flatbuffers", 3)];
        let ways = &ways[..if index == 1 { 4 } else { 2 }];
        let named = |format, shards| format!("{format}{shards}_{index}");
        for &(format, shards) in ways {
            pipeline += &format!(
                "[sinks.{format}{shards}]\nplugin = \"redis-stream\"\ninputs = [\"day\"]\n\
                 url = \"{}\"\nformat = \"{format}\"\nshards = {shards}\nstream = \"{}\"\n",
                server.url(),
                named(format, shards)
            );
        }
        let run = bench.pipeline(&pipeline).run(&["run"]);
        run.assert(0, &[]);
        for &(format, shards) in ways {
            assert_eq!(run.summary(&format!("{format}{shards}"), "out"), day.records);
            let (port, shards, stream) =
                (server.port().to_string(), shards.to_string(), named(format, shards));
            let recorded = sample(day.file).display().to_string();
            let arguments = [&port, &recorded, &stream, format, &shards, &schema];
            let checked = python("redis_check.py", &arguments.map(AsRef::as_ref));
            assert_eq!(checked.finish().trim(), format!("{} records", day.records), "{stream}");
        }
    }
}

#[test]
fn the_lake_of_another_host_is_the_recorded_day() {
    let (server, day) = (Redis::start(&[]), DAYS[2]);
    for format in ["fields", "flatbuffers"] {
        let (near, far) =
            (Bench::new(&["replay", "redis-stream"]), Bench::new(&["redis-stream", "parquet"]));
        near.pipeline(&format!(
            "{}\n[sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"day\"]\nurl = \"{}\"\n\
             format = \"{format}\"\nstream = \"{format}\"\n",
            day.source(),
            server.url()
        ));
        near.run(&["run"]).assert(0, &[]);
        let source = from_redis(&server.url(), "").replace("spot_stream", format);
        let running = Running::start(
            &far,
            &format!(
                "{source}[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"stream\"]\npath = \"lake\"\n"
            ),
        );
        wait_until("the whole day", || {
            running.host.metric(running.http, "dataserver_records_in_total", "\"lake\"")
                >= f64::from(u32::try_from(day.records).unwrap())
        });
        running.end();
        let pending = server.cli(&["xpending", format, "minute_bar_consumers"]);
        assert_eq!(pending.lines().next(), Some("0"), "{pending}");
        let checked = python(
            "check_lake.py",
            &[&far.path("lake").display().to_string(), &sample(day.file).display().to_string()],
        );
        assert_eq!(checked.finish().trim(), format!("{} rows", day.records));
    }
}
