//! The calendar of whole days, with a real ledger.

use harness::{Bench, DAYS, python, sample};

use super::Site;

/// Presses Enter.
const RETURN: &str = "\u{E006}";

/// A site whose ledger knows 2022-06-01 without the time from 10:00:31 to 13:30:07; a quote of that day
/// keeps the host up.
fn site() -> Site {
    let bench = Bench::with_links(&["replay", "ledger", "null"]);
    let whole = sample(DAYS[2].file).display().to_string();
    let folder = python("split_day.py", &[&whole, "10:00:31", "13:30:07"]).finish();
    let folder = folder.trim().to_owned();
    std::fs::remove_file(format!("{folder}/1.csv.gz")).unwrap();
    let ledger = "[sinks.ledger]\nplugin = \"ledger\"\ninputs = [\"day\"]\npath = \"days.db\"\n";
    bench.pipeline(&format!("{}{ledger}", DAYS[2].source_of(&format!("{folder}/*.csv.gz"))));
    bench.run(&["run"]).assert(0, &[]);
    std::fs::remove_dir_all(folder).unwrap();
    bench.write(
        "waiting.csv",
        "symbol,time,close\n000400.SZ,2022-06-01 15:30:00,1\n000400.SZ,2022-06-01 15:34:00,1\n",
    );
    let source = "[sources.day]\nplugin = \"replay\"\npath = \"waiting.csv\"\n";
    Site::start(bench, "", &format!("{source}{ledger}"))
}

#[test]
fn the_calendar_shows_each_day_by_its_completeness_and_what_it_lacks() {
    let site = site();
    // the page asks for the last three months, and the recorded day is older
    let real = "const ask = window.fetch; window.fetch = (path, options) =>\n\
                ask(path === 'api/days' ? 'api/days?from=2022-05-30&to=2022-06-06' : path, options);";
    let parameters = serde_json::json!({ "source": real });
    site.browser.devtools("Page.addScriptToEvaluateOnNewDocument", &parameters);
    site.open("#/days");
    site.browser.wait_text("#days", "个交易日中有 0 个完整");
    assert!(site.browser.text("#calendar").contains("2022-06"));
    // it is told by a colour, and in words
    let day = "document.getElementById('day-2022-06-01')";
    site.browser.wait(&format!("/^level-[0-3]/.test({day}.className)"));
    site.browser.wait(&format!("{day}.ariaLabel.startsWith('2022-06-01 不完整')"));
    site.browser.wait("document.getElementById('day-2022-06-03').classList.contains('off')");
    site.browser.screenshot("days");
    // with the keyboard alone
    site.browser.run(&format!("{day}.focus();"));
    site.browser.press(RETURN);
    site.browser.wait("location.hash === '#/days?date=2022-06-01'");
    site.browser.wait_text("#gaps h2", "2022-06-01 缺少的数据");
    site.browser.wait_text("#gaps tbody", "全市场");
    site.browser.wait(&format!("{day}.ariaPressed === 'true'"));
    site.browser.screenshot("days-gaps");
    site.browser.click("#language");
    site.browser.wait_text("#gaps tbody", "whole market");
    site.browser.resize(390, 844);
    let wide = site
        .browser
        .run("return document.documentElement.scrollWidth > document.documentElement.clientWidth;");
    assert_eq!(wide, false);
    // a day that is none is told as such, as text
    site.open("#/days?date=%3Cimg%20src%3Dx%3E");
    site.browser.wait_text("#gaps", "is no day");
    site.assert_quiet(&["api/days/%3Cimg"]);
    site.end();
}
