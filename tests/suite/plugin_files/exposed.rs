//! Plugin folders and files that others could change are warned of.

use std::{fs, os::unix::fs::PermissionsExt};

use harness::Bench;

const PIPELINE: &str = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
    [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";

#[test]
fn a_plugin_that_everybody_may_replace_is_warned_of_wherever_plugins_are_shown() {
    let bench = Bench::new(&["faulty", "null"]);
    bench.pipeline(PIPELINE);
    let set = |path: &str, mode| {
        fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (path, mode, sound) in [("plugins", 0o777, 0o755), ("plugins/libnull.so", 0o666, 0o644)] {
        let warning = format!("can be written by everybody (mode {mode:o}); chmod o-w it");
        let commands: [&[&str]; 5] = [
            &["run"],
            &["check"],
            &["check", "--format", "json"],
            &["plugins", "list"],
            &["plugins", "list", "--format", "json"],
        ];
        for command in commands {
            set(path, mode);
            bench.run(command).assert(0, &[path, &warning]);
            set(path, sound);
            let run = bench.run(command);
            run.assert(0, &[]);
            let told = format!("{}{}", run.stdout, run.stderr);
            assert!(!told.contains("by everybody"), "{command:?}: {told}");
        }
    }
}
