//! Alarms reach people: signed as their vendors ask for, once, and with their end.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Python, Redis, free_port, python};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(90);
const SECRET: &str = "SECa1b2c3d4e5f6";
/// What lets somebody write to a robot.
const TOKENS: [&str; 4] = [SECRET, "hook-token-9z8y7x", "right-token", "right-key"];

/// Robots that write down what they are sent.
struct Robots<'b> {
    bench: &'b Bench,
    port: u16,
    _server: Python,
}

impl<'b> Robots<'b> {
    fn start(bench: &'b Bench) -> Self {
        let log = bench.path("robots.log").display().to_string();
        let mut server = python("chat_robots.py", &[SECRET, &log]);
        let port = server.line().parse().unwrap();
        Self { bench, port, _server: server }
    }

    /// A target as the file has it.
    fn target(&self, kind: &str, path: &str, secret: Option<&str>) -> String {
        let secret = secret.map(|it| format!(", secret = \"{it}\"")).unwrap_or_default();
        format!("{{ kind = \"{kind}\", url = \"http://127.0.0.1:{}/{path}\"{secret} }}", self.port)
    }

    /// One of each kind, all of which take messages.
    fn all(&self) -> String {
        let targets = [
            self.target("feishu", "feishu/bot/v2/hook/hook-token-9z8y7x", Some(SECRET)),
            self.target("dingtalk", "dingtalk/robot/send?access_token=right-token", Some(SECRET)),
            self.target("wecom", "wecom/cgi-bin/webhook/send?key=right-key", None),
            self.target("json", "json", None),
        ];
        format!("to = [{}]", targets.join(", "))
    }

    fn received(&self) -> Vec<Value> {
        let log = self.bench.read("robots.log");
        // the last line may be half written
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All that one of them was sent, in one text.
    fn texts(&self, who: &str) -> String {
        let received = self.received();
        let of_one = received.iter().filter(|it| it["who"] == who);
        of_one.map(|it| format!("{}\n", it["text"].as_str().unwrap())).collect()
    }

    #[track_caller]
    fn wait_for(&self, who: &str, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.texts(who).contains(text) {
            assert!(Instant::now() < deadline, "{who} waits for {text}: {:#?}", self.received());
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

#[track_caller]
fn assert_hidden(shown: &str) {
    for token in TOKENS {
        assert!(!shown.contains(token), "{token} in {shown}");
    }
}

/// A source that goes on, and a sink that takes all.
fn pipeline(host: &str, alarms: &str, source: &str) -> String {
    format!(
        "[host]\nwatch = false\n{host}\n[alarms]\n{alarms}\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 1\npace = \"20ms\"\n{source}\n\
         [sinks.end]\nplugin = \"faulty\"\ninputs = [\"day\"]\n"
    )
}

#[test]
fn a_store_that_goes_away_and_comes_back_is_told_once_to_each_and_so_is_its_end() {
    let mut server = Redis::start(&[]);
    let bench = Bench::new(&["faulty", "redis-stream"]);
    let robots = Robots::start(&bench);
    bench.pipeline(&format!(
        "[alarms]\n{}\n[sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 5\npace = \"20ms\"\n\
         [sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"day\"]\nurl = \"{}\"\n\
         [sinks.out.retry]\nbackoff = \"50ms..200ms\"\n",
        robots.all(),
        server.url()
    ));
    let host = bench.spawn(&["run", "--log-level", "trace"]);
    host.wait_for("the pipeline runs");
    server.signal("KILL");
    let who = ["feishu", "dingtalk", "wecom", "json"];
    for who in who {
        robots.wait_for(who, "[告警] out：数据送不出去，自 ");
    }
    server.restart();
    for who in who {
        robots.wait_for(who, "[恢复] out：数据送不出去，");
    }
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &["alarms sent", "rule=\"store_away\"", "feishu 127.0.0.1"]);
    assert_hidden(&run.stderr);
    for who in who {
        let texts = robots.texts(who);
        assert_eq!(texts.matches("[告警]").count(), 1, "{texts}");
        assert_eq!(texts.matches("[恢复]").count(), 1, "{texts}");
        assert!(texts.starts_with("【dataserver】") && texts.contains("恢复后自动补送"), "{texts}");
    }
    let alarms: Vec<_> = robots.received().into_iter().filter(|it| it["who"] == "json").collect();
    let [begun, over] = [0_usize, 1].map(|at| &alarms[at]["body"]["alarms"][0]);
    assert_eq!((&begun["rule"], &begun["component"]), (&"store_away".into(), &"out".into()));
    assert_eq!((&begun["state"], &over["state"]), (&"begun".into(), &"over".into()));
    assert!(begun["until_us"].is_null());
    assert!(over["until_us"].as_i64().unwrap() > over["since_us"].as_i64().unwrap());
    assert_eq!(begun["since_us"], over["since_us"]);
}

#[test]
fn a_test_message_is_sent_to_each_and_what_each_answers_is_said() {
    let bench = Bench::new(&[]);
    let robots = Robots::start(&bench);
    let write = |to: &str| {
        bench.pipeline(&pipeline("", to, ""));
    };
    write(&robots.all());
    let tried = bench.run(&["alarms", "test", "--log-level", "trace"]);
    let answers = [
        "1 feishu 127.0.0.1:",
        "delivered, code 0 success",
        "2 dingtalk 127.0.0.1:",
        "delivered, code 0 ok",
        "3 wecom 127.0.0.1:",
        "4 json 127.0.0.1:",
        "delivered, status 200",
    ];
    tried.assert(0, &answers);
    assert_hidden(&(tried.stdout.clone() + &tried.stderr));
    for who in ["feishu", "dingtalk", "wecom", "json"] {
        let texts = robots.texts(who);
        assert!(texts.starts_with("【dataserver】") && texts.contains("[测试]"), "{texts}");
    }
    let second = bench.run(&["alarms", "test", "--to", "2", "--format", "json"]);
    let second: Value = serde_json::from_str(&second.assert(0, &[]).stdout).unwrap();
    assert_eq!((&second[0]["number"], &second[0]["delivered"]), (&2.into(), &true.into()));
    assert_eq!(second.as_array().unwrap().len(), 1);
    bench.run(&["alarms", "test", "--to", "5"]).assert(1, &["1 to 4"]);

    let refused = [
        robots.target("feishu", "feishu/hook/hook-token-9z8y7x", Some("SECwrong")),
        robots.target("dingtalk", "dingtalk?access_token=right-token", Some("SECwrong")),
        robots.target("dingtalk", "dingtalk?access_token=right-tokem", Some(SECRET)),
        robots.target("wecom", "wecom/send?key=wrong-key-5k4j", None),
        robots.target("json", "broken", None),
        robots.target("json", "silent", None),
        format!("{{ kind = \"json\", url = \"http://127.0.0.1:{}/x\" }}", free_port()),
        robots.target("json", "json", None),
    ];
    write(&format!("to = [{}]", refused.join(", ")));
    let tried = bench.run(&["alarms", "test"]);
    let remedies = [
        "1 feishu",
        "not delivered: code 19021",
        "give the robot's `secret`",
        "not delivered: code 310000 sign not match; its security settings",
        "code 300001 token is not exist",
        "code 93000 invalid webhook url, key ***",
        "not delivered: status 500",
        "no answer within 10s",
        "nothing listens there",
        "8 json",
        "delivered, status 200",
    ];
    tried.assert(1, &remedies);
    assert_hidden(&(tried.stdout.clone() + &tried.stderr));
    assert!(!tried.stdout.contains("wrong"), "{}", tried.stdout);

    write("");
    bench.run(&["alarms", "test"]).assert(1, &["no `[alarms] to`"]);
    write("to = [{ kind = \"feishu\" }]");
    bench.run(&["alarms", "test"]).assert(78, &["has no `url`"]);
}

#[test]
fn alarms_and_reports_follow_a_reload_and_one_target_that_hangs_holds_no_other_up() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let robots = Robots::start(&bench);
    let http = format!("http = \"127.0.0.1:{port}\"\nstuck_after = \"20s\"");
    // a record every 20 ms cannot keep that promise
    bench.pipeline(&pipeline(&http, "", "promise = \"1ms\""));
    let host = bench.start();
    host.wait_for("silent: the source gives no records");
    let targets = ["silent", "broken", "json"].map(|path| robots.target("json", path, None));
    let to = format!("to = [{}]", targets.join(", "));
    let reporting = format!("{http}\nreport = \"1s\"");
    bench.pipeline(&pipeline(&reporting, &to, "promise = \"1ms\""));
    assert_eq!(host.reload(port).0, 200);
    robots.wait_for("json", "[告警] day：盘中没有行情");
    host.wait_for("report of the last");
    host.wait_for("received=");
    bench.pipeline(&pipeline(&reporting, &to, "promise = \"1h\""));
    assert_eq!(host.reload(port).0, 200);
    robots.wait_for("json", "[恢复] day：盘中没有行情");
    host.wait_for("alarms wait, and are sent again and again: status 500");
    host.signal("TERM");
    host.wait().assert(0, &["alarms are as the changed file says"]);
}

#[test]
fn records_that_are_dropped_and_what_a_sandbox_denies_are_told() {
    let bench = Bench::new(&["faulty"]);
    bench.install_wasm("http-quotes");
    let robots = Robots::start(&bench);
    bench.pipeline(&format!(
        "[alarms]\nto = [{}]\nrules = [\"records_dropped\", \"plugin_denied\"]\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 100000000\nrecords = 1\npace = \"1ms\"\n\
         [sources.web]\nplugin = \"http-quotes\"\nurl = \"http://127.0.0.1:1/quotes\"\n\
         [sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\", \"web\"]\ndelay = \"200ms\"\n\
         batch = {{ max_records = 1 }}\n\
         buffer = {{ max_bytes = \"4KiB\", when_full = \"drop_oldest\" }}\n",
        robots.target("json", "json", None)
    ));
    let host = bench.start();
    robots.wait_for("json", "[告警] slow：丢弃了数据");
    robots.wait_for("json", "[告警] web：插件请求了未授权的资源");
    host.signal("TERM");
    host.wait();
    let texts = robots.texts("json");
    assert!(texts.contains("drop_oldest") && texts.contains("grants"), "{texts}");
    let rules = ["component_failed", "store_away"];
    let received = robots.received();
    let told = received.iter().flat_map(|it| it["body"]["alarms"].as_array().unwrap());
    assert!(told.clone().count() >= 2);
    assert!(!told.clone().any(|it| rules.iter().any(|rule| it["rule"] == *rule)), "{texts}");
}
