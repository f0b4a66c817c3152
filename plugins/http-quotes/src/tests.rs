use plugin_api::{Batch, Round, SpotListEncoder, serde_json::json};

use super::{quote::read_line, url::Url};

const NINE_FIFTEEN_US: i64 = 1_638_321_301_000_000; // 2021-12-01 09:15:01 in Shanghai

fn read(line: &str) -> Result<Batch, String> {
    let mut list = SpotListEncoder::new(1);
    read_line(line.as_bytes(), "web", 5, 7, &mut list)?;
    Ok(Batch::from_spots(&mut list, Round::WHOLE))
}

#[test]
fn a_line_becomes_a_quote_in_base_units() {
    let line = json!({
        "symbol": "600000.SH", "time": "2021-12-01T09:15:01+08:00", "name": "浦发银行",
        "pre_close": 8.5, "open": 8.51, "high": 8.6, "low": 8.4, "close": 8.55,
        "amount": 3_429_770.0, "volume": 401_100, "bid": [8.54, 8.53], "bid_volume": [100, 200],
        "ask": [8.56], "ask_volume": [300], "quality_score": null, "delivery": 3,
    });
    let batch = read(&line.to_string()).unwrap();
    let spots = batch.spots();
    let spot = spots.iter().next().unwrap();
    assert_eq!((spot.symbol().to_string(), spot.name()), ("600000.SH".to_owned(), "浦发银行"));
    assert_eq!((spot.time_us(), spot.recv_time_us()), (NINE_FIFTEEN_US, 5));
    assert_eq!((spot.amount_cny().to_string(), spot.volume_shares()), ("3429770".into(), 401_100));
    assert_eq!(spot.bid().iter().map(|it| it.to_string()).collect::<Vec<_>>(), ["8.54", "8.53"]);
    assert_eq!((spot.source(), spot.sequence()), ("web", 7));
}

#[test]
fn symbol_and_time_are_enough_for_a_quote() {
    for symbol in ["600000.SH", "sh600000"] {
        for time in [
            "2021-12-01 09:15:01",
            "2021-12-01T09:15:01",
            "2021-12-01T09:15:01+08:00",
            "2021-12-01T01:15:01Z",
            "2021-11-30T20:15:01-05:00",
        ] {
            let line = json!({ "symbol": symbol, "time": time }).to_string();
            let batch = read(&line).unwrap();
            assert_eq!(batch.spots().iter().next().unwrap().time_us(), NINE_FIFTEEN_US, "{line}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    let time = "2021-12-01T09:15:01";
    let cases = [
        // line, what the error names
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "Quote"),
        (json!({ "symbol": "600000.SH" }).to_string(), "time"),
        (json!({ "symbol": "600000", "time": time }).to_string(), "\"600000\""),
        (json!({ "symbol": "600000.SH", "time": "soon" }).to_string(), "\"soon\""),
        (json!({ "symbol": "600000.SH", "time": format!("{time} CST") }).to_string(), "CST"),
        (json!({ "symbol": "600000.SH", "time": format!("{time}+19:00") }).to_string(), "+19:00"),
        (json!({ "symbol": "600000.SH", "time": time, "volume": -1 }).to_string(), "-1"),
    ];
    for (line, named) in cases {
        let error = read(&line).err().unwrap_or_else(|| panic!("{line} was taken"));
        assert!(error.contains(named), "{line}: {error}");
    }
}

#[test]
fn urls_are_taken_apart_or_refused_with_an_example() {
    let cases = [
        // URL, encrypted, authority, path
        ("http://a", false, "a", "/"),
        ("http://a:80/", false, "a:80", "/"),
        ("https://a.b/c/d?e=f", true, "a.b", "/c/d?e=f"),
        ("https://a.b?e=f", true, "a.b", "/?e=f"),
        ("https://a.b/c#d", true, "a.b", "/c"),
    ];
    for (text, is_https, authority, path) in cases {
        let (authority, path) = (authority.to_owned(), path.to_owned());
        assert_eq!(Url::parse(text), Ok(Url { is_https, authority, path }), "{text}");
    }
    for text in ["", "a.b/c", "ftp://a", "http://", "http:///c", "http://me:secret@a", "http://a b"]
    {
        assert!(Url::parse(text).unwrap_err().contains("https://"), "{text}");
    }
}

#[test]
fn texts_speak_of_an_address_without_what_lets_somebody_in() {
    let url = Url::parse("https://h:1/v1/all?token=swordfish").unwrap();
    assert_eq!((url.path.as_str(), url.shown_path()), ("/v1/all?token=swordfish", "/v1/all"));
    for text in ["http://u:swordfish@h/x", "htp://h/x?token=swordfish"] {
        let fault = Url::parse(text).unwrap_err();
        assert!(!fault.contains("swordfish") && fault.contains("h/x"), "{fault}");
    }
}
