//! Five hosts read one stream: each everything, or each its part.

use harness::{Bench, Redis, python};

use super::{LOG, Running, from_redis, numbers, to_redis, wait_until};

/// Records of the stream.
const RECORDS: u64 = 1_000_000;
const IN_A_BATCH: u64 = 2_000;
const HOSTS: usize = 5;

/// Fills streams with records numbered from 1, an entry a batch.
fn fill(server: &Redis, more: &str) {
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let sink = to_redis("numbers", &server.url(), &format!("format = \"flatbuffers\"\n{more}"));
    let pipeline = numbers(RECORDS / IN_A_BATCH, IN_A_BATCH) + &sink;
    bench.pipeline(&pipeline).run(&["run"]).assert(0, &[]);
}

/// A host that reads as that client.
fn reader(bench: &Bench, server: &Redis, client: usize, more: &str) -> Running {
    let more = format!("consumer = \"c{client}\"\n{more}");
    Running::start(bench, &(from_redis(&server.url(), &more) + LOG))
}

fn benches() -> Vec<Bench> {
    (0..HOSTS).map(|_| Bench::new(&["redis-stream", "faulty"])).collect()
}

/// Numbers that the clients wrote down, sorted.
fn logged<'a>(benches: impl IntoIterator<Item = &'a Bench>) -> Vec<u64> {
    let mut numbers: Vec<_> = benches.into_iter().flat_map(|it| it.sequences("log")).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn in_broadcast_mode_each_client_has_every_record_once() {
    let server = Redis::start(&[]);
    fill(&server, "");
    let benches = benches();
    let hosts: Vec<_> = benches
        .iter()
        .enumerate()
        .map(|(client, bench)| reader(bench, &server, client, "mode = \"broadcast\""))
        .collect();
    wait_until("all records in each", || hosts.iter().all(|host| host.delivered("log") >= RECORDS));
    hosts.into_iter().for_each(Running::end);
    for bench in &benches {
        assert!(logged([bench]).into_iter().eq(1..=RECORDS));
    }
}

#[test]
fn in_shared_and_sharded_mode_each_record_is_given_to_one_client() {
    let server = Redis::start(&[]);
    fill(&server, "shards = 10");
    for (mode, batch) in [("shared", 5), ("sharded", 1)] {
        let benches = benches();
        let hosts: Vec<_> = benches
            .iter()
            .enumerate()
            .map(|(client, bench)| {
                let own = match mode {
                    "sharded" => format!("own = [{client}, {}]", client + HOSTS),
                    _ => String::new(),
                };
                let more = format!(
                    "mode = \"{mode}\"\ngroup = \"{mode}\"\nshards = 10\nbatch_records = {batch}\n{own}"
                );
                reader(bench, &server, client, &more)
            })
            .collect();
        wait_until("all records in one of them", || {
            hosts.iter().map(|host| host.delivered("log")).sum::<u64>() >= RECORDS
        });
        hosts.into_iter().for_each(Running::end);
        assert!(logged(&benches).into_iter().eq(1..=RECORDS), "{mode}");
        if mode == "sharded" {
            assert!(benches.iter().all(|bench| !logged([bench]).is_empty()));
        }
    }
}

#[test]
fn what_a_killed_client_had_is_taken_over_by_the_others() {
    let server = Redis::start(&[]);
    fill(&server, "");
    let benches = benches();
    let mut hosts: Vec<_> = benches
        .iter()
        .enumerate()
        .map(|(client, bench)| {
            // the first one takes and never delivers, but for its first batch
            let sink =
                if client == 0 { "call = \"write\"\nhow = \"block\"\nafter = 1\n" } else { "" };
            let more = format!("consumer = \"c{client}\"\nclaim_after = \"2s\"\nbatch_records = 4");
            Running::start(bench, &(from_redis(&server.url(), &more) + LOG + sink))
        })
        .collect();
    wait_until("the first client has entries", || {
        let pending =
            server.cli(&["xpending", "spot_stream", "minute_bar_consumers", "-", "+", "9", "c0"]);
        !pending.is_empty()
    });
    let killed = hosts.remove(0);
    killed.host.signal("KILL");
    killed.host.wait();
    let before = logged(&benches[..1]).len() as u64;
    wait_until("all that is left in the others", || {
        hosts.iter().map(|host| host.delivered("log")).sum::<u64>() + before >= RECORDS
    });
    hosts.into_iter().for_each(Running::end);
    let mut logged = logged(&benches);
    // what the killed one had delivered and not acknowledged may be there twice
    logged.dedup();
    assert!(logged.into_iter().eq(1..=RECORDS));
    let pending = server.cli(&["xpending", "spot_stream", "minute_bar_consumers"]);
    assert_eq!(pending.lines().next(), Some("0"), "{pending}");
}

#[test]
fn a_killed_owner_of_shards_goes_on_where_its_lake_is() {
    let server = Redis::start(&[]);
    fill(&server, "shards = 4");
    let bench = Bench::new(&["redis-stream", "parquet"]);
    let more = "shards = 4\nmode = \"sharded\"\nconsumer = \"a\"\nbatch_records = 2";
    let pipeline = from_redis(&server.url(), more)
        + "[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"stream\"]\npath = \"lake\"\n\
           row_group_records = 5000\nflush_interval = \"100ms\"\n";
    for _ in 0..3 {
        let running = Running::start(&bench, &pipeline);
        wait_until("some more", || {
            running.delivered("lake") >= RECORDS / 5 || is_drained(&server, 4)
        });
        running.host.signal("KILL");
        running.host.wait();
    }
    let running = Running::start(&bench, &pipeline);
    wait_until("all is acknowledged", || is_drained(&server, 4));
    running.end();
    let lake = bench.path("lake").display().to_string();
    let printed = python("redis_lake.py", &[&lake, &RECORDS.to_string()]).finish();
    assert_eq!(printed.trim(), format!("{RECORDS} records"));
}

/// Whether nothing is left to give out or to acknowledge in the shards.
fn is_drained(server: &Redis, shards: u64) -> bool {
    (0..shards).all(|shard| {
        let stream = format!("spot_stream:{{{shard}}}");
        let groups = server.cli(&["xinfo", "groups", &stream]);
        let is_zero = |name: &str| {
            let mut lines = groups.lines().skip_while(|line| *line != name);
            lines.nth(1) == Some("0")
        };
        is_zero("lag") && is_zero("pending")
    })
}
