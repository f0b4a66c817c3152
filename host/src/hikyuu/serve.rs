//! `dataserver serve`

use std::path::PathBuf;

use clap::{Args, builder::RangedU64ValueParser};
use dataserver_config::Faults;

use super::{Asked, Service, pipeline_args::PipelineArgs};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where queries are answered; tcp://127.0.0.1:PORT for this machine alone.
    #[arg(long, value_name = "ADDRESS", default_value = "tcp://0.0.0.0:9201")]
    addr: String,
    /// Answers that are made at a time, 1 to 1024.
    #[arg(
        short = 'n', long = "work_num", alias = "work-num", value_name = "N", default_value = "2",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024)
    )]
    workers: usize,
    /// Whether to save quotes: as Parquet files in --parquet_path, or else in the ClickHouse of
    /// hikyuu.ini.
    #[arg(
        long, value_name = "BOOL", default_value = "false", default_missing_value = "true",
        num_args = 0..=1, value_parser = switch, action = clap::ArgAction::Set
    )]
    save: bool,
    /// Whether to keep the quotes of a day in memory, for get_spot_from_buffer_server.
    #[arg(
        long, value_name = "BOOL", default_value = "false", default_missing_value = "true",
        num_args = 0..=1, value_parser = switch, action = clap::ArgAction::Set
    )]
    buf: bool,
    /// Folder for Parquet files of quotes, with --save true; "" for none.
    #[arg(
        long = "parquet_path",
        alias = "parquet-path",
        value_name = "DIR",
        default_value = "",
        hide_default_value = true,
        value_parser = clap::builder::OsStringValueParser::new()
    )]
    parquet_path: std::ffi::OsString,
    /// Where the collector publishes. Default: `quotation_server` of hikyuu.ini, or else
    /// ipc:///tmp/hikyuu_real.ipc.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    #[command(flatten)]
    pipeline_args: PipelineArgs,
}

impl Serve {
    /// The data server that is asked for.
    ///
    /// # Errors
    /// What is wrong with the flags; to be printed, also with Hikyuu's settings.
    pub fn asked(self) -> Result<Asked, Faults> {
        let Self { addr, workers, save, buf, parquet_path, server, pipeline_args } = self;
        let parquet_path =
            Some(PathBuf::from(parquet_path)).filter(|it| !it.as_os_str().is_empty());
        if parquet_path.is_some() && !save {
            tracing::warn!("nothing is saved in parquet_path: add --save true");
        }
        pipeline_args.asked(
            "dataserver serve",
            &addr.clone(),
            Vec::new(),
            move |host_section, settings| {
                let service = Service {
                    addr: addr.clone(),
                    workers,
                    save,
                    buffer: buf,
                    parquet_path: parquet_path.clone(),
                    server: server.clone(),
                    host_section,
                };
                service.pipeline(settings)
            },
        )
    }
}

/// A truth as Hikyuu's commands take it.
fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => Ok(true),
        "false" | "f" | "0" | "no" | "n" | "off" | "" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        serve: Serve,
    }

    fn serve(arguments: &[&str]) -> Result<Serve, clap::Error> {
        Alone::try_parse_from([&["serve"], arguments].concat()).map(|it| it.serve)
    }

    #[test]
    fn flags_have_hikyuus_names_and_defaults() {
        let serve = |arguments: &[&str]| serve(arguments).unwrap();
        let plain = serve(&[]);
        assert_eq!((plain.addr.as_str(), plain.workers), ("tcp://0.0.0.0:9201", 2));
        assert!(!plain.save && !plain.buf && plain.parquet_path.is_empty());
        let full = serve(&["--save", "True", "--buf", "1", "-n", "4", "--parquet_path", "p"]);
        assert!(full.save && full.buf && full.workers == 4 && full.parquet_path == "p");
        assert!(serve(&["--save", "--buf", "no"]).save);
        assert_eq!(serve(&["--work_num", "3"]).workers, 3);
    }

    #[test]
    fn bad_values_are_named() {
        for (arguments, said) in [
            (["--save", "maybe"], "true or false"),
            (["--work_num", "0"], "1..=1024"),
            (["--work_num", "two"], "two"),
            (["--http", "0.0.0.0:1"], "token"),
        ] {
            let fault = serve(&arguments).unwrap_err().to_string();
            assert!(fault.contains(said), "{fault}");
        }
    }
}
