//! Plugins in Python that the pages show: each keeps its contract, and does what the page says.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use harness::{Bench, python_package};

use super::{Runner, blocks_for};

/// Puts every plugin in Python of the pages into a folder, by its id.
pub fn install_python(folder: &Path) {
    for block in blocks_for(Runner::PythonPlugin) {
        let id = block.text.split("# id = \"").nth(1).and_then(|rest| rest.split('"').next());
        let id = id.unwrap_or_else(|| panic!("{} has no id", block.place()));
        fs::write(folder.join(format!("{id}.py")), &block.text).unwrap();
    }
}

fn bench() -> Bench {
    let bench = Bench::new(&["replay", "console"]);
    install_python(&bench.path("plugins"));
    bench
}

const QUOTES: &str = "symbol,time,close,pre_close,volume,amount\n\
    600000.SH,2021-12-01 09:30:00,8.55,8.50,120000,1026000\n\
    000001.SZ,2021-12-01 09:30:00,17.50,15.00,30000,525000\n\
    000001.SZ,2021-12-01 09:30:03,17.51,15.00,70000,1225500\n";

fn run(bench: &Bench, components: &str) -> harness::Run {
    bench.write("quotes.csv", QUOTES);
    let source = "[sources.day]\nplugin = \"replay\"\npath = \"quotes.csv\"\nspeed = 0.0\n";
    bench.pipeline(&format!("{source}{components}")).run(&["run"])
}

#[test]
fn every_plugin_of_a_page_is_shown_and_keeps_its_contract() {
    let bench = bench();
    bench.write("log.csv", QUOTES);
    let hook = free_hook(0).0;
    for (id, options) in [
        ("my-alert", format!("{{\"url\": \"http://{hook}\"}}")),
        ("my-filter", "{}".to_owned()),
        ("my-tail", format!("{{\"path\": \"{}\"}}", bench.path("log.csv").display())),
    ] {
        let shown = bench.run(&["plugins", "show", id, "--plugins", "plugins"]);
        shown.assert(0, &["(process, plugin API 1.0)", ".\n"]);
        let file = bench.path("plugins").join(format!("{id}.py"));
        let tested = Command::new("python3")
            .args(["-m", "dataserver.plugin", "test"])
            .arg(file)
            .args(["--options", &options])
            .env("PYTHONPATH", python_package())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&tested.stdout).into_owned();
        let faults = String::from_utf8_lossy(&tested.stderr).into_owned();
        assert!(tested.status.success() && text.contains("it closes"), "{id}: {text}{faults}");
    }
}

/// A web hook that answers so many requests; its address, and the bodies that came.
fn free_hook(requests: usize) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = move || {
        let taken = listener.incoming().take(requests);
        let body = |stream: std::io::Result<std::net::TcpStream>| {
            let mut stream = stream.unwrap();
            let (mut text, mut part) = (String::new(), [0; 4096]);
            while !text.contains('}') {
                let read = stream.read(&mut part).unwrap();
                text += &String::from_utf8_lossy(&part[..read]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
        };
        taken.map(body).collect()
    };
    (address, thread::spawn(answer))
}

#[test]
fn the_alert_of_the_page_tells_a_web_hook_what_moved_once() {
    let (address, hook) = free_hook(1);
    let sink = format!(
        "[sinks.alerts]\nplugin = \"my-alert\"\ninputs = [\"day\"]\nurl = \"http://{address}\"\n"
    );
    run(&bench(), &sink).assert(0, &[]);
    assert_eq!(hook.join().unwrap(), ["{\"text\": \"000001.SZ 17.50 (+16.7%)\"}"]);
}

#[test]
fn the_filter_of_the_page_lets_pass_of_what_much_was_traded() {
    let more = "[transforms.much]\nplugin = \"my-filter\"\ninputs = [\"day\"]\n\
                [sinks.screen]\nplugin = \"console\"\ninputs = [\"much\"]\nfields = [\"amount\"]\n";
    let printed = run(&bench(), more);
    printed.assert(0, &["{\"amount\":1026000.0}", "{\"amount\":1225500.0}"]);
    assert_eq!(printed.stdout.lines().count(), 2, "{}", printed.stdout);
}

#[test]
fn the_source_of_the_page_goes_on_where_it_was_confirmed() {
    let bench = bench();
    let (head, rest) = QUOTES.split_at(QUOTES.find("000001").unwrap());
    bench.write("log.csv", head);
    bench.pipeline(
        "[sources.log]\nplugin = \"my-tail\"\npath = \"log.csv\"\n\
         [sinks.screen]\nplugin = \"console\"\ninputs = [\"log\"]\nfields = [\"close\"]\n",
    );
    let host = bench.start();
    host.wait_for_output("{\"close\":8.55}");
    let (one, two) = rest.split_at(rest.len() - 10);
    bench.write("log.csv", format!("{head}{one}"));
    host.wait_for_output("{\"close\":17.5}");
    host.signal("TERM");
    let first = host.wait();
    first.assert(0, &[]);
    assert_eq!(first.stdout.lines().count(), 2, "{}", first.stdout);
    bench.write("log.csv", format!("{head}{one}{two}"));
    let host = bench.start();
    host.wait_for_output("{\"close\":17.51}");
    host.signal("TERM");
    let second = host.wait();
    assert_eq!(
        second.stdout.lines().count(),
        1,
        "what was confirmed comes once: {}",
        second.stdout
    );
}
