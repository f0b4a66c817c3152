//! Libraries that do harm when they are loaded: each is told apart from the others.

use std::{fs, net::TcpStream, path::Path, process::Command, time::Duration};

use harness::{Bench, program, wait_until};

/// A library that says it is the plugin of that name, and runs that C code when it is loaded.
fn library(folder: &Path, name: &str, code: &str) {
    let text = format!(
        r#"
        #define _GNU_SOURCE
        #include <dirent.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <unistd.h>
        #include <sys/wait.h>
        const unsigned char DATASERVER_PLUGIN[108] = "DSPLUGIN\x01\0\0\0{name}";
        const char _1as_0lib_1header_0root_bmodule_bloader[256] = "no module";
        __attribute__((constructor)) static void begin(void) {{ {code} }}
        "#
    );
    let source = folder.join(format!("{name}.c"));
    fs::write(&source, text).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-w", "-o"])
        .arg(folder.join(format!("{name}.so")))
        .arg(&source)
        .status()
        .unwrap();
    assert!(compiled.success(), "{name}");
}

#[test]
fn a_library_that_does_harm_when_it_is_loaded_is_named_with_what_it_did() {
    let bench = Bench::new(&["null"]);
    // name, what it does, what is told
    let cases = [
        ("spins", "for (;;) ;", "hangs when it is loaded: it was given up after 10s"),
        ("sleeps", "for (;;) sleep(100);", "hangs when it is loaded: it was given up after 10s"),
        (
            "floods-stderr",
            "char line[4096]; memset(line, 120, 4095); line[4095] = 0; for (;;) fputs(line, stderr);",
            "writes more than 16MiB",
        ),
        ("floods-stdout", "for (;;) puts(\"flood\");", "writes more than 16MiB"),
        ("eats", "for (;;) memset(malloc(1 << 20), 1, 1 << 20);", "of memory when it is loaded"),
        ("forks", "for (;;) fork();", "starts a process when it is loaded"),
        ("forks-once", "if (fork() == 0) { setsid(); sleep(100); }", "starts a process"),
        ("spawns", "system(\"sleep 100 &\");", "starts a process"),
        ("leaves", "exit(0);", "ends its process without an answer"),
        (
            "fails",
            "fputs(\"no licence\\n\", stderr); exit(3);",
            "exit code 3 when it is loaded, printing: no licence",
        ),
        ("aborts", "abort();", "crashes with SIGABRT"),
        ("crashes", "*(volatile int *)8 = 1;", "crashes with SIGSEGV"),
        ("traps", "__builtin_trap();", "crashes with SIGILL"),
        ("kills", "kill(getpid(), 9);", "crashes with SIGKILL"),
        ("kills-its-group", "kill(0, 15);", "crashes with SIGTERM"),
        ("becomes-another", "execl(\"/bin/true\", \"true\", NULL);", "without an answer"),
        ("lingers", "atexit(abort);", "could not be loaded"),
        ("harmless", "", "could not be loaded"),
    ];
    for (name, code, _) in cases {
        library(&bench.path("plugins"), name, code);
    }
    let list = bench.run(&["plugins", "list"]);
    list.assert(0, &["libnull.so"]);
    for (name, _, told) in cases {
        let line = list.stdout.lines().find(|line| line.contains(&format!("/{name}.so ")));
        let line = line.unwrap_or_else(|| panic!("{name} in\n{}", list.stdout));
        // one that prints when it ends is told from its answer
        let expected = if name == "lingers" { "crashes with SIGABRT" } else { told };
        assert!(line.contains(expected), "{name}: {line}");
    }
    // nothing of them is left
    let left = Command::new("pgrep").args(["-f", "plugins child"]).output().unwrap();
    let left = String::from_utf8(left.stdout).unwrap();
    let ours = left.lines().filter(|pid| {
        let environ = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        cases.iter().any(|(name, ..)| environ.contains(name))
    });
    assert_eq!(ours.count(), 0);
    assert!(list.elapsed < Duration::from_secs(120), "{:?}", list.elapsed);
}

#[test]
fn neither_secrets_nor_open_files_reach_the_child_that_loads_a_file() {
    let bench = Bench::new(&[]);
    library(
        &bench.path("plugins"),
        "curious",
        r#"
        if (getenv("SECRET_TOKEN") || getenv("CREDENTIALS_DIRECTORY")) exit(41);
        DIR *open = opendir("/proc/self/fd");
        for (struct dirent *it; (it = readdir(open)); )
            if (atoi(it->d_name) > 2 && atoi(it->d_name) != dirfd(open)) {
                char path[300], name[300] = "";
                sprintf(path, "/proc/self/fd/%s", it->d_name);
                readlink(path, name, 299);
                if (strstr(name, "secret")) exit(42);
            }
        exit(43);
        "#,
    );
    let secret = bench.write("secret", "s");
    let script = format!(
        "exec 7<{}; exec {} plugins probe plugins/curious.so",
        secret.display(),
        program().display()
    );
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(bench.path("."))
        .env("SECRET_TOKEN", "s")
        .env("CREDENTIALS_DIRECTORY", "/run/secrets")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && told.contains("exit code 43"), "{told}");
}

#[test]
fn a_child_ends_with_the_host_that_started_it() {
    let bench = Bench::new(&[]);
    let mark = format!("mark-{}", std::process::id());
    let code = format!(
        "FILE *it = fopen(\"{}\", \"w\"); fprintf(it, \"%d\", getpid()); fclose(it); for (;;) sleep(1);",
        bench.path(&mark).display()
    );
    library(&bench.path("plugins"), "waits", &code);
    let host = bench.spawn(&["plugins", "probe", "plugins/waits.so"]);
    wait_until("the child loads the file", || !bench.read(&mark).is_empty());
    let child = bench.read(&mark);
    host.signal("KILL");
    drop(host);
    let status = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    // whoever inherits it may take a while to bury it
    wait_until("the child ends", || status().is_empty() || status().contains(") Z "));
}

#[test]
fn a_file_is_probed_by_hand_with_a_verdict_and_an_exit_code() {
    let bench = Bench::new(&["null"]);
    bench.write("text.txt", "x");
    bench.write("plugins/text.so", "x");
    bench.run(&["plugins", "probe", "plugins/libnull.so"]).assert(0, &["null ", "[sinks.ID]"]);
    bench.run(&["plugins", "probe", "plugins/text.so"]).assert(1, &["text.so is not a shared"]);
    bench.run(&["plugins", "probe", "plugins/none.so"]).assert(1, &["none.so cannot be read"]);
    bench.run(&["plugins", "probe", "text.txt"]).assert(1, &["plugins end in .so, .wasm or"]);
    bench.run(&["plugins", "--help"]).assert(0, &["probe", "Try a plugin file"]);
}

#[test]
fn a_program_that_was_replaced_while_it_runs_tries_files_with_the_one_that_runs() {
    let bench = Bench::new(&["faulty", "null"]);
    let own = bench.path("dataserver");
    // by another process: a child that is forked meanwhile would hold a file of ours open, "text file busy"
    assert!(Command::new("cp").args([&program(), &own]).status().unwrap().success());
    let port = harness::free_port();
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000000\nrecords = 1\npace = \"1ms\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"day\"]\n"
    ));
    let mut child = Command::new(&own).arg("run").current_dir(bench.path(".")).spawn().unwrap();
    wait_until("the host listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    bench.write("other", "#!/bin/false\n");
    fs::rename(bench.path("other"), &own).unwrap();
    let pipeline = bench
        .read("pipeline.toml")
        .replace("[sinks.out]\nplugin = \"faulty\"", "[sinks.out]\nplugin = \"null\"");
    bench.pipeline(&pipeline);
    let reload = bench.run(&["reload"]);
    reload.assert(0, &["out"]);
    child.kill().unwrap();
    child.wait().unwrap();
}
