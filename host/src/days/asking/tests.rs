//! Questions to a plugin that answers as it is told.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Mutex, PoisonError},
};

use dataserver_config::{Carrier, Catalog, NotFound, ProcessEnvironment, load_text};
use dataserver_loader::{AnyInstance, SinkInstance, TransformInstance};
use plugin_api::{ApiVersion, Manifest, Role, Round, testing::TestHost, testing::spot_batch};
use serde_json::json;

use super::*;

/// What it gives, call by call; at the end it ends.
type Script = Arc<Mutex<VecDeque<Result<Polled, PluginError>>>>;

/// A store that can be asked, or one that cannot.
pub struct Store {
    manifest: Manifest,
    script: Script,
    opened: Mutex<Vec<Value>>,
}

struct Reading(Script);

impl AnyInstance for Reading {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        Ok(None)
    }

    fn import_state(&mut self, _: &[u8]) -> Result<(), PluginError> {
        Ok(())
    }
}

impl SourceInstance for Reading {
    fn next(&mut self, _: Duration) -> Result<Polled, PluginError> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.pop_front().unwrap_or(Ok(Polled::End))
    }

    fn confirm(&mut self, _: u64) -> Result<(), PluginError> {
        Ok(())
    }

    /// As long as something is left of the script, it did not come to its end.
    fn close(&mut self) -> Result<(), PluginError> {
        match self.0.lock().unwrap().pop_front() {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Plugin for Store {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check(&self, _: RoleKind, _: Opening) -> Result<(), PluginError> {
        Ok(())
    }

    fn command(&self, _: RoleKind, _: Opening, _: &Value) -> Result<Value, PluginError> {
        Ok(Value::Null)
    }

    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError> {
        self.opened.lock().unwrap().push(serde_json::from_str(&opening.options).unwrap());
        Ok(Box::new(Reading(Arc::clone(&self.script))))
    }

    fn open_transform(&self, _: Opening) -> Result<Box<dyn TransformInstance>, PluginError> {
        Err(PluginError::config("no transform"))
    }

    fn open_sink(&self, _: Opening) -> Result<Box<dyn SinkInstance>, PluginError> {
        Err(PluginError::config("no sink"))
    }
}

/// Takes every plugin with any options.
struct Any;

impl Catalog for Any {
    fn find(
        &self,
        _: &str,
        kind: RoleKind,
        _: Option<Carrier>,
    ) -> Result<(Role, Carrier), NotFound> {
        Ok((role(kind, json!({})), Carrier::Native))
    }
}

fn role(kind: RoleKind, options_schema: Value) -> Role {
    let max_wait = Duration::ZERO;
    Role { kind, options_schema, delivery: None, ordered: true, max_records: 1, max_wait }
}

pub fn store(properties: Value, script: Vec<Result<Polled, PluginError>>) -> Arc<Store> {
    let manifest = Manifest {
        name: "store".to_owned(),
        version: "1".to_owned(),
        description: String::new(),
        author: String::new(),
        api: ApiVersion::CURRENT,
        roles: vec![role(RoleKind::Source, json!({ "properties": properties }))],
    };
    let script = Arc::new(Mutex::new(script.into()));
    Arc::new(Store { manifest, script, opened: Mutex::default() })
}

pub fn history(store: &Arc<Store>, host: &Arc<TestHost>) -> Option<History> {
    let text = "[sources.day]\nplugin = \"x\"\n\
                [sinks.lake]\nplugin = \"store\"\ninputs = [\"day\"]\npath = \"lake\"\nrow_group = 5\n";
    let parsed = load_text(text, Path::new("/nowhere/p.toml"), &ProcessEnvironment);
    let pipeline = parsed.unwrap().resolve(&Any).unwrap();
    let lake = pipeline.components.iter().find(|it| it.id == "lake").unwrap();
    History::with(lake, Arc::clone(store) as Arc<dyn Plugin>, &pipeline, Arc::clone(host) as _)
}

fn ask() -> Ask {
    Ask {
        symbols: Vec::new(),
        from: "2026-01-05 00:00:00".to_owned(),
        to: "2026-01-05 23:59:59".to_owned(),
        kind: "spot".to_owned(),
        period: None,
    }
}

pub fn asked() -> Value {
    json!({ "path": {}, "ask": {} })
}

/// Records of all batches up to the end, or the error.
fn read(answer: &mut Answer<'_>) -> Result<u32, AskError> {
    let mut records = 0;
    while let Some(batch) = answer.next_batch()? {
        records += batch.records();
    }
    Ok(records)
}

fn batch(records: usize) -> Result<Polled, PluginError> {
    Ok(Polled::Batch(spot_batch(records, Round::WHOLE)))
}

#[test]
fn a_store_is_read_with_its_own_options_as_far_as_a_source_has_them() {
    let store = store(asked(), vec![batch(3), Ok(Polled::Idle), batch(2)]);
    let history = history(&store, &Arc::default()).unwrap();
    let mut answer = history.ask(&ask()).unwrap();
    assert_eq!((read(&mut answer), answer.refused()), (Ok(5), None));
    let opened = store.opened.lock().unwrap();
    let expected = json!({
        "path": "lake",
        "ask": {
            "symbols": [], "from": "2026-01-05 00:00:00", "to": "2026-01-05 23:59:59", "kind": "spot",
        },
    });
    assert_eq!(*opened, [expected]);
}

#[test]
fn a_plugin_that_has_no_such_option_cannot_be_asked() {
    assert!(history(&store(json!({ "path": {} }), Vec::new()), &Arc::default()).is_none());
}

#[test]
fn faults_that_pass_are_waited_out_and_others_end_it() {
    let faulty = |error: PluginError| vec![batch(1), Err(error), batch(2)];
    let table = [
        (PluginError::retry("away"), Ok(3), None),
        (PluginError::bad_data("row 7: no price"), Ok(3), Some("row 7: no price")),
        (PluginError::fatal("nothing of 600000.SH"), Err("lake: nothing of 600000.SH"), None),
    ];
    for (error, expected, refused) in table {
        let store = store(asked(), faulty(error));
        let mut answer = history(&store, &Arc::default()).unwrap().ask(&ask()).unwrap();
        let read = read(&mut answer).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned));
        assert_eq!(answer.refused(), refused);
    }
}

#[test]
fn whoever_waits_hears_for_whom_until_something_comes_or_it_is_given_up() {
    let away = || Err(PluginError::retry("no route"));
    for (script, is_given_up) in [
        (vec![batch(1), away(), batch(2)], false),
        (vec![away(), Err(PluginError::fatal("gone"))], true),
    ] {
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |whom: Option<String>| told.borrow_mut().push(whom);
        let history = history(&store(asked(), script), &Arc::default()).unwrap();
        let mut answer = history.ask_telling(&ask(), &tell).unwrap();
        assert_eq!(read(&mut answer).is_err(), is_given_up);
        let told = told.borrow();
        assert!(told[0].as_ref().unwrap().starts_with("lake: ") && told[1].is_none(), "{told:?}");
        assert_eq!(told.len(), 2);
    }
}

#[test]
fn a_plugin_that_could_not_give_all_says_so_at_its_end() {
    let short = PluginError::fatal("1 fault of files");
    let store = store(asked(), vec![batch(2), Ok(Polled::End), Err(short)]);
    let mut answer = history(&store, &Arc::default()).unwrap().ask(&ask()).unwrap();
    assert!(answer.next_batch().unwrap().is_some());
    assert_eq!(answer.next_batch().unwrap_err().to_string(), "lake: 1 fault of files");
    assert!(answer.next_batch().unwrap().is_none(), "it has ended");
}

#[test]
fn a_question_ends_when_the_host_does() {
    let host = Arc::<TestHost>::default();
    let store = store(asked(), vec![batch(1), batch(1)]);
    let mut answer = history(&store, &host).unwrap().ask(&ask()).unwrap();
    assert!(answer.next_batch().unwrap().is_some());
    host.stop();
    let error = answer.next_batch().unwrap_err();
    assert_eq!(error, AskError::Stopped { component: "lake".to_owned() });
}

#[test]
fn what_cannot_be_asked_is_a_fault_of_the_question() {
    let store = store(asked(), Vec::new());
    let ask = Ask { from: "soon".to_owned(), ..ask() };
    let error = history(&store, &Arc::default()).unwrap().ask(&ask).err().unwrap();
    assert!(error.is_config() && error.to_string().contains("ask.from"), "{error}");
    assert!(store.opened.lock().unwrap().is_empty());
}
