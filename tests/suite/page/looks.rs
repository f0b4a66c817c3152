//! On a phone, in the dark, in English, and for who uses no mouse.

use harness::Bench;
use serde_json::json;

use super::{Site, market, taken};

const VIEWS: [&str; 6] = ["pipeline", "quotes", "readers", "stores", "days", "system"];
const TAB: &str = "\u{E004}";
const RETURN: &str = "\u{E006}";
const ESCAPE: &str = "\u{E00C}";

fn site() -> Site {
    Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")))
}

#[test]
fn every_view_fits_a_phone_in_both_languages_and_in_the_dark() {
    let site = site();
    site.browser.resize(390, 844);
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    for (language, well) in [("zh", "一切正常"), ("en", "All is well")] {
        for view in VIEWS {
            site.open(&format!("#/{view}"));
            site.browser.wait_text("#headline", well);
            site.browser.wait("document.querySelector('#view').childElementCount > 0");
            let wide = site.browser.run(
                "return document.documentElement.scrollWidth > document.documentElement.clientWidth;",
            );
            assert_eq!(wide, false, "{view} is wider than the screen");
            // no key stands where its words should
            let text = site.browser.text("body");
            assert!(!text.contains("undefined") && !text.contains("NaN"), "{view}: {text}");
            site.browser.screenshot(&format!("phone-{view}-{language}"));
        }
        site.browser.devtools("Emulation.setEmulatedMedia", &dark);
        if language == "zh" {
            site.browser.click("#language");
        }
    }
    let ground = site.browser.run("return getComputedStyle(document.body).backgroundColor;");
    assert_eq!(ground, "rgb(16, 20, 24)");
    site.assert_quiet(&["api/days"]);
    site.end();
}

#[test]
fn the_days_view_says_in_words_that_nobody_keeps_account_yet() {
    let site = site();
    site.open("#/days");
    let words = site.browser.wait_text("#days", "还没有记录交易日是否完整");
    assert!(words.contains("no completeness"), "{words}");
    site.assert_quiet(&["api/days"]);
    site.end();
}

#[test]
fn who_uses_no_mouse_gets_everywhere() {
    let site = site();
    site.open("");
    site.browser.wait("document.querySelector('.node[data-id=market]') !== null");
    let focused = |part: &str| {
        let css = format!("document.activeElement?.matches({})", json!(part));
        site.browser.run(&format!("return {css};")) == true
    };
    // from the start of the page to the first component, past head and banner
    let mut steps = 0;
    while !focused(".node[data-id=market]") {
        site.browser.press(TAB);
        steps += 1;
        assert!(steps < 20, "no way to the graph");
    }
    let ring = site.browser.run(
        "return getComputedStyle(document.activeElement.querySelector('.frame')).strokeWidth;",
    );
    assert_eq!(ring, "3px", "who has the focus is seen");
    site.browser.press(RETURN);
    site.browser.wait("document.activeElement.closest('#panel') !== null");
    site.browser.press(ESCAPE);
    site.browser.wait("document.querySelector('#panel') === null");
    assert!(focused(".node[data-id=market]"));
    // every control has a name
    for view in VIEWS {
        site.open(&format!("#/{view}"));
        site.browser.wait("document.querySelector('#view h1') !== null");
        let nameless = site.browser.run(
            "const all = 'button, input, select, a[href], [role=button], [tabindex=\"0\"]';\n\
             return [...document.querySelectorAll(all)]\n\
             .filter((it) => !(it.ariaLabel || it.textContent.trim() || it.labels?.length || it.title))\n\
             .map((it) => it.outerHTML);",
        );
        assert_eq!(nameless, json!([]), "{view}");
    }
    site.assert_quiet(&["api/days"]);
    site.end();
}
