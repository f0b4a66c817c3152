//! The pipelines that stand for Hikyuu's own commands, and the settings that those share.
//!
//! Hikyuu has a [collector](Collector), which polls quotes and publishes them, and a data server,
//! here a [`Service`], which reads what is published, makes bars, and answers queries. Each is one
//! pipeline, written as the text of a pipeline file: it can be printed, kept and changed like any
//! other, and the host runs it as any other. [`Settings`] are what `hikyuu.ini` says.
//!
//! The verbs [`collect`](Collect) and [`serve`](Serve) ask for them with Hikyuu's own flags.
//!
//! Plugins are named here and nowhere else in the host: these texts are files of users, only
//! shipped within the program.

mod collect;
mod collector;
mod ini;
mod pipeline_args;
mod serve;
mod service;
mod settings;
mod text;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use collect::Collect;
pub use collector::{Collector, Origin};
pub use pipeline_args::Asked;
pub use serve::Serve;
pub use service::Service;
pub use settings::{ClickHouse, Settings, SettingsEnvironment};

/// Where the collector publishes and everybody reads, unless told otherwise.
pub const QUOTATION_BUS: &str = "ipc:///tmp/hikyuu_real.ipc";
/// Variable with the password that `hikyuu.ini` has for ClickHouse, for the texts made here.
pub const CLICKHOUSE_PASSWORD: &str = "HIKYUU_CLICKHOUSE_PASSWORD";
/// Variable with the secret that the QMT bridge must know.
pub const QMT_TOKEN: &str = "QMT_TOKEN";

/// Variables with addresses that flags gave, where these hold a password: for the texts made here.
pub const PROXY: &str = "HIKYUU_PROXY";
/// See [`PROXY`].
pub const QQ_URL: &str = "HIKYUU_QQ_URL";
/// See [`PROXY`].
pub const QMT_CONNECT: &str = "HIKYUU_QMT_CONNECT";

/// `[host]` of a pipeline that is made here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSection {
    /// Folders with plugins; none for those that are installed beside the program.
    pub plugins: Vec<PathBuf>,
    /// Buffers on disk, checkpoints, dead letters; see [`data_dir`].
    pub data_dir: PathBuf,
    /// Address of the control interface; none switches it off.
    pub http: Option<SocketAddr>,
}

/// The data folder of who serves or publishes at an address: `~/.hikyuu/dataserver/9201`, by the
/// port, or by the name of a socket. Two at a time do not share one.
pub fn data_dir(home: &Path, address: &str) -> PathBuf {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let last = match rest.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => port,
        _ => rest.trim_end_matches('/').rsplit('/').next().unwrap_or(rest),
    };
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let name: String = last.chars().map(|it| if is_plain(it) { it } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    home.join(".hikyuu/dataserver").join(if name.is_empty() { "server" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_is_named_by_what_tells_servers_apart() {
        let cases = [
            ("tcp://0.0.0.0:9201", "9201"),
            ("tcp://*:9200", "9200"),
            ("tcp://[::1]:9201", "9201"),
            ("ipc:///tmp/hikyuu_real.ipc", "hikyuu_real.ipc"),
            ("abstract://a b", "a_b"),
            ("ipc:///tmp/..", "server"),
            ("tcp://x:", "x_"),
            ("", "server"),
        ];
        for (address, name) in cases {
            let expected = Path::new("/home/u/.hikyuu/dataserver").join(name);
            assert_eq!(data_dir(Path::new("/home/u"), address), expected, "{address}");
        }
    }
}
