use std::{fs, path::Path, sync::Arc};

use plugin_api::{
    Ack, Batch, ErrorKind, PluginError, Round, Sink,
    serde_json::{self, Value, json},
    testing::{self, TestHost, bar_batch, spot_batch},
};

use super::FilesJson;

fn open(folder: &Path) -> Result<FilesJson, PluginError> {
    let options = testing::options(json!({ "path": "quotes.jsonl" }))?;
    FilesJson::open(options, testing::context(&Arc::default(), folder))
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("quotes.jsonl")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not whole: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_sink_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let context = testing::context(&Arc::default(), folder.path());
    testing::check_sink::<FilesJson>(&json!({ "path": "quotes.jsonl" }), context);
    assert_eq!(lines(folder.path()).len(), 14);
}

#[test]
fn records_are_written_in_base_units_with_the_number_of_their_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(folder.path()).unwrap();
    let spots = spot_batch(1, Round::WHOLE).with_delivery(7);
    assert_eq!(sink.write(&[spots, bar_batch().with_delivery(8)]).unwrap(), Ack::Held);
    let expected_spot = json!({
        "symbol": "600000.SH", "name": "测试", "time": "2021-12-01T09:15:01+08:00",
        "recv_time": null, "pre_close": 10.0, "open": 10.0, "high": 10.0, "low": 10.0,
        "close": 10.0, "amount": 10_000.0, "volume": 1_000, "bid": [10.0, 9.99],
        "bid_volume": [100, 200], "ask": [10.01], "ask_volume": [300], "source": "test",
        "quality_score": null, "phase": "auction", "delivery": 7,
    });
    let expected_bar = json!({
        "symbol": "600000.SH", "period": "1m", "time": "2021-12-01T09:31:00+08:00",
        "open": 10.0, "high": 10.2, "low": 9.9, "close": 10.1, "amount": 12_345.0,
        "volume": 1_200, "closed": true, "quality_score": null, "source": "test",
        "delivery": 8,
    });
    assert_eq!(lines(folder.path()), [expected_spot, expected_bar]);
}

#[test]
fn what_was_written_is_held_until_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(folder.path()).unwrap();
    assert_eq!(sink.write(&[spot_batch(0, Round::WHOLE)]).unwrap(), Ack::Delivered);
    assert_eq!(sink.write(&[spot_batch(2, Round::WHOLE)]).unwrap(), Ack::Held);
    assert_eq!(sink.write(&[spot_batch(0, Round::WHOLE)]).unwrap(), Ack::Held);
    assert_eq!(sink.tick().unwrap(), Ack::Delivered);
    assert_eq!(sink.write(&[spot_batch(0, Round::WHOLE)]).unwrap(), Ack::Delivered);
}

#[test]
fn a_line_that_a_crash_cut_off_is_removed_and_what_was_there_stays() {
    for (before, whole) in [("", 0), ("{\"a\":1}\n", 1), ("{\"a\":1}\n{\"b\"", 1), ("{\"b\"", 0)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("quotes.jsonl"), before).unwrap();
        let mut sink = open(folder.path()).unwrap();
        sink.write(&[spot_batch(2, Round::WHOLE)]).unwrap();
        assert_eq!(lines(folder.path()).len(), whole + 2, "{before:?}");
    }
}

#[test]
fn a_cut_line_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("quotes.jsonl"), "{\"b\"").unwrap();
    let host = Arc::<TestHost>::default();
    let options = testing::options(json!({ "path": "quotes.jsonl" })).unwrap();
    FilesJson::open(options, testing::context(&host, folder.path())).unwrap();
    assert!(host.told().logs[0].1.contains("4 bytes"), "{:?}", host.told().logs);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_of_the_options_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (path, named) in [("no/quotes.jsonl", "no"), (".", "is a folder")] {
        let options: super::Options = testing::options(json!({ "path": path })).unwrap();
        let context = testing::context(&Arc::default(), folder.path());
        let error = FilesJson::check(&options, &context).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains(named), "{error}");
        assert_eq!(FilesJson::open(options, context).err(), Some(error));
    }
}

#[test]
fn a_file_without_lines_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let other = vec![b'x'; 2 << 20];
    fs::write(folder.path().join("quotes.jsonl"), &other).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(error.message.contains("does not consist of lines"), "{error}");
    assert_eq!(fs::read(folder.path().join("quotes.jsonl")).unwrap(), other);
}

#[test]
fn a_second_instance_appends_behind_the_first() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut sink = open(folder.path()).unwrap();
        let batches: [Batch; 1] = [spot_batch(3, Round::WHOLE)];
        sink.write(&batches).unwrap();
        sink.close().unwrap();
    }
    assert_eq!(lines(folder.path()).len(), 6);
}
