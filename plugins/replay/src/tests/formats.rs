//! The same records from every kind of file.

use std::io::{Read, Write};

use fixtures::{fixture, whole_fixture};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use plugin_api::schemas::spot::shares;

use super::*;

fn unpacked(name: &str) -> String {
    let mut text = String::new();
    let file = fs::File::open(samples().join(name)).unwrap();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn packed_files_give_the_same_payloads() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = unpacked("sse_20211201_0915_1030_20stocks_l1.csv.gz")
        .split_inclusive('\n')
        .take(3_000)
        .collect();
    fs::write(dir.path().join("day.csv"), &text).unwrap();
    // two members, as `cat a.gz b.gz` makes them
    let mut gz = Vec::new();
    for half in [&text[..40_000], &text[40_000..]] {
        let mut encoder = GzEncoder::new(gz, Compression::fast());
        encoder.write_all(half.as_bytes()).unwrap();
        gz = encoder.finish().unwrap();
    }
    fs::write(dir.path().join("day.csv.gz"), gz).unwrap();
    fs::write(dir.path().join("day.csv.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap())
        .unwrap();
    let plain = play(&with(sse_2021(), json!({ "path": "day.csv" })), dir.path());
    assert_eq!(plain.rows().len(), 2_999);
    for name in ["day.csv.gz", "day.csv.zst"] {
        let packed = play(&with(sse_2021(), json!({ "path": name })), dir.path());
        assert!(packed.payloads() == plain.payloads(), "{name} differs");
    }
}

#[test]
fn vendor_parquet_gives_the_payloads_of_its_csv() {
    for (options, name) in [
        (sse_2021(), "sse_20211201_0915_1030_20stocks_full.parquet"),
        (sse_2023(), "sse_20230201_600519_full.parquet"),
        (szse_2022(), "szse_20220601_4stocks_full.parquet"),
    ] {
        let Some(file) = fixture("replay").map(|folder| folder.join(name)) else { return };
        let csv = play(&options, &samples());
        let options = with(options, json!({ "path": file, "levels": 5 }));
        let columns = play(&options, &samples());
        let (csv, columns) = (csv.payloads(), columns.payloads());
        assert_eq!(csv.len(), columns.len());
        assert!(csv == columns, "{name} differs");
        let deep = play(&with(options, json!({ "levels": 10 })), &samples());
        let deepest = deep.batches.iter().flat_map(|batch| {
            batch.spots().iter().map(|spot| spot.bid().len()).collect::<Vec<_>>()
        });
        assert_eq!(deepest.max(), Some(10));
    }
}

#[test]
fn tencent_lines_are_played_in_the_order_of_their_times() {
    let Some(folder) = whole_fixture("qq/batch") else { return };
    let options = json!({ "path": folder, "speed": 0 });
    let played = play(&options, Path::new("."));
    assert_eq!(played.rows().len(), 603 + 602 - 3, "three are not listed yet");
    let times: Vec<i64> = played.rows().into_iter().map(|(_, time_us, _)| time_us).collect();
    assert!(times.is_sorted());
    assert_eq!(played.host.counted("source_bad_rows_total"), 0);
    assert!(played.log().contains("sorted"), "{}", played.log());
    let spots = played.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>());
    let star = spots.clone().find(|spot| spot.code() == "688001").unwrap();
    assert_eq!(
        (star.name(), star.volume_shares(), shares(star.bid_lots().iter().next().unwrap())),
        ("华兴源创", 2_378_123, 9_531)
    );
    let composite = spots.clone().find(|spot| spot.symbol().to_string() == "000001.SH").unwrap();
    assert_eq!(
        (composite.volume_shares(), composite.to_wire().volume),
        (29_995_427_600, 2_999_542.76)
    );
}

#[test]
fn tencent_lines_kept_as_utf8_read_alike() {
    let file = fixture("qq/single/main_sh.gbk.txt").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text = plugin_api::schemas::qq::decode(&fs::read(&file).unwrap()).into_owned();
    fs::write(dir.path().join("utf8.txt"), &text).unwrap();
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    fs::write(dir.path().join("utf8.txt.zst"), packed).unwrap();
    let gbk = play(&json!({ "path": file, "speed": 0 }), dir.path());
    for name in ["utf8.txt", "utf8.txt.zst"] {
        let utf8 = play(&json!({ "path": name, "speed": 0, "format": "qq" }), dir.path());
        assert!(utf8.payloads() == gbk.payloads());
    }
}

#[test]
fn names_and_headers_in_gbk_are_read() {
    let dir = tempfile::tempdir().unwrap();
    // 代码,时间,现价,名称 and 浦发银行
    let mut file =
        b"\xb4\xfa\xc2\xeb,\xca\xb1\xbc\xe4,\xcf\xd6\xbc\xdb,\xc3\xfb\xb3\xc6\n".to_vec();
    file.extend(b"600000,09:30:00,9.4,\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0\n");
    fs::write(dir.path().join("gbk.csv"), file).unwrap();
    let columns = json!({ "code": "代码", "time": "时间", "close": "现价", "name": "名称" });
    let played = play(&with(own("gbk.csv"), json!({ "columns": columns })), dir.path());
    let spots = played.batches[0].spots();
    assert_eq!(spots.iter().next().map(|spot| spot.name()), Some("浦发银行"));
}

#[test]
fn lots_and_ten_thousands_become_base_units() {
    let dir = tempfile::tempdir().unwrap();
    let text = "symbol,time,close,volume,amount,bid1,bid_volume1,bid2,bid_volume2,bid3,bid_volume3\n\
                600000.SH,2021-12-01 09:30:00,9.4,12.34,22816.8610,9.39,5,,,9.37,\n";
    fs::write(dir.path().join("lots.csv"), text).unwrap();
    let units = json!({ "volume": "lots", "amount": "10k_cny" });
    let played = play(&json!({ "path": "lots.csv", "speed": 0, "units": units }), dir.path());
    let spots = played.batches[0].spots();
    let spot = spots.iter().next().unwrap();
    assert_eq!((spot.volume_shares(), spot.amount_cny()), (1_234, 228_168_610.0));
    assert_eq!(spot.bid().iter().collect::<Vec<_>>(), [9.39, 0.0, 9.37], "a hole is 0");
    assert_eq!(spot.bid_lots().iter().collect::<Vec<_>>(), [5.0], "an absent end is left out");
}
