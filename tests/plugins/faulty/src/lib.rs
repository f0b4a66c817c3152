//! Source, transform and sink that fail as they are told, for tests of the host.

use std::{path::PathBuf, thread, time};

use plugin_api::{
    Ack, Action, Batch, Context, Duration, Outcome, Output, PluginError, Polled, Reader,
    ReaderKind, Round, Sink, Source, SpotListEncoder, SpotRecord, Transform, export_plugin,
    no_such_reader, options, serde_json::json,
};

options! {
    /// Options of all three roles.
    #[derive(Default)]
    #[serde(default)]
    pub struct Options {
        /// The call that goes wrong: open, next, apply, write, tick, flush, export_state,
        /// import_state, readers, act, close, drop.
        pub call: String,
        /// How: panic, config, bad_data, retry, fatal, block.
        pub how: String,
        /// The call goes wrong from so many calls on. 0: the first.
        pub after: u64,
        /// So many times over all instances; 0: always. Counted in `counter`.
        pub times: u64,
        /// File that counts over instances.
        pub counter: Option<PathBuf>,
        /// Every opening takes so long.
        pub open_delay: Duration,
        /// Every write or apply takes so long.
        pub delay: Duration,
        /// A source makes so many batches. 0: none.
        pub batches: u64,
        /// Records of each batch.
        pub records: u64,
        /// Different securities.
        pub symbols: u64,
        /// Pause of a source before each batch.
        pub pace: Duration,
        /// A source promises a record at least so often. 0: nothing.
        pub promise: Duration,
        /// A sink appends the sequence numbers of the records that it takes to this file.
        pub log: Option<PathBuf>,
        /// A sink answers that it holds what it took until it is flushed.
        pub hold: bool,
        /// A source makes its batch once and gives the same again and again.
        pub repeat: bool,
        /// Sequence number of a record that a sink calls bad.
        pub bad_record: u64,
        /// Sequence number of a record that a sink calls bad when it is flushed.
        pub bad_flush: u64,
        /// File that an instance keeps as long as it lives; beside it no other one opens.
        pub lock: Option<PathBuf>,
        /// It tells of so many readers, `1` and on. 0: of none, ever.
        pub readers: u64,
    }
}

/// One component of any role.
struct Faulty {
    options: Options,
    context: Context,
    calls: u64,
    made: u64,
    encoder: SpotListEncoder,
    /// What a source that repeats gives.
    batch: Option<Batch>,
    /// A sink took the record that it calls bad when it is flushed.
    took_bad: bool,
    locked: bool,
    /// Readers that were disconnected.
    gone: Vec<String>,
}

impl Faulty {
    fn start(options: Options, context: Context) -> Result<Self, PluginError> {
        let encoder = SpotListEncoder::new(usize::try_from(options.records).unwrap_or(0));
        let mut faulty = Self {
            options,
            context,
            calls: 0,
            made: 0,
            encoder,
            batch: None,
            took_bad: false,
            locked: false,
            gone: Vec::new(),
        };
        thread::sleep(*faulty.options.open_delay);
        faulty.enter("open")?;
        faulty.lock()?;
        faulty.calls = 0;
        Ok(faulty)
    }

    fn lock(&mut self) -> Result<(), PluginError> {
        let Some(lock) = &self.options.lock else { return Ok(()) };
        let path = self.context.resolve(lock);
        std::fs::File::create_new(&path)
            .map_err(|error| PluginError::fatal(format!("{}: {error}", path.display())))?;
        self.locked = true;
        Ok(())
    }

    /// Does what the options say for that call.
    fn enter(&mut self, call: &str) -> Result<(), PluginError> {
        if self.options.call != call {
            return Ok(());
        }
        self.calls += 1;
        if self.calls <= self.options.after || !self.is_due() {
            return Ok(());
        }
        let text = format!("told to fail in {call}");
        match self.options.how.as_str() {
            "panic" => panic!("{text}"),
            "config" => Err(PluginError::config(text)),
            "bad_data" => Err(PluginError::bad_data(text)),
            "retry" => Err(PluginError::retry(text)),
            "block" => loop {
                thread::sleep(time::Duration::from_secs(3600));
            },
            _ => Err(PluginError::fatal(text)),
        }
    }

    fn told(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        self.enter("readers")?;
        let ids = (1..=self.options.readers).map(|id| id.to_string());
        let here = ids.filter(|id| !self.gone.contains(id)).map(|id| {
            let reader = Reader::new(ReaderKind::Client, id);
            let action = Action::Disconnect.kind();
            Reader { records: Some(self.made), lag_records: Some(0), ..reader }.can(action)
        });
        Ok((self.options.readers > 0).then(|| here.collect()))
    }

    fn disconnect(&mut self, reader: &str, preview: bool) -> Result<Outcome, PluginError> {
        self.enter("act")?;
        let is_here = self.told()?.unwrap_or_default().iter().any(|it| it.id == reader);
        if !is_here {
            return Err(no_such_reader(reader));
        }
        if !preview {
            self.gone.push(reader.to_owned());
        }
        Ok(Outcome { before: json!({ "connected": true }), after: json!({ "connected": false }) })
    }

    /// Counts a failure; false when all that were asked for have been.
    fn is_due(&self) -> bool {
        let Some(counter) = &self.options.counter else { return true };
        let path = self.context.resolve(counter);
        let failed = std::fs::read_to_string(&path).map_or(0, |text| text.len() as u64);
        let due = failed < self.options.times;
        if due {
            append(&path, "x");
        }
        due
    }
}

/// The calls about readers, the same for every role.
macro_rules! about_readers {
    () => {
        fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
            self.told()
        }

        fn act(&mut self, reader: &str, _: &Action, preview: bool) -> Result<Outcome, PluginError> {
            self.disconnect(reader, preview)
        }
    };
}

fn append(path: &std::path::Path, text: &str) {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let (true, Some(lock)) = (self.locked, &self.options.lock) {
            let _ = std::fs::remove_file(self.context.resolve(lock));
        }
        assert!(self.options.call != "drop", "told to fail in drop");
    }
}

impl Source for Faulty {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let promise = (!options.promise.is_zero()).then_some(*options.promise);
        context.expect_records(promise);
        Self::start(options, context)
    }

    fn next(&mut self, _: time::Duration) -> Result<Polled, PluginError> {
        self.enter("next")?;
        if self.made == self.options.batches {
            return Ok(Polled::End);
        }
        thread::sleep(*self.options.pace);
        if let Some(batch) = &self.batch {
            self.made += 1;
            return Ok(Polled::Batch(batch.clone()));
        }
        for index in 0..self.options.records {
            let sequence = self.made * self.options.records + index + 1;
            let code = format!("{}", 600_000 + sequence % self.options.symbols.max(1));
            let levels = [10.0, 9.99, 9.98, 9.97, 9.96];
            self.encoder.push(&SpotRecord {
                market: "SH",
                code: &code,
                name: "测试",
                time_us: 1_638_321_301_000_000,
                close: 10.0,
                bid: &levels,
                bid_volume: &[100; 5],
                ask: &levels,
                ask_volume: &[100; 5],
                source: self.context.instance(),
                sequence,
                ..SpotRecord::default()
            })?;
        }
        self.made += 1;
        let batch = Batch::from_spots(&mut self.encoder, Round::WHOLE);
        self.batch = self.options.repeat.then(|| batch.clone());
        Ok(Polled::Batch(batch))
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        self.enter("export_state")?;
        Ok(Some(self.made.to_le_bytes().to_vec()))
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.enter("import_state")?;
        let made = state.try_into().map(u64::from_le_bytes);
        self.made = made.map_err(|_| PluginError::config("that is no number of batches"))?;
        Ok(())
    }

    about_readers!();

    fn close(&mut self) -> Result<(), PluginError> {
        self.enter("close")
    }
}

impl Transform for Faulty {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(options, context)
    }

    fn apply(&mut self, batch: &Batch, output: &mut Output) -> Result<(), PluginError> {
        thread::sleep(*self.options.delay);
        self.enter("apply")?;
        output.push(batch.clone());
        Ok(())
    }

    fn tick(&mut self, _: &mut Output) -> Result<(), PluginError> {
        self.enter("tick")
    }

    about_readers!();

    fn close(&mut self, _: &mut Output) -> Result<(), PluginError> {
        self.enter("close")
    }
}

impl Sink for Faulty {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(options, context)
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        thread::sleep(*self.options.delay);
        self.enter("write")?;
        let sequences: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.spots().iter().map(|spot| spot.sequence()).collect::<Vec<_>>())
            .collect();
        if sequences.contains(&self.options.bad_record) {
            return Err(PluginError::bad_data(format!("record {}", self.options.bad_record)));
        }
        if let Some(log) = &self.options.log {
            let lines: String = sequences.iter().map(|sequence| format!("{sequence}\n")).collect();
            append(&self.context.resolve(log), &lines);
        }
        self.took_bad |= sequences.contains(&self.options.bad_flush);
        Ok(if self.options.hold { Ack::Held } else { Ack::Delivered })
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.enter("tick")?;
        Ok(Ack::Held)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        if self.took_bad {
            return Err(PluginError::bad_data(format!("record {}", self.options.bad_flush)));
        }
        self.enter("flush")
    }

    about_readers!();

    fn close(&mut self) -> Result<(), PluginError> {
        self.enter("close")
    }
}

export_plugin! {
    name: "faulty",
    description: "Fails as it is told",
    author: "dataserver developers",
    source: Faulty,
    transform: Faulty,
    sink: Faulty,
}
