//! Which files are plugins, and what is said of those that cannot be used.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use harness::{Bench, python_plugin};

const BLOCK: &str = "# /// dataserver\n# id = \"mine\"\n# kind = \"sink\"\n# version = \"0.1.0\"\n\
                     # api = 1\n# ///\n";
const SINK: &str = "from dataserver.plugin import Sink, run\nclass Mine(Sink):\n    def write(self, \
                    batch):\n        pass\n";

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_python_file_is_listed_shown_and_probed_as_any_other() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("pass");
    bench.write("plugins/helpers.py", "raise SystemExit('nobody runs this')\n");
    let listed = bench.run(&["plugins", "list", "--plugins", "plugins"]);
    listed.assert(0, &["py-pass", "transform", "process", "pass.py", "faulty"]);
    assert!(!listed.stdout.contains("helpers"), "{}", listed.stdout);
    let shown = bench.run(&["plugins", "show", "py-pass", "--plugins", "plugins"]);
    shown.assert(
        0,
        &[
            "py-pass 0.1.0 (process, plugin API 1.0)",
            "Lets everything through",
            "[transforms.ID]",
            "delay: duration (default \"0ms\")",
            "A call takes so long.",
            "most: integer (optional)",
        ],
    );
    bench.run(&["plugins", "probe", "plugins/pass.py"]).assert(0, &["py-pass"]);
    let pipeline = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\nsymbols = 1\n\
                    [transforms.all]\nplugin = \"py-pass\"\ninputs = [\"day\"]\nmosst = 3\n\
                    [sinks.out]\nplugin = \"faulty\"\ninputs = [\"all\"]\n";
    bench
        .pipeline(pipeline)
        .run(&["check"])
        .assert(78, &["has no option `mosst`", "did you mean `most`"]);
    bench.pipeline(&pipeline.replace("mosst", "most")).run(&["check"]).assert(0, &[]);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_name_and_a_remedy() {
    let bench = Bench::new(&[]);
    // file, content, what is told
    let cases = [
        (BLOCK.replace("# kind = \"sink\"\n", ""), "line 2: missing field `kind`"),
        (
            format!("{BLOCK}import nowhere_to_be_found\n"),
            "No module named 'nowhere_to_be_found'; \
          install it into a .venv",
        ),
        (format!("{BLOCK}raise ValueError('of no use')\n"), "printing: ValueError: of no use"),
        (format!("{BLOCK}{SINK}"), "ended with exit code 0 in start"),
        (BLOCK.replace("api = 1", "api = 9"), "built for plugin API 9.0"),
        (
            format!("{}{SINK}run(Mine)\n", BLOCK.replace("\"sink\"", "\"source\"")),
            "the block says kind = 'source'",
        ),
        (
            format!("{}{SINK}run(Mine)\n", BLOCK.replace("# api", "# python = \">=9.1\"\n# api")),
            "needs Python >=9.1",
        ),
        (
            format!(
                "{BLOCK}import json, socket\nhello = json.dumps({{'protocol': 1, 'api': '2.0', \
                 'name': 'mine', 'version': '0.1.0', 'roles': []}}).encode()\n\
                 socket.socket(fileno=0).sendall(len(hello).to_bytes(4, 'little') + \
                 b'@\\0\\0\\0' + hello)\n"
            ),
            "built for plugin API 2.0",
        ),
        (
            format!("{BLOCK}import socket\nsocket.socket(fileno=0).sendall(b'HTTP/1.1 200 OK')\n"),
            "broke the protocol in start",
        ),
    ];
    for (text, told) in cases {
        bench.write("plugins/mine.py", &text);
        let listed = bench.run(&["plugins", "list", "--plugins", "plugins"]);
        listed.assert(0, &["cannot be used: ", "mine.py", told]);
        let probed = bench.run(&["plugins", "probe", "plugins/mine.py"]);
        probed.assert(1, &["mine.py", told]);
    }
}

#[test]
fn an_interpreter_that_is_not_there_is_named_with_what_to_do() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("pass");
    bench.pipeline(
        "[host]\npython = \"./no/python\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1\n\
         [transforms.all]\nplugin = \"py-pass\"\ninputs = [\"day\"]\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"all\"]\n",
    );
    bench.run(&["check"]).assert(
        78,
        &["pass.py", "no/python cannot be started", "make a .venv beside the file, or set [host]"],
    );
    // one beside the file goes before the one that is set
    let own = bench.write(
        "plugins/.venv/bin/python",
        "#!/bin/sh\necho ran the own one >&2\nexec python3 \"$@\"\n",
    );
    executable(&own);
    bench.run(&["check"]).assert(0, &[]);
}

#[test]
fn a_program_in_any_language_is_named_by_a_file_beside_it() {
    let bench = Bench::new(&["faulty"]);
    let program = bench.write(
        "plugins/mine",
        format!("#!/usr/bin/env python3\n{}", fs::read_to_string(python_plugin("pass")).unwrap()),
    );
    let text = "id = \"py-pass\"\nkind = \"transform\"\nversion = \"0.1.0\"\napi = 1\n\
                command = [\"./mine\"]\n";
    bench.write("plugins/mine.plugin.toml", text);
    let pipeline = "[sources.day]\nplugin = \"faulty\"\nbatches = 3\nrecords = 1\nsymbols = 1\n\
                    [transforms.all]\nplugin = \"py-pass\"\ninputs = [\"day\"]\n\
                    [sinks.out]\nplugin = \"faulty\"\ninputs = [\"all\"]\nlog = \"out.log\"\n";
    bench.pipeline(pipeline).run(&["check"]).assert(78, &["mine cannot be started", "executable"]);
    executable(&program);
    // such a program must know by itself where its modules are
    let package = harness::python_package().display().to_string();
    let env = format!("command = [\"env\", \"PYTHONPATH={package}\", \"./mine\"]\n");
    bench.write("plugins/mine.plugin.toml", text.replace("command = [\"./mine\"]\n", &env));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    assert_eq!(bench.sequences("out.log"), [1, 2, 3]);
}

#[test]
fn plugin_host_serves_nobody_but_a_host() {
    let bench = Bench::new(&["faulty"]);
    bench.run(&["plugin-host", "plugins/libfaulty.so"]).assert(1, &["no socket of a host"]);
}
