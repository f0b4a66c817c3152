//! The parts of the page that touch no document, tried in the browser that runs them.

use harness::Bench;

use super::{Site, market, taken};

#[test]
fn numbers_times_layouts_and_judgements_are_right() {
    let site =
        Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")));
    site.open("page/icon.svg");
    site.open("#/days");
    let tried = site.browser.run_async(include_str!("helpers.js"));
    assert!(tried.as_u64().unwrap() > 300, "only {tried} were tried");
    site.assert_quiet(&["api/days"]);
    site.end();
}
