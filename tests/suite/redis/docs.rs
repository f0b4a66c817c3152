//! docs/REDIS.md says what is so.

use harness::{Bench, Redis, python, repository};

use super::{numbers, to_redis};

#[test]
fn the_code_of_the_page_reads_what_the_sink_writes() {
    let server = Redis::start(&[]);
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let pipeline = numbers(5, 10) + &to_redis("numbers", &server.url(), "");
    bench.pipeline(&pipeline).run(&["run"]).assert(0, &[]);
    let page = repository().join("docs/REDIS.md").display().to_string();
    let port = server.port().to_string();
    let read = python("redis_docs.py", &[&page, &port, "spot_stream"]);
    assert_eq!(read.finish().trim(), "50 symbols");
}
