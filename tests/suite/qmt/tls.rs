//! The bridge script in TLS.

use serde_json::json;
use sp::testing::Authority;

use super::{Bridge, Site, plan, with};

/// A site whose host speaks TLS and asks for certificates, or does not.
fn site(authority: &Authority, rounds: u64, asks: bool) -> Site {
    let site = Site::new(&with(plan(60, rounds, 2), &json!({ "odd": 7 })));
    let (cert, key) = authority.make("host", &["127.0.0.1"]);
    let client_ca = match asks {
        true => format!(", client_ca = \"{}\"", authority.ca().display()),
        false => String::new(),
    };
    let tls = format!(
        "tls = {{ cert = \"{}\", key = \"{}\"{client_ca} }}\nlisten = \"tls+tcp",
        cert.display(),
        key.display()
    );
    let text = site.bench.read("pipeline.toml").replace("listen = \"tcp", &tls);
    site.bench.pipeline(&text);
    site
}

/// A bridge that speaks TLS and shows a certificate, or does not.
fn bridge(site: &Site, authority: &Authority, shows: bool) -> Bridge {
    let (cert, key) = authority.make("bridge", &["bridge"]);
    let files = [authority.ca(), cert, key].map(|path| path.display().to_string());
    let mut arguments = vec!["--tls", "yes", "--ca", &files[0]];
    if shows {
        arguments.extend(["--cert", &files[1], "--key", &files[2]]);
    }
    site.bridge_to(site.port, &arguments)
}

#[test]
fn everything_arrives_once_and_in_order_in_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    for asks in [false, true] {
        let site = site(&authority, 120, asks);
        let (mut host, bridge) = (site.host(), bridge(&site, &authority, asks));
        host.wait_for("mode whole_quote: one subscription for 60 securities");
        site.wait_for_round(30);
        host.signal("KILL");
        host.wait();
        host = site.host();
        site.wait_for_all(120, &bridge);
        site.end(bridge, host);
        site.assert_all_once(60, 120);
    }
}

#[test]
fn what_is_wrong_with_tls_is_said_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("ours"));
    let others = Authority::new(&folder.path().join("others"));
    let site = site(&authority, 10, true);
    let host = site.host();
    let stranger = bridge(&site, &others, true);
    stranger.wait_for("its certificate is not accepted");
    stranger.wait_for("give the CA that it comes from as ca");
    host.wait_for("it refused TLS (");
    stranger.kill();
    let without = bridge(&site, &authority, false);
    without.wait_for("no connection to the host");
    host.wait_for("showed no certificate");
    without.kill();
    let plain = site.bridge();
    plain.wait_for("if it listens at tls+tcp://, set tls = yes and ca");
    host.wait_for("did not agree on TLS within 5 s");
    plain.kill();
    host.signal("TERM");
    host.wait().assert(0, &[]);
    let open = Site::new(&plan(10, 10, 2));
    let host = open.host();
    let wrong = bridge(&open, &authority, false);
    wrong.wait_for("does it listen at tls+tcp://?");
    host.wait_for("it speaks TLS, and this address does not");
    wrong.kill();
}

#[test]
fn certificates_that_cannot_be_used_are_named_at_the_start() {
    let site = Site::new(&plan(10, 10, 2));
    let bridge = site.bridge_to(site.port, &["--tls", "yes", "--ca", "absent.pem"]);
    bridge.wait_for("ca absent.pem cannot be used");
    let bridge = site.bridge_to(site.port, &["--ca", "absent.pem"]);
    bridge.wait_for("ca is given, but tls is no; write tls = yes");
}
