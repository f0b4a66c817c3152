//! What the pages say about TLS: certificates, a client of the query server, the bridge's settings.

use std::{fs, process::Command};

use harness::{Bench, free_port, repository};

use super::{Runner, blocks_for, readers::run};

/// Does what the page says, in the folder of a bench.
fn make_certificates(bench: &Bench) {
    for block in blocks_for(Runner::Certificates) {
        let mut shell = Command::new("sh");
        let made = shell.args(["-ec", &block.text]).current_dir(bench.path("")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

#[test]
fn a_client_asks_the_query_server_in_tls_with_the_certificates_of_the_page() {
    let bench = Bench::with_links(&["faulty", "hikyuu-server"]);
    make_certificates(&bench);
    for block in blocks_for(Runner::QueriesInTls) {
        let port = free_port();
        bench.pipeline(&format!(
            "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"5ms\"\n\
             [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"day\"]\n\
             listen = \"tls+tcp://127.0.0.1:{port}\"\n\
             tls = {{ cert = \"host.pem\", key = \"host.key\", client_ca = \"ca.pem\" }}\n"
        ));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        // the name is nobody's here; the certificate is for it all the same
        let text = block.text.replace("quotes.lan:9201", &format!("127.0.0.1:{port}"));
        let ask = "server.recv_timeout = 20000\nserver.send(msgpack.packb({'cmd': 'ping'}))\n\
                   print(msgpack.unpackb(server.recv()))\n";
        let printed = run(&bench, &block, &format!("import msgpack, pynng\n{text}{ask}"));
        assert!(printed.contains("'ret': 0"), "{}: {printed}", block.place());
        host.signal("TERM");
        host.wait();
    }
}

#[test]
fn every_setting_of_the_bridge_on_a_page_is_one_that_it_reads() {
    let bridge = fs::read_to_string(repository().join("plugins/qmt/bridge/qmt_bridge.py")).unwrap();
    for block in blocks_for(Runner::Bridge) {
        let settings = block.text.lines().filter_map(|line| line.split_once('='));
        let names: Vec<_> = settings.map(|(name, _)| name.trim_matches([';', ' '])).collect();
        assert!(!names.is_empty(), "{}", block.place());
        for name in names {
            assert!(bridge.contains(&format!("\"{name}\"")), "{}: {name}", block.place());
        }
    }
}
