//! A real Chromium, driven by its own chromedriver over the WebDriver protocol.
//!
//! The protocol is a few requests in JSON. What these tests look at besides (the console, the heap,
//! a frozen page, dark colours) are requests of Chromium's own, which no client library has calls for.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::{repository, servers::server_port, waiting::comes_true};

/// Longest wait for anything that must happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest wait for an answer of the driver.
const ANSWER: Duration = Duration::from_secs(120);
/// Attempts to find a port that nobody else takes before the driver does.
const ATTEMPTS: usize = 10;
/// Key of an element's id in an answer, by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Browsers take much memory and both processors: one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A browser with a profile of its own; ended when dropped.
pub struct Browser {
    session: String,
    agent: Agent,
    driver: Child,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one whose user reads that language, e.g. `zh-CN`. Waits for its turn.
    pub fn start(language: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().unwrap();
        let options = options(language, &profile.path().display().to_string());
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        let agent: Agent = config.into();
        let (driver, address) = driver(&agent);
        let mut browser = Self { session: address, agent, driver, _profile: profile, _turn: turn };
        let answer = browser.must("POST", "/session", &options);
        let id = answer["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    /// Goes to an address and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.must("POST", "/url", &json!({ "url": url }));
    }

    /// What the body of a function returns that is run in the page.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.must("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the body of an asynchronous function returns; an error within it fails the test.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        let told = "const tell = arguments[arguments.length - 1];";
        let script = format!(
            "{told}\n(async () => {{\n{script}\n}})().then((value) => tell({{ value: value ?? null }}), \
             (error) => tell({{ error: String(error?.stack ?? error) }}));"
        );
        let answer = self.must("POST", "/execute/async", &json!({ "script": script, "args": [] }));
        assert!(answer["error"].is_null(), "{}", answer["error"].as_str().unwrap_or_default());
        answer["value"].clone()
    }

    /// Waits until an expression in the page is true, and gives its value. One that fails, because an
    /// element is not there yet, is not true yet.
    #[track_caller]
    pub fn wait(&self, expression: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let url = format!("{}/execute/sync", self.session);
        let script = json!({ "script": format!("return {expression};"), "args": [] });
        loop {
            let value = ask(&self.agent, "POST", &url, &script);
            if value.as_ref().is_ok_and(is_true) {
                return value.unwrap_or_default();
            }
            let shown = || self.run("return document.body.innerText;");
            let late = || format!("waited for {expression}: {value:?}; there is\n{}", shown());
            assert!(Instant::now() < deadline, "{}", late());
            thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Waits until the text of an element contains another one; gives all of it.
    #[track_caller]
    pub fn wait_text(&self, css: &str, part: &str) -> String {
        let text = text_of(css);
        self.wait(&format!("{text}.includes({})", json!(part)));
        self.text(css)
    }

    /// The text of an element; empty when it is not there.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let text = self.run(&format!("return {};", text_of(css)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks an element as a user does: what lies above it would be hit instead, and that fails.
    #[track_caller]
    pub fn click(&self, css: &str) {
        let element = self.element(css);
        self.must("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into an element.
    #[track_caller]
    pub fn enter(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.must("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses a key, wherever the focus is.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let steps = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] });
        self.must("POST", "/actions", &actions);
    }

    /// Keeps a picture of the page in target/screens.
    pub fn screenshot(&self, name: &str) {
        let picture = self.must("GET", "/screenshot", &Value::Null);
        let picture = STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let folder = repository().join("target/screens");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Errors in the console since this was last asked.
    pub fn errors(&self) -> Vec<String> {
        let lines = self.must("POST", "/se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().unwrap().iter();
        let errors = lines.filter(|line| line["level"] == "SEVERE");
        errors.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.must("POST", "/goog/cdp/execute", &body)
    }

    /// Shows the page as a screen of that many points does, as a phone's when it is narrow.
    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// Bytes of the heap that are in use, and nodes of documents that exist.
    pub fn memory(&self) -> (f64, u64) {
        self.devtools("HeapProfiler.collectGarbage", &json!({}));
        let heap = self.devtools("Runtime.getHeapUsage", &json!({}));
        let counters = self.devtools("Memory.getDOMCounters", &json!({}));
        (heap["usedSize"].as_f64().unwrap(), counters["nodes"].as_u64().unwrap())
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        self.wait(&format!("document.querySelector({}) !== null", json!(css)));
        let by = json!({ "using": "css selector", "value": css });
        let found = self.must("POST", "/element", &by);
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {css}: {found}")).to_owned()
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        ask(&self.agent, method, &url, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // the driver ends the browser, and waits for it
        let _ = ask(&self.agent, "DELETE", &self.session, &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// As JavaScript takes a value in a condition.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn text_of(css: &str) -> String {
    format!("(document.querySelector({})?.textContent ?? '')", json!(css))
}

/// A driver on a port of its own, and its address.
fn driver(agent: &Agent) -> (Child, String) {
    for _ in 0..ATTEMPTS {
        let port = server_port();
        let mut child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start chromedriver: {error}; run `make packages-test`")
            });
        let address = format!("http://127.0.0.1:{port}");
        let status = format!("{address}/status");
        let mut ended = false;
        let answered = comes_true(|| {
            ended = child.try_wait().unwrap().is_some();
            ended || ask(agent, "GET", &status, &Value::Null).is_ok_and(|it| it["ready"] == true)
        });
        assert!(answered, "chromedriver does not get ready");
        if !ended {
            return (child, address);
        }
    }
    panic!("no free port for chromedriver");
}

fn options(language: &str, profile: &str) -> Value {
    json!({ "capabilities": { "alwaysMatch": {
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": "/usr/bin/chromium",
            "prefs": { "intl.accept_languages": language },
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // small in containers
                "--disable-dev-shm-usage",
                "--window-size=1280,900",
                format!("--lang={language}"),
                format!("--user-data-dir={profile}"),
            ],
        },
    } } })
}

/// The value of an answer.
fn ask(agent: &Agent, method: &str, url: &str, body: &Value) -> Result<Value, String> {
    let answered = match method {
        "GET" => agent.get(url).call(),
        "DELETE" => agent.delete(url).call(),
        _ => agent.post(url).header("content-type", "application/json").send(body.to_string()),
    };
    let mut answer = answered.map_err(|error| error.to_string())?;
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
    let text = text.map_err(|error| error.to_string())?;
    let mut value: Value =
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    let value = value["value"].take();
    match value["error"].as_str() {
        Some(error) if !answer.status().is_success() => {
            Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default()))
        }
        _ => Ok(value),
    }
}
