//! Files as people really have them: other encodings, other programs, damage within.

use super::*;

const ROWS: [&str; 3] = [
    "600000.SH,2021-12-01 09:30:00,9.4,浦发银行",
    "000001.SZ,2021-12-01 09:30:03,17.5,平安银行",
    "",
];

fn table() -> String {
    format!("symbol,time,close,name\r\n{}", ROWS.join("\r\n"))
}

fn read(dir: &Path, name: &str) -> Vec<(String, f64, String)> {
    let played = play(&json!({ "path": name, "speed": 0 }), dir);
    let spots = played.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>());
    spots.map(|it| (it.symbol().to_string(), it.close(), it.name().to_owned())).collect()
}

#[test]
fn text_in_any_encoding_reads_alike() {
    let dir = tempfile::tempdir().unwrap();
    let table = table();
    let utf16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    };
    let marked = format!("\u{feff}{table}");
    for (name, bytes) in [
        ("utf8.csv", table.clone().into_bytes()),
        ("utf8_mark.csv", marked.clone().into_bytes()),
        ("gbk.csv", encoding_rs::GBK.encode(&table).0.into_owned()),
        ("utf16_le.csv", utf16(&marked, u16::to_le_bytes)),
        ("utf16_be.csv", utf16(&marked, u16::to_be_bytes)),
        ("utf16_le_plain.csv", utf16(&table, u16::to_le_bytes)),
        ("utf16_be_plain.csv", utf16(&table, u16::to_be_bytes)),
        ("old_mac.csv", table.replace("\r\n", "\r").into_bytes()),
        ("packed.csv", zstd::encode_all(&utf16(&marked, u16::to_le_bytes)[..], 1).unwrap()),
        ("named_wrongly.parquet", table.clone().into_bytes()),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        let expected = [
            ("600000.SH".to_owned(), 9.4, "浦发银行".to_owned()),
            ("000001.SZ".to_owned(), 17.5, "平安银行".to_owned()),
        ];
        assert_eq!(read(dir.path(), name), expected, "{name}");
    }
}

#[test]
fn tencent_lines_from_a_windows_shell_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let line = "v_sh600000=\"damaged\r\n";
    let text: Vec<u8> =
        format!("\u{feff}{line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(dir.path().join("day.txt"), text).unwrap();
    let played = play(&json!({ "path": "day.txt", "speed": 0 }), dir.path());
    let letters = played.host.told().dead_letters;
    assert_eq!(letters[0].1, b"v_sh600000=\"damaged", "{}", played.log());
}

#[test]
fn what_is_no_table_is_called_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, what) in [
        (
            "book.csv",
            &b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml"[..],
            "Excel workbook",
        ),
        ("zip.csv", b"PK\x03\x04\x14\0\0\0\x08\0day.csv\x1b[31m", "ZIP archive"),
        ("page.csv", b"<html><body>404</body></html>", "HTML"),
        ("lines.txt", b"{\"symbol\":\"600000.SH\"}\n", "JSON"),
        ("base.csv", b"SQLite format 3\0\x10\0\x01\x01", "SQLite"),
        ("deep.csv", b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
        ("noise.csv", b"\x01\x02\x03\x1b[2J\x07\xff\n", "binary data"),
        ("gz.parquet", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", "packed with gzip"),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        let error = refusal(&json!({ "path": name, "speed": 0 }), dir.path());
        assert!(error.message.contains(what) && error.message.contains(name), "{name}: {error}");
        assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
    }
    let error = refusal(&json!({ "path": "page.csv", "format": "parquet" }), dir.path());
    assert!(error.message.contains("is HTML, not Parquet"), "{error}");
    fs::write(dir.path().join("day.csv"), table()).unwrap();
    let error = refusal(&json!({ "path": "day.csv", "format": "parquet" }), dir.path());
    assert!(error.message.contains("is text, not Parquet; leave `format` out"), "{error}");
}

#[test]
fn an_unclosed_quote_costs_one_row_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..20 {
        for quote in ["\"600000.SH", "600000.SH\"\""] {
            let mut lines: Vec<String> =
                (0..20).map(|n| format!("2021-12-01 09:30:{n:02},600000.SH,{n}")).collect();
            lines[at] = lines[at].replace("600000.SH", quote);
            if quote.ends_with('"') {
                lines[at] = lines[at].replace(",6000", ",\"6000");
            }
            write_own(dir.path(), "day.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
            let played = play(&json!({ "path": "day.csv", "speed": 0 }), dir.path());
            assert_eq!(played.rows().len(), 19, "{at}: {}", played.log());
            let letters = played.host.told().dead_letters;
            assert_eq!(letters.len(), 1);
            let told = format!("row {}: opens a quote that is not closed: 1 line of", at + 2);
            assert!(letters[0].0.contains(&told), "{}", letters[0].0);
        }
    }
    fs::write(dir.path().join("head.csv"), "\"symbol,time,close\n600000.SH,x,1\n").unwrap();
    let error = refusal(&json!({ "path": "head.csv" }), dir.path());
    assert!(error.message.contains("row 1, the header, opens a quote"), "{error}");
}

#[test]
fn codes_are_six_digits_or_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let good = [
        ("600519.XSHG", "600519.SH"),
        ("000001.XSHE", "000001.SZ"),
        ("sz.000001", "000001.SZ"),
        ("SZ000001", "000001.SZ"),
        ("000001.SZSE", "000001.SZ"),
        ("600519.0", "600519.SH"),
        ("600519", "600519.SH"),
        ("1", "000001.SH"),
        ("\"=\"\"600519\"\"\"", "600519.SH"),
        ("bj430047", "430047.BJ"),
    ];
    let bad = ["600519SH", "ABC", "0", "6005190", "600519.HK", "nan", "60051９", "-1"];
    let lines: Vec<String> = good
        .iter()
        .map(|(text, _)| *text)
        .chain(bad)
        .map(|text| format!("2021-12-01 09:30:00,{text},1"))
        .collect();
    write_own(dir.path(), "a.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let played = play(&json!({ "path": "a.csv", "speed": 0, "market": "SH" }), dir.path());
    let codes: Vec<_> = played.rows().into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, good.map(|(_, code)| code.to_owned()));
    let letters = played.host.told().dead_letters;
    assert_eq!(letters.len(), bad.len());
    for ((reason, _), text) in letters.iter().zip(bad) {
        assert!(reason.contains(&format!("column code: \"{text}\"")), "{reason}");
        assert!(reason.contains("; ") || reason.contains("SH, SZ and BJ"), "{reason}");
    }
}

#[test]
fn a_zone_is_honoured() {
    let dir = tempfile::tempdir().unwrap();
    let times = [
        "2021-12-01T01:30:00Z",
        "2021-12-01 01:30:00+00:00",
        "2021-12-01 01:30:00.000000 +0000",
        "2021-12-01T09:30:00+08:00",
        "2021-11-30 20:30:00-05",
        "20211201T013000Z",
        "2021-12-01 09:30:00",
    ];
    let lines: Vec<String> = times.iter().map(|time| format!("{time},600000.SH,1")).collect();
    write_own(dir.path(), "a.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let played = play(&json!({ "path": "a.csv", "speed": 0 }), dir.path());
    assert_eq!(played.brief(), ["09:30:00 600000"; 7]);
}

#[test]
fn a_column_that_is_there_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.csv"), "symbol,time,close,close\n600000.SH,x,1,2\n").unwrap();
    let error = refusal(&json!({ "path": "a.csv" }), dir.path());
    assert_eq!(error.kind, plugin_api::ErrorKind::Config);
    assert!(error.message.contains("has column \"close\" 2 times, as columns 3, 4"), "{error}");
}
