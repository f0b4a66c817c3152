//! Reloading from the page: the plan first, then the change. The log and the plugins below it.

use harness::Bench;

use super::{Site, market, taken};

#[test]
fn the_plan_is_shown_before_it_is_applied_and_a_fault_changes_nothing() {
    let before = market() + &taken("market");
    let site = Site::start(Bench::with_links(&["replay", "null"]), "", &before);
    site.open("#/system");
    site.browser.wait_text("#view", "pipeline.toml");
    // without a plan there is nothing to apply
    site.browser.wait("document.querySelector('#apply[aria-disabled]') !== null");
    site.write(&(before.clone() + "[sinks.more]\nplugin = \"null\"\ninputs = [\"market\"]\n"));
    site.browser.click("#check");
    site.browser.wait_text("#plan .added", "more");
    site.browser.wait_text("#plan .kept", "out");
    site.browser.screenshot("plan");
    let components = || site.ask("/api/pipeline")["components"].as_array().unwrap().len();
    assert_eq!(components(), 2, "a plan changes nothing");
    site.browser.wait("document.querySelector('#apply:not([aria-disabled])') !== null");
    site.browser.click("#apply");
    site.browser.wait_text("#plan", "已在");
    assert_eq!(components(), 3);
    site.write(&(before + "[sinks.odd]\nplugin = \"nul\"\ninputs = [\"market\"]\n"));
    site.browser.click("#check");
    site.browser.wait_text("#plan .reason", "nul");
    site.browser.wait("document.querySelector('#apply[aria-disabled]') !== null");
    assert_eq!(components(), 3);
    // the browser itself notes that an answer had a code of failure
    site.assert_quiet(&["api/reload"]);
    site.end();
}

#[test]
fn the_log_is_filtered_by_level_and_component_and_plugins_are_listed() {
    let bench = Bench::with_links(&["replay", "null", "faulty"]);
    bench.write("plugins/broken.so", "no library");
    let site = Site::start(
        bench,
        "",
        &(market()
            + &taken("market")
            + "[sinks.bad]\nplugin = \"faulty\"\ninputs = [\"market\"]\n\
               call = \"write\"\nhow = \"bad_data\"\n"),
    );
    site.open("#/system");
    site.browser.wait_text("#log", "bad");
    site.browser.wait("document.querySelectorAll('#log .info').length > 0");
    site.browser.run(
        "const it = document.querySelector('#level');\n\
         it.value = 'warn';\n\
         it.dispatchEvent(new Event('change'));",
    );
    site.browser.wait("location.hash.includes('level=warn')");
    site.browser.wait("document.querySelectorAll('#log .info').length === 0");
    site.open("#/system?component=bad");
    site.browser.wait(
        "[...document.querySelectorAll('#log strong')].every((it) => it.textContent === 'bad')",
    );
    site.browser.wait_text("#view", "broken.so");
    for plugin in ["replay", "null", "faulty"] {
        site.browser.wait_text("#view .table tbody", plugin);
    }
    site.browser.screenshot("system");
    site.assert_quiet(&[]);
}
