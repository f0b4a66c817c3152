//! The price of 平安银行, where it is from and how old; search; the line of a day; the watch list.

use harness::{Bench, DAYS};
use serde_json::Value;

use super::{Site, market, taken};

/// The key of that name, as WebDriver wants it.
const ENTER: &str = "\u{E007}";

fn site() -> Site {
    Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")))
}

#[test]
fn who_asks_for_nothing_sees_ping_an_bank_with_its_source_and_its_age() {
    let site = site();
    site.open("#/quotes");
    site.browser.wait_text("#name", "平安银行 000001.SZ");
    let shown = |css: &str| site.browser.text(css);
    assert_eq!((shown("#price"), shown("#change")), ("11.59".into(), "-0.10  -0.86%".into()));
    assert_eq!(shown("#fact-source"), "market");
    assert_eq!(shown("#fact-time"), "2022-11-18 16:14:09.000");
    assert_eq!(shown("#fact-volume"), "8,680.93万股");
    assert_eq!(shown("#fact-amount"), "10.11亿元");
    let level = |row: usize| {
        let row = format!("return document.querySelectorAll('#book tr')[{row}].innerText;");
        let text = site.browser.run(&row).as_str().unwrap().to_owned();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(level(0), ["卖5", "11.63", "22.79万"]);
    assert_eq!(level(4), ["卖1", "11.59", "18.56万"]);
    assert_eq!(level(5), ["买1", "11.58", "44.13万"]);
    // how old it is ticks
    let age = "Number(document.querySelector('#fact-age').textContent.replace(/[^0-9].*$/, ''))";
    site.browser.wait("/^[0-9,]+ ms/.test(document.querySelector('#fact-age').textContent)");
    site.browser.run(&format!("window.first = {age};"));
    site.browser.wait(&format!("{age} !== window.first"));
    // it fell, which is green here; who wants it the other way has that
    let colour = |of: &str| {
        site.browser.run(&format!("return getComputedStyle(document.querySelector('{of}')).color;"))
    };
    let (fallen, green) = (colour("#price"), "rgb(11, 122, 52)");
    assert_eq!(fallen, green);
    site.browser.click("#colours");
    assert_ne!(colour("#price"), green);
    site.browser.click("#colours");
    site.end();
}

#[test]
fn a_security_is_found_by_chinese_name_code_and_initials() {
    let site = site();
    site.open("#/quotes");
    site.browser.wait_text("#name", "平安银行");
    for (typed, found, symbol) in [
        ("今世", "今世缘", "603369.SH"),
        ("payh", "平安银行", "000001.SZ"),
        ("688012", "中微公司", "688012.SH"),
    ] {
        site.browser.enter("#search", typed);
        site.browser.wait_text("#matches", found);
        if typed == "今世" {
            site.browser.screenshot("search");
        }
        site.browser.enter("#search", ENTER);
        site.browser.wait(&format!("location.hash.endsWith('symbol={symbol}')"));
        site.browser.wait_text("#name", found);
        assert_eq!(site.browser.run("return document.querySelector('#search').value;"), "");
    }
    site.browser.enter("#search", "没有这个");
    site.browser.wait_text(".search .empty", "没有与“没有这个”相符的证券");
    site.open("#/quotes?symbol=999999.SH");
    site.browser.wait_text("#unknown", "没有收到 999999.SH 的行情");
    site.assert_quiet(&["day=999999.SH"]);
    site.end();
}

#[test]
fn a_recorded_day_is_a_line_with_its_volume_and_without_its_lunch() {
    let day = DAYS[2].source().replace("speed = 0.0", "speed = 600.0");
    assert!(day.contains("600.0"));
    // the other source keeps the host up when the day is over
    let both = "[sinks.out]\nplugin = \"null\"\ninputs = [\"market\", \"day\"]\n";
    let site = Site::start(Bench::with_links(&["replay", "null"]), "", &(day + &market() + both));
    site.host.wait_for("replay ended");
    site.open("#/quotes?symbol=000400.SZ");
    site.browser.wait("document.querySelectorAll('#intraday rect.volume').length > 150");
    let answer = site.ask("/api/quotes?day=000400.SZ");
    assert_eq!(answer["date"], "2022-06-01");
    assert!((answer["prev_close"].as_f64().unwrap() - 19.38).abs() < 1e-6, "{answer}");
    // from the left edge to the right one, and nothing at a time when nobody trades
    let places = site.browser.run(
        "const bars = [...document.querySelectorAll('#intraday rect.volume')];\n\
         return bars.map((it) => Number(it.getAttribute('x')));",
    );
    let places: Vec<f64> = places.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(places.windows(2).all(|it| it[0] < it[1]), "{places:?}");
    assert!(places[0] < 120.0 && *places.last().unwrap() > 690.0, "{places:?}");
    // the last minute is read out, the one under the pointer too
    let last = site.browser.text("#reading");
    assert!(last.starts_with("14:5") || last.starts_with("15:00"), "{last}");
    let left = "document.querySelector('.intraday')\
                .dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));";
    site.browser.run(&left.repeat(2));
    site.browser.wait(&format!("document.querySelector('#reading').textContent !== {last:?}"));
    site.browser.screenshot("quotes");
    site.end();
}

#[test]
fn what_is_watched_is_remembered_by_the_browser() {
    let site = site();
    site.open("#/quotes");
    site.browser.wait_text("#name", "平安银行");
    site.browser.click("#watch");
    site.open("#/quotes?symbol=688012.SH");
    site.browser.wait_text("#name", "中微公司");
    site.browser.click("#watch");
    site.open("page/icon.svg");
    site.open("#/quotes?symbol=603369.SH");
    site.browser.wait_text(".table tbody", "11.59");
    let watched = site.browser.run("return localStorage.getItem('dataserver.watch');");
    assert_eq!(watched, r#"["000001.SZ","688012.SH"]"#);
    site.end();
}
