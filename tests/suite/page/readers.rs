//! Consumers of real Redis groups: who lags and by how much, and handing over what a dead one had.

use harness::{Bench, Redis, wait_until};

use super::{Site, market};

/// Entries that the dead consumer holds.
const HELD: &str = "5";

/// A stream with two groups: in `traders` one consumer died with entries, `laggards` does not keep up.
fn site(server: &Redis) -> Site {
    let sink = format!(
        "[sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"market\"]\nurl = \"{}\"\n",
        server.url()
    );
    let site = Site::start(Bench::with_links(&["replay", "redis-stream"]), "", &(market() + &sink));
    let written = || server.cli(&["xlen", "spot_stream"]).parse::<u64>().unwrap_or_default();
    wait_until("entries are written", || written() >= 20);
    for (group, consumer, count) in
        [("traders", "dead", HELD), ("traders", "alive", "1"), ("laggards", "lazy", "1")]
    {
        let made = server.cli(&["xgroup", "create", "spot_stream", group, "0"]);
        assert!(made == "OK" || made.contains("BUSYGROUP"), "{made}");
        server.cli(&[
            "xreadgroup",
            "group",
            group,
            consumer,
            "count",
            count,
            "streams",
            "spot_stream",
            ">",
        ]);
    }
    site
}

fn held(server: &Redis, consumer: &str) -> usize {
    let pending = server.cli(&["xpending", "spot_stream", "traders", "-", "+", "99", consumer]);
    // an entry is four lines
    pending.lines().count() / 4
}

/// Names the button of an action in the row with that text.
fn button(site: &Site, row: &str, action: &str) -> String {
    let found = format!(
        "[...document.querySelectorAll('#view tbody tr')].find((it) => it.textContent.includes('{row}'))\
         ?.querySelector('[data-action={action}]')"
    );
    site.browser.wait(&format!("({found}) instanceof HTMLElement"));
    site.browser.run(&format!("({found}).id = '{action}-{row}';"));
    format!("#{action}-{row}")
}

#[test]
fn who_lags_is_told_in_seconds_and_a_dead_consumer_hands_over_what_it_has() {
    let server = Redis::start(&[]);
    let site = site(&server);
    site.open("#/readers");
    site.browser.wait_text("#view tbody", "dead");
    // by how many seconds: as the host says it
    let told = site.browser.wait_text("#worst", "落后最多");
    let readers = site.ask("/api/readers");
    let readers = readers["readers"].as_array().unwrap();
    let lag = |it: &serde_json::Value| it["lag_seconds"].as_f64().unwrap_or_default();
    let most = readers.iter().map(lag).fold(0.0, f64::max);
    let worst: Vec<_> = readers.iter().filter(|it| lag(it) > most - 2.0).collect();
    let names = worst.iter().filter_map(|it| it["name"].as_str());
    assert!(most > 0.0 && names.clone().any(|name| told.contains(name)), "{told}: {worst:?}");
    assert!(told.contains("秒") || told.contains("分"), "{told}");
    site.browser.screenshot("readers");

    assert_eq!(held(&server, "dead").to_string(), HELD);
    site.browser.click(&button(&site, "dead", "claim"));
    site.browser.wait("document.querySelector('#changes:not([hidden])') !== null");
    site.browser.run(
        "const to = document.querySelector('#field-to');\n\
         to.value = 'alive';\n\
         to.dispatchEvent(new Event('input'));",
    );
    site.browser.click("#preview");
    site.browser.wait("!document.querySelector('#confirm').disabled");
    assert!(!site.browser.text("#changes tbody").is_empty());
    site.browser.screenshot("claim");
    assert_eq!(held(&server, "dead").to_string(), HELD, "a preview changes nothing");
    site.browser.click("#confirm");
    site.browser.wait_text("#notes", "的条目已转交");
    assert_eq!(held(&server, "dead"), 0);

    // what cannot be done says why
    let disabled = "document.querySelector('[data-action][aria-disabled]')";
    let why = site.browser.wait(&format!("{disabled}?.title"));
    site.browser.run(&format!("{disabled}.click();"));
    site.browser.wait_text("#notes", why.as_str().unwrap());
    site.end();
}

#[test]
fn the_table_is_filtered_sorted_and_saved() {
    let server = Redis::start(&[]);
    let site = site(&server);
    // filters are part of the address
    site.open("#/readers?q=traders&sort=name");
    site.browser.wait_text("#view tbody", "dead");
    let names = "[...document.querySelectorAll('#view tbody tr')]\
                 .map((it) => it.firstElementChild.textContent)";
    let shown = site.browser.run(&format!("return {names};"));
    assert_eq!(shown, serde_json::json!(["traders / alive", "traders / dead"]));
    site.browser.run("document.querySelector('[aria-sort] button').click();");
    site.browser.wait("location.hash.includes('sort=-name')");
    site.browser.wait(&format!("{names}[0] === 'traders / dead'"));
    site.browser.enter("#reader-filter", "x");
    site.browser.wait_text("#view .table .empty:not([hidden])", "没有相符的");
    site.open("#/readers?q=traders&sort=name");
    site.browser.wait(&format!("{names}[0] === 'traders / alive'"));
    let file = site.browser.run_async(
        "const kept = URL.createObjectURL;\n\
         const saved = new Promise((resolve) => {\n\
           URL.createObjectURL = (blob) => { resolve(blob); return kept.call(URL, blob); };\n\
         });\n\
         document.querySelector('#csv').click();\n\
         return (await saved).text();",
    );
    let rows: Vec<_> = file.as_str().unwrap().lines().collect();
    assert!(rows[0].contains("id,component,kind,name,address,group,state"), "{}", rows[0]);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[1].contains("alive") && rows[2].contains("dead"), "{rows:?}");
    site.end();
}
