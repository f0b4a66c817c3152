//! `start_data_server` of a Hikyuu that finds our `libdataserver.so` where it looks for plugins.

use std::{fs, os::unix::fs::symlink, path::Path};

use harness::{Bench, free_port, plugin, sample};
use serde_json::{Value, json};

use super::{
    bars,
    buffer::{assert_ticks, assert_whole_day, count_ticks},
    feed::{self, SHENZHEN},
    real::{Hikyuu, Session, TYPES},
};

/// Where the wheel has its plugins.
const PLUGINS: &str = "/venv/lib/python3.13/site-packages/hikyuu/plugin";

/// What a user does once: links to all plugins, ours in place of one, and the collector's address.
fn install(hikyuu: &Hikyuu, home: &Path, feed: &str) {
    let folder = home.join(".hikyuu/plugin");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(hikyuu.inside(PLUGINS)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".so") && name != "libdataserver.so" {
            symlink(format!("{PLUGINS}/{name}"), folder.join(name)).unwrap();
        }
    }
    fs::copy(plugin("hikyuu-dropin"), folder.join("libdataserver.so")).unwrap();
    let settings = format!("[hikyuu]\nquotation_server = {feed}\n");
    fs::write(home.join(".hikyuu/hikyuu.ini"), settings).unwrap();
}

/// A Hikyuu with our library, which is not started yet.
fn owner(hikyuu: &Hikyuu, feed: &str, shared: &[&Path]) -> Session {
    let moment = SHENZHEN.at("15:30:00");
    hikyuu.start_with(&moment, &TYPES, SHENZHEN.symbols, shared, |home| install(hikyuu, home, feed))
}

fn addresses() -> [String; 2] {
    [(); 2].map(|()| format!("tcp://127.0.0.1:{}", free_port()))
}

/// Publishes the day to whoever subscribes first.
fn publish(feed: &str) {
    let bench = Bench::with_links(&["replay", "nng-pub"]);
    let sink = feed::publisher(feed, "day", 0);
    bench.pipeline(&format!("{}\n{sink}", SHENZHEN.day.source()));
    bench.run(&["run"]).assert(0, &[]);
}

/// Waits until the server at that address has every quote of the day.
#[track_caller]
fn wait_until_served(client: &mut Session, address: &str, expected: &Value) {
    for symbol in SHENZHEN.symbols {
        let (market, code) = symbol.split_at(2);
        let command = json!(["ticks", address, market, code, SHENZHEN.date]);
        let wanted = count_ticks(expected, symbol);
        client.ask_until(&command, |answer| answer.as_array().unwrap().len() == wanted);
    }
}

#[test]
fn start_data_server_with_our_library_answers_what_the_recorded_day_says() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let [feed, address] = addresses();
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    let mut owner = owner(hikyuu, &feed, &[]);
    owner.ask(json!(["serve", address, 2, false, true, ""]));
    // what runs already goes on
    owner.ask(json!(["serve", address, 2, false, true, ""]));
    publish(&feed);
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    wait_until_served(&mut client, &address, &expected);
    assert_ticks(&mut client, &address, &expected, SHENZHEN.date);
    assert_whole_day(&mut client, &address, &expected);
    // the server's threads need no lock of Python: its own process may ask as well
    assert_whole_day(&mut owner, &address, &expected);

    owner.ask(json!(["stop"]));
    owner.ask(json!(["stop"]));
    let gone = client.ask(json!(["ticks", address, "SZ", "000400", SHENZHEN.date]));
    assert_eq!(gone, json!([]));
    owner.ask(json!(["serve", address, 3, false, true, ""]));
    wait_until_served(&mut client, &address, &expected);
    assert_ticks(&mut client, &address, &expected, SHENZHEN.date);
    client.finish();
    let log = owner.finish();
    assert!(log.contains("the data server runs"), "{log}");
    assert!(!log.contains("panicked") && !log.contains("[HKU-E]"), "{log}");
}

#[test]
fn start_data_server_with_our_library_saves_ticks_where_it_is_told() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let [feed, address] = addresses();
    let lake = tempfile::tempdir().unwrap();
    let mut owner = owner(hikyuu, &feed, &[lake.path()]);
    owner.ask(json!(["serve", address, 2, true, true, lake.path()]));
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    publish(&feed);
    wait_until_served(&mut owner, &address, &expected);
    owner.ask(json!(["stop"]));
    owner.finish();
    let reader = Bench::with_links(&["null", "replay"]);
    reader.pipeline(&format!(
        "[sources.lake]\nplugin = \"replay\"\npath = \"{}\"\nspeed = 0.0\n\
         [sinks.none]\nplugin = \"null\"\ninputs = [\"lake\"]\n",
        lake.path().display()
    ));
    let run = reader.run(&["run"]);
    run.assert(0, &[]);
    assert_eq!(run.summary("lake", "out"), SHENZHEN.day.records);
}

#[test]
fn hikyuu_ends_as_ever_while_our_library_serves() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    // at the end of the script, by Ctrl-C, and without taking anything apart
    for ending in ["quit", "interrupt", "leave"] {
        let [feed, address] = addresses();
        let mut owner = owner(hikyuu, &feed, &[]);
        owner.ask(json!(["serve", address, 2, false, true, ""]));
        owner.wait_for_log("the data server runs");
        match ending {
            "quit" => owner.tell(json!(["quit"])),
            "interrupt" => owner.interrupt(),
            _ => {}
        }
        let (code, log) = owner.end();
        assert_eq!(code, if ending == "interrupt" { 130 } else { 0 }, "{ending}: {log}");
        assert!(!log.contains("panicked"), "{ending}: {log}");
    }
}

#[test]
fn hikyuus_dataserver_command_runs_our_library_until_ctrl_c() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let [feed, address] = addresses();
    let home = tempfile::tempdir().unwrap();
    install(hikyuu, home.path(), &feed);
    let mut command = hikyuu.command(home.path(), Some(&SHENZHEN.at("15:30:00")), &[]);
    command.args(["/venv/bin/dataserver", "--addr", &address, "-n", "2", "--buf", "True"]);
    let server = Session::spawn(command, home);
    server.wait_for_log("the data server runs");
    publish(&feed);
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    wait_until_served(&mut client, &address, &expected);
    assert_whole_day(&mut client, &address, &expected);
    client.finish();
    server.interrupt();
    let (code, log) = server.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the data server has stopped"), "{log}");
}

#[test]
fn what_start_data_server_cannot_do_is_said_in_the_log() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let [feed, address] = addresses();
    let mut owner = owner(hikyuu, &feed, &[]);
    let refused = "the data server does not run";
    let wrong = ["", "9201", "tcp://", "udp://127.0.0.1:1", "tcp://127.0.0.1:99999"];
    for (count, wrong) in wrong.iter().enumerate() {
        owner.ask(json!(["serve", wrong, 2, false, false, ""]));
        owner.wait_for_log_times(refused, count + 1);
        owner.ask(json!(["stop"]));
    }
    owner.ask(json!(["serve", address, 2, true, false, ""]));
    owner.wait_for_log_times(refused, wrong.len() + 1);
    assert!(owner.log().contains("parquet_path"));
    // a server that keeps no ticks says so, and Hikyuu goes on
    owner.ask(json!(["serve", address, 2, false, false, ""]));
    owner.wait_for_log("the data server runs");
    let none = owner.ask(json!(["ticks", address, "SZ", "000400", SHENZHEN.date]));
    assert_eq!(none, json!([]));
    owner.wait_for_log("buf_tick");
    assert!(
        bars::of_hikyuu(&owner.ask(json!(["bars", SHENZHEN.symbols, TYPES, SHENZHEN.date])))
            .is_empty()
    );
    owner.finish();
}
