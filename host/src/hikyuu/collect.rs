//! `dataserver collect`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dataserver_config::Faults;

use super::{Asked, Collector, HostSection, Origin, QUOTATION_BUS, pipeline_args::PipelineArgs};

/// Arguments of `collect`.
#[derive(Debug, Args)]
pub struct Collect {
    /// Where quotes are published.
    #[arg(long, value_name = "ADDRESS", default_value = "tcp://*:9200")]
    server: String,
    /// Where they are published besides, for Hikyuu on this machine; "" for nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = QUOTATION_BUS)]
    ipc: String,
    /// Where quotes come from.
    #[arg(long, value_enum, default_value = "qq")]
    source: Source,
    /// Seconds from the start of a round to that of the next, 1 to 3600; QMT sends by itself.
    #[arg(long, value_name = "N", default_value = "10")]
    seconds: u64,
    /// When to collect, on the exchange's clock; both phases as 0:00-0:00: all the time.
    #[arg(long, value_name = "FROM-TO", default_value = "9:00-12:00")]
    phase1: String,
    /// When to collect besides.
    #[arg(long, value_name = "FROM-TO", default_value = "13:00-15:00")]
    phase2: String,
    /// Rest on days without trading.
    #[arg(long = "ignore_weekend", alias = "ignore-weekend")]
    ignore_weekend: bool,
    /// Hikyuu's flag for proxies that are rented from a service; see --proxy.
    #[arg(long = "use_proxy", alias = "use-proxy", hide = true)]
    use_proxy: bool,
    /// With --source qq: proxy to go through, http://HOST:PORT or socks5://HOST:PORT.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// With --source qq: another server that answers like Tencent's.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// With --source qq: file with a security a line. Default: all that Hikyuu's stock.db lists, or
    /// else all A shares.
    #[arg(long = "symbols_file", alias = "symbols-file", value_name = "FILE")]
    symbols_file: Option<PathBuf>,
    /// With --source qmt: address at which qmt_bridge.py finds this host; the variable QMT_TOKEN has
    /// what the bridge must know. Default: tcp://127.0.0.1:9300.
    #[arg(long = "qmt_listen", alias = "qmt-listen", value_name = "ADDRESS")]
    qmt_listen: Option<String>,
    /// With --source qmt: read a running qmt-bridge server instead, e.g.
    /// ws://192.168.1.20:8000/ws/whole_quote.
    #[arg(
        long = "qmt_connect",
        alias = "qmt-connect",
        value_name = "URL",
        conflicts_with = "qmt_listen"
    )]
    qmt_connect: Option<String>,
    #[command(flatten)]
    pipeline_args: PipelineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// Tencent's quote service.
    Qq,
    /// QMT on a Windows machine.
    Qmt,
}

impl Collect {
    /// The collector that is asked for.
    ///
    /// # Errors
    /// What is wrong with the flags; to be printed, also with Hikyuu's settings.
    pub fn asked(self) -> Result<Asked, Faults> {
        let origin = self.origin();
        let phases = [self.phase1, self.phase2];
        let Self { server, ipc, seconds, ignore_weekend, pipeline_args, .. } = self;
        let ipc = Some(ipc).filter(|ipc| !ipc.is_empty());
        let told = Collector {
            server: server.clone(),
            ipc,
            origin: origin.clone().unwrap_or_else(|_| Collector::default().origin),
            seconds,
            phases,
            ignore_weekend,
            host_section: HostSection::default(),
        };
        pipeline_args.asked(
            "dataserver collect",
            &server,
            told.secrets(),
            move |host_section, settings| {
                let origin = origin.clone()?;
                Collector { host_section, origin, ..told.clone() }.pipeline(settings)
            },
        )
    }

    fn origin(&self) -> Result<Origin, String> {
        let Self { url, symbols_file, proxy, qmt_listen, qmt_connect, .. } = self;
        if self.use_proxy {
            return Err("--use_proxy rents proxies from a service, which is not done here; name \
                        yours with --proxy URL"
                .to_owned());
        }
        let of_qq = [
            ("url", url.is_some()),
            ("symbols_file", symbols_file.is_some()),
            ("proxy", proxy.is_some()),
        ];
        let of_qmt = [("qmt_listen", qmt_listen.is_some()), ("qmt_connect", qmt_connect.is_some())];
        let (strange, wanted): (&[(&str, bool)], _) = match self.source {
            Source::Qq => (&of_qmt, "qmt"),
            Source::Qmt => (&of_qq, "qq"),
        };
        if let Some((name, _)) = strange.iter().find(|(_, is_given)| *is_given) {
            return Err(format!("--{name} is for --source {wanted}; add that, or leave it out"));
        }
        Ok(match (self.source, qmt_connect) {
            (Source::Qq, _) => Origin::Qq {
                url: url.clone(),
                symbols_file: symbols_file.clone(),
                proxy: proxy.clone(),
            },
            (Source::Qmt, Some(connect)) => Origin::QmtServer { connect: connect.clone() },
            (Source::Qmt, None) => {
                let listen = qmt_listen.as_deref().unwrap_or("tcp://127.0.0.1:9300");
                Origin::QmtBridge { listen: listen.to_owned() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        collect: Collect,
    }

    fn collect(arguments: &[&str]) -> Collect {
        Alone::parse_from([&["collect"], arguments].concat()).collect
    }

    #[test]
    fn flags_have_hikyuus_names_and_defaults() {
        let plain = collect(&[]);
        let usual = Collector::default();
        assert_eq!((&plain.server, plain.seconds), (&usual.server, usual.seconds));
        assert_eq!(Some(&plain.ipc), usual.ipc.as_ref());
        assert_eq!([plain.phase1.clone(), plain.phase2.clone()], usual.phases);
        assert_eq!(plain.ignore_weekend, usual.ignore_weekend);
        assert_eq!(plain.origin().unwrap(), usual.origin);
        assert!(collect(&["--ignore_weekend"]).ignore_weekend);
    }

    #[test]
    fn flags_of_another_source_are_refused() {
        let fault = collect(&["--qmt_listen", "tcp://:1"]).origin().unwrap_err();
        assert!(fault.contains("--source qmt"), "{fault}");
        let fault = collect(&["--source", "qmt", "--proxy", "http://p:1"]).origin().unwrap_err();
        assert!(fault.contains("--source qq"), "{fault}");
        assert!(collect(&["--use_proxy"]).origin().unwrap_err().contains("--proxy URL"));
    }

    #[test]
    fn qmt_is_told_by_its_bridge_unless_a_server_is_named() {
        let bridge = collect(&["--source", "qmt"]).origin().unwrap();
        assert_eq!(bridge, Origin::QmtBridge { listen: "tcp://127.0.0.1:9300".to_owned() });
        let server = collect(&["--source", "qmt", "--qmt_connect", "ws://h:1/x"]).origin().unwrap();
        assert_eq!(server, Origin::QmtServer { connect: "ws://h:1/x".to_owned() });
    }
}
