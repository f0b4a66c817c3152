//! The C++ server that ours is compared with, built from `benches/node_server.cpp`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// The running server; ended when dropped.
pub struct NodeServer {
    child: Child,
    address: String,
}

impl NodeServer {
    /// A server that gives that answer; `None` where it cannot be built.
    pub fn start(folder: &Path, answer: &[u8]) -> Option<Self> {
        let (program, file) = (folder.join("node_server"), folder.join("answer"));
        if !program.exists() {
            let source = harness::repository().join("tests/benches/node_server.cpp");
            let built = Command::new("g++")
                .args(["-O2", "-std=c++17", "-o"])
                .args([&program, &source])
                .arg("-lnng")
                .status();
            if !built.is_ok_and(|status| status.success()) {
                eprintln!(
                    "no C++ server to compare with: install g++ libnng-dev nlohmann-json3-dev"
                );
                return None;
            }
        }
        fs::write(&file, answer).unwrap();
        let address = format!("tcp://127.0.0.1:{}", harness::free_port());
        let mut child = Command::new(&program)
            .arg(&address)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        Some(Self { child, address })
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for NodeServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
