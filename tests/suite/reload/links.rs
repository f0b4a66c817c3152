//! A pipeline file and plugins behind links that are turned, as Kubernetes and git-sync do it.

use std::{fs, os::unix::fs::symlink, path::Path};

use harness::{Bench, Host, free_port, wait_until};

use super::{DAY, sink, text};

/// Puts a link in the place of another one at once.
fn turn(bench: &Bench, link: &str, target: impl AsRef<Path>) {
    let new = bench.path("new-link");
    symlink(target, &new).unwrap();
    fs::rename(new, bench.path(link)).unwrap();
}

/// A pipeline with a sink of that id.
fn with(port: u16, id: &str) -> String {
    text(port, "", &format!("{DAY}{}", sink(id, "day", "")))
}

fn end(host: Host) {
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_folder_that_a_link_on_the_way_to_the_file_is_turned_to_is_noticed() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    for (folder, id) in [("..v1", "a"), ("..v2", "b"), ("..v4", "d")] {
        bench.write(&format!("{folder}/pipeline.toml"), with(port, id));
    }
    symlink("..v1", bench.path("..data")).unwrap();
    symlink("..data/pipeline.toml", bench.path("pipeline.toml")).unwrap();
    let host = bench.start();
    host.wait_for("the pipeline runs");
    turn(&bench, "..data", "..v2");
    host.wait_for("added b");
    // it leads nowhere for a moment
    turn(&bench, "..data", "..v3");
    bench.write("..v3/pipeline.toml", with(port, "c"));
    host.wait_for("added c");
    // the next one is noticed as the first was
    turn(&bench, "..data", "..v4");
    host.wait_for("added d");
    end(host);
}

#[test]
fn a_folder_that_is_itself_a_link_is_noticed_when_it_is_turned() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let plugins = format!("plugins = [{:?}]", bench.path("plugins"));
    for (folder, id) in [("v1", "a"), ("v2", "b"), ("v3", "c")] {
        let text = text(port, &plugins, &format!("{DAY}{}", sink(id, "day", "")));
        bench.write(&format!("{folder}/pipeline.toml"), text);
    }
    symlink("v1", bench.path("conf")).unwrap();
    let host = bench.spawn(&["run", "-c", "conf/pipeline.toml"]);
    host.wait_for("the pipeline runs");
    turn(&bench, "conf", bench.path("v2"));
    host.wait_for("added b");
    turn(&bench, "conf", "v3");
    host.wait_for("added c");
    end(host);
}

#[test]
fn a_link_in_which_the_program_was_started_is_noticed_when_it_is_turned() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let plugins = format!("plugins = [{:?}]", bench.path("plugins"));
    for (folder, id) in [("v1", "a"), ("v2", "b")] {
        let text = text(port, &plugins, &format!("{DAY}{}", sink(id, "day", "")));
        bench.write(&format!("{folder}/pipeline.toml"), text);
    }
    symlink("v1", bench.path("conf")).unwrap();
    // as a shell says it that went there
    let host = bench.start_with("conf", &[("PWD", bench.path("conf"))]);
    host.wait_for("the pipeline runs");
    turn(&bench, "conf", "v2");
    host.wait_for("added b");
    end(host);
}

#[test]
fn a_plugin_behind_links_is_noticed_when_one_of_them_is_turned() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    let library = bench.path("plugins/libfaulty.so");
    for (folder, byte) in [("p1", 1), ("p2", 2), ("p3", 3)] {
        let mut bytes = fs::read(&library).unwrap();
        bytes.push(byte);
        bench.write(&format!("{folder}/libfaulty.so"), bytes);
    }
    fs::remove_dir_all(bench.path("plugins")).unwrap();
    // the folder is a link, then the file in it is one
    symlink("p1", bench.path("plugins")).unwrap();
    bench.pipeline(&with(port, "a"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    turn(&bench, "plugins", "p2");
    host.wait_for("changed day (plugin file), a (plugin file)");
    turn(&bench, "p2/libfaulty.so", "../p3/libfaulty.so");
    wait_until("the second file is used", || {
        assert!(!host.log().contains("goes on as it was"), "{}", host.log());
        host.log().matches("changed day (plugin file)").count() >= 2
    });
    end(host);
}
