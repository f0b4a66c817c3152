//! The source: a request at a time, a batch an answer.

use std::{
    thread,
    time::{self, Instant},
};

use plugin_api::{
    Batch, ByteSize, Context, Duration, PluginError, Polled, Round, Source, SpotListEncoder,
    options,
};

use crate::{fetch::Fetch, quote::read_line, url::Url};

options! {
    /// Options of the `http-quotes` source.
    pub struct Options {
        /// Where the quotes are, e.g. `https://quotes.example.com/all`. No default.
        pub url: String,
        /// From one request to the next. Default 3s, at least 100ms.
        #[serde(default = "three_seconds")]
        pub interval: Duration,
        /// Longest time for a whole answer. Default 10s, at least 100ms.
        #[serde(default = "ten_seconds")]
        pub timeout: Duration,
        /// Longest answer. Default 8MiB.
        #[serde(default = "eight_mib")]
        pub max_bytes: ByteSize,
    }
}

const LEAST: time::Duration = time::Duration::from_millis(100);

fn three_seconds() -> Duration {
    Duration(time::Duration::from_secs(3))
}

fn ten_seconds() -> Duration {
    Duration(time::Duration::from_secs(10))
}

fn eight_mib() -> ByteSize {
    ByteSize(8 << 20)
}

/// Fetches in rounds.
pub struct HttpQuotes {
    options: Options,
    context: Context,
    url: Url,
    due: Instant,
    fetch: Option<Fetch>,
    list: SpotListEncoder,
    /// Number of the last record.
    sequence: u64,
}

/// All that is wrong with the options, at once.
fn checked(options: &Options) -> Result<Url, PluginError> {
    let url = Url::parse(&options.url);
    let mut problems: Vec<String> = url.as_ref().err().cloned().into_iter().collect();
    for (name, value) in [("interval", options.interval), ("timeout", options.timeout)] {
        if *value < LEAST {
            problems.push(format!("{name} = \"{value}\" is below 100ms; raise it"));
        }
    }
    url.ok().filter(|_| problems.is_empty()).ok_or_else(|| PluginError::config(problems.join("; ")))
}

impl HttpQuotes {
    fn batch(&mut self, answer: &[u8]) -> Option<Batch> {
        let recv_time_us = self.context.now_us();
        let lines = answer.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty()) {
            let (source, sequence) = (self.context.instance(), self.sequence + 1);
            match read_line(line, source, recv_time_us, sequence, &mut self.list) {
                Ok(()) => self.sequence = sequence,
                Err(reason) => self.context.dead_letter(&reason, line),
            }
        }
        (!self.list.is_empty()).then(|| Batch::from_spots(&mut self.list, Round::WHOLE))
    }
}

impl Source for HttpQuotes {
    type Options = Options;

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        checked(options).map(drop)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let url = checked(&options)?;
        // one answer may fail without the source counting as silent
        context.expect_records(Some(3 * (*options.interval + *options.timeout)));
        let list = SpotListEncoder::new(0);
        Ok(Self { options, context, url, due: Instant::now(), fetch: None, list, sequence: 0 })
    }

    fn next(&mut self, wait: time::Duration) -> Result<Polled, PluginError> {
        let until = Instant::now() + wait;
        if self.fetch.is_none() {
            thread::sleep(self.due.min(until).saturating_duration_since(Instant::now()));
            if Instant::now() < self.due {
                return Ok(Polled::Idle);
            }
            // what was missed is not made up for
            self.due = Instant::now() + *self.options.interval;
            let fetch = Fetch::start(&self.url, *self.options.timeout, *self.options.max_bytes)?;
            self.fetch = Some(fetch);
        }
        let advanced = match &mut self.fetch {
            Some(fetch) => fetch.advance(until),
            None => Ok(None),
        };
        let Some(answer) = advanced.inspect_err(|_| self.fetch = None)? else {
            return Ok(Polled::Idle);
        };
        self.fetch = None;
        Ok(self.batch(&answer).map_or(Polled::Idle, Polled::Batch))
    }
}
