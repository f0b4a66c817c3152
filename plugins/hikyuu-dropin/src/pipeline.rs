//! Which pipeline runs: the user's own, or the one that the arguments of a start ask for.

use std::path::PathBuf;

use dataserver::{
    config::{self, Faults, ParsedConfig},
    hikyuu::{HostSection, Service, Settings},
};

use crate::{arguments::Arguments, home::Home};

/// Widest line of a fault that is shown.
const WIDTH: usize = 100;

/// The pipeline that is to run, as far as it goes without plugins.
///
/// # Errors
/// What is wrong with the user's file, with `hikyuu.ini` or with the arguments.
pub fn parsed(home: &Home, arguments: &Arguments) -> Result<ParsedConfig, String> {
    let own = home.own_pipeline();
    let settings = Settings::of_home(home.folder());
    if own.symlink_metadata().is_ok() {
        tracing::info!(
            addr = arguments.addr,
            "{} runs; what the start was called with is left aside",
            own.display()
        );
        // what the file does not ask for need not be there
        let settings = settings.unwrap_or_else(|fault| {
            tracing::warn!("nothing is taken from Hikyuu's settings: {fault}");
            Settings::default()
        });
        return config::load(&own, &settings.environment()).map_err(|faults| shown(&faults));
    }
    let settings = settings?;
    let service = Service {
        addr: arguments.addr.clone(),
        workers: arguments.work_num,
        save: arguments.save_tick,
        buffer: arguments.buf_tick,
        parquet_path: Some(PathBuf::from(&arguments.parquet_path))
            .filter(|path| !path.as_os_str().is_empty()),
        server: None,
        host_section: HostSection {
            data_dir: home.data_dir(&arguments.addr),
            ..HostSection::default()
        },
    };
    let text = service.pipeline(&settings)?;
    tracing::debug!("the pipeline is\n{text}");
    // there is no such file: the name shows where a fault lies
    let name = home.folder().join(".hikyuu/start_data_server");
    config::load_text(&text, &name, &settings.environment()).map_err(|faults| shown(&faults))
}

/// What is wrong, for the log.
pub fn shown(faults: &Faults) -> String {
    faults.render(false, WIDTH).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn arguments() -> Arguments {
        Arguments {
            addr: "tcp://0.0.0.0:9201".to_owned(),
            work_num: 3,
            save_tick: false,
            buf_tick: false,
            parquet_path: String::new(),
        }
    }

    fn ids(parsed: &ParsedConfig) -> Vec<&str> {
        assert!(parsed.faults().is_empty(), "{parsed:?}");
        parsed.components().map(|it| it.id.as_str()).collect()
    }

    #[test]
    fn a_start_stands_for_a_pipeline_with_a_folder_of_its_own() {
        let user = tempfile::tempdir().unwrap();
        let parsed = parsed(&Home::at(user.path()), &arguments()).unwrap();
        assert_eq!(ids(&parsed), ["quotes", "bars", "server"]);
        assert_eq!(parsed.host().data_dir, user.path().join(".hikyuu/dataserver/9201"));
        assert_eq!(parsed.host().http, None);
    }

    #[test]
    fn what_is_to_be_saved_needs_a_place() {
        let user = tempfile::tempdir().unwrap();
        let home = Home::at(user.path());
        let saving = Arguments { save_tick: true, ..arguments() };
        let told = parsed(&home, &saving).unwrap_err();
        assert!(told.contains("parquet_path") && told.contains("hikyuu.ini"), "{told}");
        let saving = Arguments { parquet_path: "/lake".to_owned(), ..saving };
        assert_eq!(ids(&parsed(&home, &saving).unwrap()), ["quotes", "bars", "server", "store"]);
    }

    #[test]
    fn the_users_own_pipeline_goes_before_all_else() {
        let user = tempfile::tempdir().unwrap();
        let home = Home::at(user.path());
        fs::create_dir(user.path().join(".hikyuu")).unwrap();
        let own = "[sources.mine]\nplugin = \"x\"\n[sinks.out]\nplugin = \"y\"\n\
                   inputs = [\"mine\"]\n";
        fs::write(home.own_pipeline(), own).unwrap();
        assert_eq!(ids(&parsed(&home, &arguments()).unwrap()), ["mine", "out"]);
        // one that cannot be read is not passed over
        fs::remove_file(home.own_pipeline()).unwrap();
        std::os::unix::fs::symlink("absent", home.own_pipeline()).unwrap();
        let told = parsed(&home, &arguments()).unwrap_err();
        assert!(told.contains("dataserver.toml"), "{told}");
    }
}
