//! Why a record was refused, and sending it again; what waits for a store.

use harness::Bench;

use super::Site;

#[test]
fn a_refused_record_is_shown_with_the_reason_and_sent_again() {
    // as in `dead_letter.rs`: the first five records are refused one by one, and then no more
    let site = Site::start(
        Bench::with_links(&["faulty"]),
        "",
        "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\nsymbols = 1000000000\n\
         pace = \"5ms\"\n\
         [sinks.last]\nplugin = \"faulty\"\ninputs = [\"day\"]\nlog = \"last.log\"\n\
         batch = { max_records = 5 }\n\
         call = \"write\"\nhow = \"bad_data\"\ncounter = \"counter\"\ntimes = 9\n",
    );
    site.open("");
    site.browser.wait_text("#problems", "last 拒收了 5 封");
    assert_eq!(site.browser.text("#headline"), "一切正常");
    // the banner leads there
    site.browser.click("#problems a");
    site.browser.wait("location.hash === '#/stores?id=last'");
    site.browser.wait_text("#letters h2", "last 拒收的数据：5");
    site.browser.wait("document.querySelectorAll('.letters > li').length === 5");
    assert!(site.browser.text(".letters .reason").contains("told to fail in write"));
    site.browser.click(".letters summary");
    site.browser.wait_text(".letters details", "600001");
    site.browser.screenshot("refused");
    site.browser.click("#replay");
    site.browser.click("#confirm");
    site.browser.wait_text("#progress", "送达 5 条，再次拒收 0 条");
    site.browser.wait_text("#letters h2", "last 拒收的数据：0");
    site.browser.wait_text("#letters", "没有拒收的数据");
    let mut written = site.bench.sequences("last.log");
    written.sort_unstable();
    assert_eq!(written[..5], [1, 2, 3, 4, 5]);
    site.end();
}

#[test]
fn what_waits_for_a_store_is_told_in_records_bytes_and_seconds() {
    let site = Site::start(
        Bench::with_links(&["faulty"]),
        "drain_timeout = \"1s\"",
        "[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\npace = \"20ms\"\n\
         [sinks.db]\nplugin = \"faulty\"\ninputs = [\"day\"]\ncall = \"write\"\nhow = \"retry\"\n\
         buffer = { type = \"disk\" }\n",
    );
    site.open("#/stores");
    let cell = |column: usize| {
        format!("document.querySelector('#view tbody tr').children[{column}].textContent")
    };
    site.browser.wait(&format!("{}.includes('磁盘')", cell(4)));
    site.browser.wait(&format!("Number({}.replaceAll(',', '')) > 20", cell(5)));
    site.browser.wait(&format!("/ (B|KiB|MiB)$/.test({})", cell(6)));
    site.browser.wait(&format!("/秒|分/.test({})", cell(7)));
    site.browser.screenshot("stores");
    site.assert_quiet(&[]);
}
