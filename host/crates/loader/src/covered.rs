//! A plugin whose texts repeat no secret of its component's options.
//!
//! Texts of plugins reach the log, `/health`, dead letters and HTTP clients. Values of secret
//! options are masked here, where the texts enter the host.

use std::{sync::Arc, time::Duration};

use dataserver_config::Secrets;
use plugin_api::{
    Ack, Action, Batch, Context, HostServices, Level, Manifest, Outcome, PluginError, Polled,
    Reader, Report, RoleKind,
};
use serde_json::Value;

use super::{
    AnyInstance, Opening, Plugin, SinkInstance, SourceInstance, TransformInstance, readers, reports,
};

/// See the module.
pub struct Covered(pub Arc<dyn Plugin>);

/// An instance, or the host as one sees it.
struct With<T> {
    inner: T,
    secrets: Arc<Secrets>,
}

impl Opening {
    /// The same, with a host that gets no secret of its options.
    fn covered(mut self) -> (Self, Arc<Secrets>) {
        let options = serde_json::from_str::<Value>(&self.options).unwrap_or_default();
        let secrets = options.as_object().map(Secrets::of).unwrap_or_default();
        let secrets = Arc::new(secrets);
        if !secrets.is_empty() {
            let context = &self.context;
            let host = With { inner: context.host(), secrets: Arc::clone(&secrets) };
            let (id, state) = (context.instance(), context.state_path());
            self.context = Context::new(id, context.base_dir(), state, Arc::new(host));
        }
        (self, secrets)
    }
}

impl<T> With<T> {
    fn cover<R>(&self, result: Result<R, PluginError>) -> Result<R, PluginError> {
        cover(&self.secrets, result)
    }
}

fn cover<R>(secrets: &Secrets, result: Result<R, PluginError>) -> Result<R, PluginError> {
    result.map_err(|error| PluginError {
        message: secrets.cover(&error.message).into_owned(),
        kind: error.kind,
    })
}

/// Opens an instance, and covers it with `wrap` if its options hold a secret.
fn open<T: ?Sized>(
    opening: Opening,
    open: impl FnOnce(Opening) -> Result<Box<T>, PluginError>,
    wrap: impl FnOnce(With<Box<T>>) -> Box<T>,
) -> Result<Box<T>, PluginError> {
    let (opening, secrets) = opening.covered();
    let inner = cover(&secrets, open(opening))?;
    Ok(if secrets.is_empty() { inner } else { wrap(With { inner, secrets }) })
}

impl Plugin for Covered {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn check(&self, role: RoleKind, opening: Opening) -> Result<(), PluginError> {
        let (opening, secrets) = opening.covered();
        cover(&secrets, self.0.check(role, opening))
    }

    fn command(
        &self,
        role: RoleKind,
        opening: Opening,
        request: &Value,
    ) -> Result<Value, PluginError> {
        let (opening, secrets) = opening.covered();
        cover(&secrets, self.0.command(role, opening, request))
    }

    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
        open(opening, |opening| self.0.open_source(opening), |covered| Box::new(covered))
    }

    fn open_transform(&self, opening: Opening) -> Result<Box<dyn TransformInstance>, PluginError> {
        open(opening, |opening| self.0.open_transform(opening), |covered| Box::new(covered))
    }

    fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
        open(opening, |opening| self.0.open_sink(opening), |covered| Box::new(covered))
    }
}

impl<T: AnyInstance + ?Sized> AnyInstance for With<Box<T>> {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        let result = self.inner.export_state();
        self.cover(result)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let result = self.inner.import_state(state);
        self.cover(result)
    }

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        let result = self.inner.readers();
        let mut told = self.cover(result)?;
        if let Some(told) = &mut told {
            readers::cover(told, |text| self.secrets.cover(text).into_owned());
        }
        Ok(told)
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let result = self.inner.act(reader, action, preview);
        let mut outcome = self.cover(result)?;
        readers::cover_outcome(&mut outcome, |text| self.secrets.cover(text).into_owned());
        Ok(outcome)
    }
}

impl SourceInstance for With<Box<dyn SourceInstance>> {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let result = self.inner.next(wait);
        self.cover(result)
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        let result = self.inner.confirm(batches);
        self.cover(result)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let result = self.inner.close();
        self.cover(result)
    }
}

impl TransformInstance for With<Box<dyn TransformInstance>> {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError> {
        let result = self.inner.apply(batch);
        self.cover(result)
    }

    fn tick(&mut self) -> Result<Vec<Batch>, PluginError> {
        let result = self.inner.tick();
        self.cover(result)
    }

    fn close(&mut self) -> Result<Vec<Batch>, PluginError> {
        let result = self.inner.close();
        self.cover(result)
    }
}

impl SinkInstance for With<Box<dyn SinkInstance>> {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let result = self.inner.write(batches);
        self.cover(result)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        let result = self.inner.tick();
        self.cover(result)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        let result = self.inner.flush();
        self.cover(result)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let result = self.inner.close();
        self.cover(result)
    }
}

impl HostServices for With<Arc<dyn HostServices>> {
    fn log(&self, level: Level, message: &str) {
        self.inner.log(level, &self.secrets.cover(message));
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.inner.dropped(reason, records);
    }

    fn count(&self, metric: &str, by: u64) {
        self.inner.count(metric, by);
    }

    fn gauge(&self, metric: &str, value: f64) {
        self.inner.gauge(metric, value);
    }

    fn now_us(&self) -> i64 {
        self.inner.now_us()
    }

    fn is_stopping(&self) -> bool {
        self.inner.is_stopping()
    }

    fn expect_records(&self, within: Option<Duration>) {
        self.inner.expect_records(within);
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        self.inner.dead_letter(&self.secrets.cover(reason), payload);
    }

    fn report(&self, report: &Report) {
        let cover = |text: &str| self.secrets.cover(text).into_owned();
        reports::give(report, self.inner.as_ref(), cover);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use plugin_api::testing::{self, TestHost};
    use serde_json::json;

    use super::*;

    /// Says all its options whenever it is asked for something.
    struct Talker(Manifest);

    struct Talking(String, Context);

    impl Talking {
        fn talk<R>(&self) -> Result<R, PluginError> {
            self.1.warn(&self.0);
            self.1.dead_letter(&self.0, b"");
            Err(PluginError::retry(self.0.clone()))
        }
    }

    impl Plugin for Talker {
        fn manifest(&self) -> &Manifest {
            &self.0
        }

        fn check(&self, _: RoleKind, opening: Opening) -> Result<(), PluginError> {
            Err(PluginError::config(opening.options))
        }

        fn command(&self, _: RoleKind, opening: Opening, _: &Value) -> Result<Value, PluginError> {
            Err(PluginError::config(opening.options))
        }

        fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
            Ok(Box::new(Talking(opening.options, opening.context)))
        }

        fn open_transform(
            &self,
            opening: Opening,
        ) -> Result<Box<dyn TransformInstance>, PluginError> {
            Err(PluginError::fatal(opening.options))
        }

        fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
            Ok(Box::new(Talking(opening.options, opening.context)))
        }
    }

    impl AnyInstance for Talking {
        fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
            self.talk()
        }

        fn import_state(&mut self, _: &[u8]) -> Result<(), PluginError> {
            self.talk()
        }

        fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
            let (address, last_error) = (self.0.clone(), Some(self.0.clone()));
            Ok(Some(vec![Reader { address, last_error, ..Reader::default() }]))
        }

        fn act(&mut self, _: &str, _: &Action, _: bool) -> Result<Outcome, PluginError> {
            Ok(Outcome { before: json!({ "of": [self.0] }), after: json!(self.0) })
        }
    }

    impl SourceInstance for Talking {
        fn next(&mut self, _: Duration) -> Result<Polled, PluginError> {
            self.talk()
        }

        fn confirm(&mut self, _: u64) -> Result<(), PluginError> {
            self.talk()
        }

        fn close(&mut self) -> Result<(), PluginError> {
            self.talk()
        }
    }

    impl SinkInstance for Talking {
        fn write(&mut self, _: &[Batch]) -> Result<Ack, PluginError> {
            self.talk()
        }

        fn tick(&mut self) -> Result<Ack, PluginError> {
            self.talk()
        }

        fn flush(&mut self) -> Result<(), PluginError> {
            self.talk()
        }

        fn close(&mut self) -> Result<(), PluginError> {
            self.talk()
        }
    }

    #[test]
    fn whatever_a_plugin_says_the_host_hears_no_secret_of_its_options() {
        let manifest = Manifest {
            name: "talker".to_owned(),
            version: "1.0.0".to_owned(),
            api: plugin_api::ApiVersion::CURRENT,
            description: String::new(),
            author: String::new(),
            roles: Vec::new(),
        };
        let plugin = Covered(Arc::new(Talker(manifest)));
        let host = Arc::<TestHost>::default();
        let opening = || {
            let options = json!({
                "password": "hunter2xyz", "url": "redis://:swordfish@h:1", "path": "lake",
            });
            Opening::plain(&options.to_string(), testing::context(&host, Path::new(".")))
        };
        let mut said = vec![
            plugin.check(RoleKind::Sink, opening()).unwrap_err(),
            plugin.command(RoleKind::Sink, opening(), &Value::Null).unwrap_err(),
            plugin.open_transform(opening()).err().unwrap(),
        ];
        let mut source = plugin.open_source(opening()).unwrap();
        said.push(source.next(Duration::ZERO).unwrap_err());
        said.push(source.close().unwrap_err());
        let mut sink = plugin.open_sink(opening()).unwrap();
        said.push(sink.write(&[]).unwrap_err());
        said.push(sink.flush().unwrap_err());
        let readers = sink.readers().unwrap();
        let outcome = sink.act("1", &Action::Disconnect, true).unwrap();
        let heard = format!("{said:?} {:?} {readers:?} {outcome:?}", host.told());
        assert!(heard.contains("lake"), "{heard}");
        for secret in ["hunter2xyz", "swordfish"] {
            assert!(!heard.contains(secret), "{heard}");
        }
    }
}
