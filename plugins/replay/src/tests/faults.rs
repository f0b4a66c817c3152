//! What is said of options, files and rows that cannot be used.

use plugin_api::ErrorKind;

use super::*;

#[test]
fn every_fault_of_the_options_is_named_at_once() {
    let options = json!({
        "path": "x.csv", "speed": -1.0, "max_gap": "0s", "levels": 11, "market": "NYSE",
        "date": "2021-13-01", "symbols": ["600000", "x.y"], "from": "noon", "to": "2021-02-29",
    });
    let error = refusal(&options, Path::new("."));
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(
        error.message.lines().collect::<Vec<_>>(),
        [
            "speed is -1; give 0 or a positive number",
            "max_gap is 0; give a duration such as 5m",
            "levels is 11; give 1 to 10",
            "market is \"NYSE\"; give SH, SZ or BJ",
            "date is \"2021-13-01\"; give a day such as 2021-12-01",
            "symbol \"600000\" names no exchange; write 600000.SH or sh600000, or set `market`",
            "symbol \"x.y\" names no exchange; write 600000.SH or sh600000, or set `market`",
            "from is \"noon\"; give 2021-12-01, 2021-12-01 09:30 or 09:30",
            "to is \"2021-02-29\"; give 2021-12-01, 2021-12-01 09:30 or 09:30",
        ]
    );
    let options = json!({ "path": "x.csv", "from": "2021-12-02", "to": "2021-12-01" });
    let error = refusal(&options, Path::new("."));
    assert_eq!(error.message, "from \"2021-12-02\" is later than to \"2021-12-01\"; exchange them");
}

#[test]
fn nothing_to_play_names_the_whole_path() {
    let dir = tempfile::tempdir().unwrap();
    let error = refusal(&own("missing.csv"), dir.path());
    let shown = dir.path().join("missing.csv").display().to_string();
    assert_eq!(
        (error.kind, error.message),
        (
            ErrorKind::Config,
            format!(
                "nothing at {shown}; a relative `path` counts from the folder of pipeline.toml"
            )
        )
    );
    let error = refusal(&own("*.csv"), dir.path());
    assert!(error.message.starts_with("no file to play at"), "{error}");
    assert!(error.message.contains(&dir.path().display().to_string()), "{error}");
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(refusal(&own("empty"), dir.path()).message.starts_with("no file to play at"));
}

#[test]
fn a_missing_column_is_refused_before_anything_is_played() {
    let options = sse_2021();
    let mut columns = options["columns"].clone();
    columns["close"] = json!("LastPrice");
    columns["bid"] = json!("BuyPrice{n}");
    let error = refusal(&with(options, json!({ "columns": columns })), &samples());
    assert_eq!(error.kind, ErrorKind::Config);
    let lines: Vec<&str> = error.message.lines().collect();
    assert!(lines[0].contains("20stocks_l1.csv.gz has no column \"LastPrice\" (columns.close); it has SecurityID, DateTime,"), "{error}");
    assert!(lines[0].ends_with("did you mean \"LastPx\"?"), "{error}");
    assert!(lines[1].ends_with("did you mean \"BidPrice0\"?"), "{error}");
}

#[test]
fn bad_rows_are_named_counted_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let text = "code,time,close,volume\n\
                600000,09:30:00,1,100\n\
                600000,9h30,1,100\n\
                600000,09:30:03,1.0.0,100\n\
                600000,09:30:03,nan,100\n\
                600000,09:30:03,1,-5\n\
                ,09:30:03,1,100\n\
                600000,09:30:03\n\
                浦发,09:30:03,1,100\n\
                600000,09:30:06,2,\n";
    fs::write(dir.path().join("day.csv"), text).unwrap();
    let played = play(&own("day.csv"), dir.path());
    assert_eq!(played.brief(), ["09:30:00 600000", "09:30:06 600000"]);
    assert_eq!(played.host.counted("source_bad_rows_total"), 7);
    let file = dir.path().join("day.csv").display().to_string();
    let reasons = [
        format!(
            "{file}, row 3, column time: \"9h30\" is no time; 2021-12-01 09:30:00, \
             20211201093000000 and the like are"
        ),
        format!("{file}, row 4, column close: \"1.0.0\" is no number"),
        format!("{file}, row 5, column close: \"nan\" is not finite"),
        format!("{file}, row 6, column volume: \"-5\" is negative"),
        format!("{file}, row 7, column code: \"\" is empty"),
        format!("{file}, row 8: has 2 cells, the header has 4; give it as many"),
        format!(
            "{file}, row 9, column code: \"浦发\" is no code of six digits; write 600000.SH, or \
             600000 with `market`"
        ),
    ];
    let letters = played.host.told().dead_letters;
    assert_eq!(
        letters.iter().map(|(reason, _)| reason).collect::<Vec<_>>(),
        reasons.iter().collect::<Vec<_>>()
    );
    assert_eq!(letters[1].1, b"600000,09:30:03,1.0.0,100\n");
    let log = played.log();
    assert_eq!(log.matches("bad row set aside").count(), 5, "{log}");
    assert!(log.contains(&format!("7 bad rows of {file} were set aside")), "{log}");
}

#[test]
fn codes_without_an_exchange_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "a.csv", &["2021-12-01 09:30:00,600000,1", "09:30:00,600000.SH,1"]);
    let played = play(&json!({ "path": "a.csv", "speed": 0 }), dir.path());
    let log = played.log();
    assert!(log.contains("\"600000\" names no exchange; set `market`"), "{log}");
    assert!(log.contains("\"09:30:00\" has no date; set `date` or map a date column"), "{log}");
}

#[test]
fn damaged_files_do_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(samples().join("sse_20211201_0915_1030_20stocks_l1.csv.gz")).unwrap();
    fs::write(dir.path().join("cut.csv.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let whole = play(&sse_2021(), &samples()).rows();
    let played = play(&with(sse_2021(), json!({ "path": "cut.csv.gz" })), dir.path());
    let rows = played.rows();
    assert!(rows.len() > 5_000 && rows[..] == whole[..rows.len()], "what is there is played");
    assert!(played.log().contains("cut.csv.gz: ends too early"), "{}", played.log());
    assert!(
        played.log().contains("the file is truncated or still being written"),
        "{}",
        played.log()
    );

    let line = "SecurityID,DateTime,PreClosePx,OpenPx,HighPx,LowPx,LastPx,TotalVolumeTrade,TotalValueTrade,\
                BidPrice0,BidOrderQty0,OfferPrice0,OfferOrderQty0\n\
                600000,2021-12-01 09:30:00,1,1,1,1,1,100,100,1,100,1,100\n";
    fs::write(dir.path().join("good.csv"), line).unwrap();
    let packed = zstd::encode_all(line.repeat(50).as_bytes(), 1).unwrap();
    fs::write(dir.path().join("cut.csv.zst"), &packed[..packed.len() - 20]).unwrap();
    fs::write(dir.path().join("cut.parquet"), b"PAR1 and no footer").unwrap();
    fs::write(dir.path().join("empty.csv"), b"").unwrap();
    fs::remove_file(dir.path().join("cut.csv.gz")).unwrap();
    let played = play(&with(sse_2021(), json!({ "path": "." })), dir.path());
    assert!(played.rows().iter().any(|(code, ..)| code == "600000.SH"));
    let log = played.log();
    for name in ["cut.csv.zst: ", "cut.parquet: ", "empty.csv: is empty"] {
        assert!(log.contains(name), "{name} {log}");
    }
    let error = refusal(&with(sse_2021(), json!({ "path": "cut.parquet" })), dir.path());
    assert_eq!(error.kind, ErrorKind::Fatal, "a run of nothing fails, its options are right");
    assert!(
        error.message.contains("the file is truncated, damaged or still being written"),
        "{error}"
    );
}
