//! What an attacker gets from the page: nothing.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use harness::Bench;

use super::{Site, market, taken};

/// What would run if a text were taken for markup.
const MARKUP: &str = "<img src=x onerror=window.hacked=1>";

#[test]
fn markup_in_a_name_in_an_error_and_in_an_address_is_text() {
    let bench = Bench::with_links(&["replay", "null"]);
    // the second row is refused, and its error quotes it; the third one keeps the host up
    bench.write(
        "day.csv",
        format!(
            "symbol,name,time,pre_close,close\n\
             600000.SH,{MARKUP},2024-01-03 09:30:00,9.4,9.5\n\
             600001.SH,b,2024-01-03 09:30:01,9.4,{MARKUP}\n\
             600000.SH,{MARKUP},2024-01-03 09:34:00,9.4,9.5\n"
        ),
    );
    let site = Site::start(
        bench,
        "",
        &("[sources.day]\nplugin = \"replay\"\npath = \"day.csv\"\n".to_owned() + &taken("day")),
    );
    let is_safe = || {
        let made = site.browser.run(
            "const made = document.querySelector('img, script:not([src])');\n\
             return window.hacked !== undefined || made !== null;",
        );
        assert_eq!(made, false);
    };
    site.open("#/quotes?symbol=600000.SH");
    site.browser.wait_text("#name", MARKUP);
    is_safe();
    site.browser.click("#watch");
    site.browser.wait_text(".table tbody td:nth-child(2)", MARKUP);
    site.browser.enter("#search", "<img");
    site.browser.wait_text(".search", "<img");
    is_safe();
    site.open("#/stores?id=day");
    site.browser.wait_text(".letters .reason", MARKUP);
    is_safe();
    site.open("#/pipeline?id=day");
    site.browser.wait_text("#panel", "replay");
    is_safe();
    site.open("#/system?component=day");
    site.browser.wait("document.querySelectorAll('#log strong').length > 0");
    is_safe();
    let odd = "%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E";
    for place in [
        format!("#/{odd}"),
        format!("#/quotes?symbol={odd}"),
        format!("#/pipeline?id={odd}"),
        format!("#/stores?id={odd}"),
        format!("#/readers?q={odd}&kind={odd}&sort={odd}"),
        format!("#/system?q={odd}&level={odd}"),
    ] {
        site.open("page/icon.svg");
        site.open(&place);
        site.browser.wait_text("#headline", "一切正常");
        is_safe();
    }
    // there is no security and no component of that name
    site.assert_quiet(&["quotes?day=", "api/dead-letter/%3C"]);
    // the last row is minutes away
}

/// A page of somebody else; gone when dropped.
struct Foreign {
    port: u16,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Foreign {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let page = "<!doctype html><title>elsewhere</title><link rel=icon href=data:,>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n",
                    page.len()
                );
                if let Ok(mut stream) = stream {
                    // browsers open connections in advance and send nothing
                    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                    drop(stream.read(&mut [0; 4096]));
                    let _ = stream.write_all((head + page).as_bytes());
                }
            }
        });
        Self { port, ended, thread: Some(thread) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // wakes it up
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_page_of_another_origin_can_neither_act_nor_read_nor_show_this_one() {
    let site =
        Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")));
    let foreign = Foreign::start();
    // another site, another port of the same one, and one of nobody
    let origins = [
        format!("http://localhost:{}/", foreign.port),
        format!("http://127.0.0.1:{}/", foreign.port),
        "data:text/html,<title>nobody</title>".to_owned(),
    ];
    let (own, pause) = (site.url(""), site.url("api/components/market/pause"));
    for origin in &origins {
        site.browser.open(origin);
        let told = site.browser.run_async(&format!(
            "const told = [];\n\
             for (const options of [\n\
               {{ method: 'POST' }}, {{ method: 'POST', mode: 'no-cors' }},\n\
               {{ method: 'POST', mode: 'no-cors', credentials: 'include', body: '{{}}' }},\n\
               {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: '{{}}' }},\n\
             ]) told.push(await fetch('{pause}', options).then((it) => it.status, () => 0));\n\
             told.push(await fetch('{own}api/pipeline').then((it) => it.status, () => 0));\n\
             told.push(await new Promise((resolve) => {{\n\
               const frame = document.createElement('iframe');\n\
               frame.onload = () => resolve(frame.contentDocument === null ? 0 : 1);\n\
               frame.src = '{own}';\n\
               document.body.append(frame);\n\
             }}));\n\
             return told;"
        ));
        // of an opaque answer there is nothing to be seen, of a frame of another origin neither
        assert_eq!(told, serde_json::json!([0, 0, 0, 0, 0, 0]), "{origin}");
        site.browser.run(&format!(
            "const form = document.createElement('form'); form.method = 'post'; form.action = '{pause}';\n\
             document.body.append(form); form.submit();"
        ));
        site.browser.wait_text("body", "a page of another site");
        assert_eq!(site.component("market")["paused"], false, "{origin}");
    }
    let kept = site.bench.read("data/audit.jsonl");
    assert!(kept.contains("\"refused (403)\"") && !kept.contains("\"done\""), "{kept}");
    // a link to it works all the same
    site.browser.open(&origins[0]);
    site.browser.run(&format!("location.href = '{own}';"));
    site.browser.wait_text("#headline", "一切正常");
}

#[test]
fn the_policy_of_the_page_lets_no_script_in_and_nothing_out() {
    let site =
        Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")));
    let foreign = Foreign::start();
    site.open("");
    site.browser.wait_text("#headline", "一切正常");
    let made = site.browser.run_async(&format!(
        "const script = document.createElement('script');\n\
         script.textContent = 'window.hacked = 1;';\n\
         document.head.append(script);\n\
         const box = document.createElement('div');\n\
         box.setAttribute('style', 'width: 1px');\n\
         const sent = await fetch('http://localhost:{}/').then(() => 1, () => 0);\n\
         return [window.hacked ?? 0, box.style.length, sent];",
        foreign.port
    ));
    assert_eq!(made, serde_json::json!([0, 0, 0]));
    let given = site.browser.run_async(
        "const heads = [];\n\
         for (const path of ['/', '/page/main.js', '/page/style.css', '/page/icon.svg', '/page/none']) {\n\
           const { headers } = await fetch(path, { cache: 'no-store' });\n\
           heads.push([headers.get('content-type').split(';')[0], headers.get('x-content-type-options'),\n\
             headers.get('content-security-policy').includes(\"frame-ancestors 'none'\")]);\n\
         }\n\
         return heads;",
    );
    let kinds = ["text/html", "text/javascript", "text/css", "image/svg+xml", "application/json"];
    let expected = kinds.map(|kind| serde_json::json!([kind, "nosniff", true]));
    assert_eq!(given, serde_json::json!(expected));
    site.assert_quiet(&["Content Security Policy", "page/none"]);
    site.end();
}

#[test]
fn the_token_is_asked_for_once_and_shown_to_nobody() {
    const TOKEN: &str = "secret-token-of-this-host";
    let site = Site::start(
        Bench::with_links(&["replay", "null"]),
        &format!("token = \"{TOKEN}\""),
        &(market() + &taken("market")),
    );
    site.open("");
    site.browser.enter("#token", "something else");
    site.browser.click("#enter");
    site.browser.wait_text("dialog .bad", "令牌不对");
    site.browser.run("document.querySelector('#token').value = '';");
    site.browser.enter("#token", TOKEN);
    site.browser.click("#enter");
    site.browser.wait("document.querySelector('dialog') === null");
    site.browser.wait_text("#headline", "一切正常");
    // the browser keeps it where no script reads it
    site.open("page/icon.svg");
    site.open("#/quotes");
    site.browser.wait_text("#name", "平安银行");
    let seen = site.browser.run("return document.cookie + JSON.stringify({ ...localStorage });");
    assert!(!seen.as_str().unwrap().contains(TOKEN), "{seen}");
    // it acts, too, until somebody logs out
    site.open("#/pipeline?id=market");
    site.browser.click("#pause");
    site.browser.click("#confirm");
    site.browser.wait_text("#pause", "恢复");
    site.open("#/quotes");
    site.browser.click("#log-out");
    site.browser.wait("document.querySelector('#token') !== null");
    let left = site.browser.run("return localStorage.getItem('dataserver.key');");
    assert_eq!(left, "\"\"");
    // others go on as before
    assert_eq!(site.host.get(site.http, "/api/pipeline", "").0, 401);
    assert_eq!(site.host.get(site.http, "/", "").0, 200, "it holds no data");
    site.assert_quiet(&["401"]);
    // in an address it is refused, and not kept
    site.browser.open(&site.url(&format!("?token={TOKEN}")));
    let refusal = site.browser.wait_text("body", "a token has no place in an address");
    assert!(!refusal.contains(TOKEN), "{refusal}");
    site.host.signal("TERM");
    let run = site.host.wait();
    run.assert(0, &[]);
    assert!(!run.stderr.contains(TOKEN), "{}", run.stderr);
    assert!(!site.bench.read("data/audit.jsonl").contains(TOKEN));
}

#[test]
fn a_host_that_is_read_only_says_so_on_every_button() {
    let site = Site::start(
        Bench::with_links(&["replay", "null"]),
        "read_only = true",
        &(market() + &taken("market")),
    );
    site.open("#/pipeline?id=market");
    site.browser.wait("document.querySelector('#pause[aria-disabled]') !== null");
    site.browser.click("#pause");
    site.browser.wait_text("#notes", "read_only");
    site.browser.wait_text("#detail", "只读");
    assert_eq!(site.component("market")["paused"], false);
    site.end();
}
