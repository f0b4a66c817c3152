//! Flags that Hikyuu's commands share, and what such a command asks for.

use std::{
    env, fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use dataserver_config::{self as config, Faults, ParsedConfig, Secret};

use super::{HostSection, Settings, data_dir};

/// What a command asks for that stands for a pipeline of its own.
pub enum Asked {
    /// Its pipeline file, to be printed.
    Print(String),
    /// To run the pipeline, which is read like this, also by a reload.
    Run(Box<dyn Fn() -> Result<ParsedConfig, Faults> + Send + Sync>),
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Print(_) => f.write_str("Print"),
            Self::Run(_) => f.write_str("Run"),
        }
    }
}

/// What surrounds the pipeline.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    /// Print the pipeline file that this command stands for, and do not run it.
    ///
    /// Kept as a file it can be changed and run with `dataserver run -c FILE`.
    #[arg(long)]
    print_config: bool,
    /// Folder with plugins; may be given several times. Default: the one installed with the program.
    #[arg(long, value_name = "DIR")]
    plugins: Vec<PathBuf>,
    /// Folder for buffers on disk, checkpoints and dead letters. Default:
    /// `~/.hikyuu/dataserver/PORT`.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the control interface on this machine, e.g. 127.0.0.1:9280. Default: off.
    #[arg(long, value_name = "IP:PORT", value_parser = loopback)]
    http: Option<SocketAddr>,
    /// Hikyuu's settings. Default: `~/.hikyuu/hikyuu.ini`, if it is there.
    #[arg(long, value_name = "FILE")]
    ini: Option<PathBuf>,
}

impl PipelineArgs {
    /// Asks to run or to print what `write` makes of the surroundings and of Hikyuu's settings;
    /// `address` names the data folder, and `given` are variables that the text asks for. A reload
    /// reads the settings anew.
    ///
    /// # Errors
    /// What is wrong with the flags; to be printed, also with the settings.
    pub fn asked(
        self,
        command: &'static str,
        address: &str,
        given: Vec<(&'static str, Secret)>,
        write: impl Fn(HostSection, &Settings) -> Result<String, String> + Send + Sync + 'static,
    ) -> Result<Asked, Faults> {
        let name = Path::new(command);
        let faults = move |fault: String| Faults::of(name, fault);
        let print = self.print_config;
        let host_section = self.host_section(address).map_err(faults)?;
        let ini = self.ini;
        let written = move || -> Result<(String, Settings), Faults> {
            let settings = settings(ini.as_deref()).map_err(faults)?;
            let text = write(host_section.clone(), &settings).map_err(faults)?;
            Ok((text, settings))
        };
        if print {
            return Ok(Asked::Print(written()?.0));
        }
        Ok(Asked::Run(Box::new(move || {
            let (text, settings) = written()?;
            config::load_text(&text, name, &settings.environment().with(given.clone()))
        })))
    }

    fn host_section(&self, address: &str) -> Result<HostSection, String> {
        let folder = match &self.data_dir {
            Some(folder) => absolute(folder)?,
            None => {
                let home = env::home_dir().filter(|home| home.is_absolute());
                let home = home.ok_or("there is no home folder; name one with --data-dir")?;
                data_dir(&home, address)
            }
        };
        let mut plugins = Vec::new();
        for folder in &self.plugins {
            plugins.push(absolute(folder)?);
        }
        if plugins.is_empty() {
            plugins.extend(installed_plugins());
        }
        Ok(HostSection { plugins, data_dir: folder, http: self.http })
    }
}

/// `plugins` beside the folder of the program.
fn installed_plugins() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("plugins"))
}

fn settings(ini: Option<&Path>) -> Result<Settings, String> {
    match (ini, env::home_dir()) {
        (Some(file), _) => Settings::load(file),
        (None, Some(home)) => Settings::of_home(&home),
        (None, None) => Ok(Settings::default()),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("\"{}\": {error}", path.display()))
}

/// An address that only this machine reaches: others would need a token.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "write an IP address and a port, e.g. 127.0.0.1:9280")?;
    if !address.ip().is_loopback() {
        return Err("other machines would need a token; use 127.0.0.1, or put the output of \
                    --print-config into a file and add `token` to [host]"
            .to_owned());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_interface_is_not_opened_to_other_machines() {
        assert!(loopback("127.0.0.1:9280").is_ok() && loopback("[::1]:0").is_ok());
        assert!(loopback("0.0.0.0:9280").unwrap_err().contains("token"));
        assert!(loopback("9280").unwrap_err().contains("127.0.0.1:9280"));
    }
}
