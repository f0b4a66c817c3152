//! The source: plans, batches what threads bring, and tells what is missing.

use std::{
    collections::HashSet,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use kit::history::Bar;
use plugin_api::{
    Batch, Context, PluginError, Polled, Source, Symbol, encode_bars, schemas::lots::Kind,
    serde_json::json,
};

use crate::{
    client::Client,
    options::{Options, Settings},
    row::{NO_UNIT, measured_unit},
    service::Service,
    workers::{Job, MOST_BARS, Message, Workers},
};

/// Most securities that the last fault names.
const MOST_NAMED: usize = 20;
/// Why nothing is asked of one exchange.
const NO_BEIJING: &str = "Beijing is not on this service; ask another source for it";

/// Gives the bars that were asked for, and ends.
pub struct Kline {
    context: Context,
    /// Name of the period.
    period: &'static str,
    /// `None` when nothing is asked.
    workers: Option<Workers>,
    /// Which securities are settled, by their number.
    settled: Vec<bool>,
    /// Bars that wait for their batch, with the number of their security.
    waiting: Vec<(usize, Bar)>,
    given: u64,
    /// Securities that were not given, or not whole, and why.
    faults: Vec<(String, String)>,
    has_ended: bool,
}

impl Source for Kline {
    type Options = Options;

    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = options.check()?;
        service(&settings, context).prove().map_err(|fault| {
            PluginError::retry(format!("{fault}; look at the network, `urls` and `proxy`"))
        })
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = options.check()?;
        let mut source = Self {
            period: settings.question.period.name(),
            workers: None,
            settled: Vec::new(),
            waiting: Vec::new(),
            given: 0,
            faults: Vec::new(),
            has_ended: false,
            context,
        };
        let Some((symbols, span)) = &settings.asked else {
            source.context.info("nothing is asked, so it gives nothing; set `ask`");
            return Ok(source);
        };
        let (mut to_ask, mut seen) = (Vec::new(), HashSet::new());
        for symbol in symbols.iter().filter(|symbol| seen.insert(symbol.as_str())) {
            match refusal(symbol, &settings) {
                Some(reason) => source.is_missing(symbol.clone(), reason.to_owned()),
                None => to_ask.push(symbol.clone()),
            }
        }
        source.settled = vec![false; to_ask.len()];
        source.context.info(&format!("asks for bars of {} securities", to_ask.len()));
        let service = service(&settings, &source.context);
        let job = Job { symbols: to_ask, span: *span, service, context: source.context.clone() };
        source.workers = Some(Workers::start(job, settings.parallel)?);
        Ok(source)
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let until = Instant::now() + wait;
        loop {
            if self.waiting.len() >= MOST_BARS {
                return self.batch();
            }
            let Some(workers) = self.workers.as_ref().filter(|_| !self.has_ended) else {
                self.has_ended = true;
                return Ok(Polled::End);
            };
            match workers.message(until) {
                Ok(Message::Bars(number, bars)) => {
                    self.waiting.extend(bars.into_iter().map(|bar| (number, bar)));
                }
                Ok(Message::Settled(number, fault)) => {
                    let symbol = workers.symbols()[number].clone();
                    self.settled[number] = true;
                    if let Some(reason) = fault {
                        self.is_missing(symbol, reason);
                    }
                }
                Err(_) if !self.waiting.is_empty() => return self.batch(),
                Err(RecvTimeoutError::Timeout) => return Ok(Polled::Idle),
                Err(RecvTimeoutError::Disconnected) => {
                    self.end();
                    return Ok(Polled::End);
                }
            }
        }
    }

    fn close(&mut self) -> Result<(), PluginError> {
        let has_ended = self.has_ended;
        self.workers = None;
        if !has_ended || self.faults.is_empty() {
            return Ok(());
        }
        let named = self.faults.iter().take(MOST_NAMED);
        let mut named: Vec<_> =
            named.map(|(symbol, reason)| format!("{symbol} ({reason})")).collect();
        if self.faults.len() > MOST_NAMED {
            named.push(format!("and {} more, see dead letters", self.faults.len() - MOST_NAMED));
        }
        Err(PluginError::fatal(format!(
            "{} securities could not be given, or not whole: {}",
            self.faults.len(),
            named.join(", ")
        )))
    }
}

impl Kline {
    /// The bars that wait, as a batch.
    fn batch(&mut self) -> Result<Polled, PluginError> {
        let symbols = self.workers.as_ref().map_or(&[][..], Workers::symbols);
        let records = self.waiting.iter().filter_map(|(number, bar)| {
            let (code, market) = symbols.get(*number)?.split_once('.')?;
            Some(bar.record(Symbol { market, code }, self.period, self.context.instance()))
        });
        let batch = Batch::from_bars(encode_bars(records))?;
        self.given += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(Polled::Batch(batch))
    }

    /// Notes a security that is not given, or not whole.
    fn is_missing(&mut self, symbol: String, reason: String) {
        let letter = json!({ "symbol": &symbol, "period": self.period }).to_string();
        self.context.dead_letter(&reason, letter.as_bytes());
        self.context.count("kline_missing_securities_total", 1);
        if self.faults.len() < MOST_NAMED {
            self.context.warn(&format!("{symbol}: {reason}"));
        }
        self.faults.push((symbol, reason));
    }

    /// All threads have ended: because the host is stopping, or all is settled.
    fn end(&mut self) {
        let Some(workers) = &self.workers else { return };
        let symbols = workers.symbols().iter().zip(&self.settled);
        let open: Vec<_> =
            symbols.filter(|(_, is_settled)| !**is_settled).map(|(it, _)| it.clone()).collect();
        if !open.is_empty() && self.context.is_stopping() {
            return;
        }
        for symbol in open {
            let text = "the thread that asked has ended; this is a fault of the plugin";
            self.is_missing(symbol, text.to_owned());
        }
        let missing = self.faults.len();
        self.context.info(&format!("{} bars given, {missing} securities not whole", self.given));
        self.has_ended = true;
    }
}

/// Why a security is not even asked for.
fn refusal(symbol: &str, settings: &Settings) -> Option<&'static str> {
    let (code, market) = symbol.split_once('.')?;
    if market == "BJ" {
        return Some(NO_BEIJING);
    }
    (!settings.question.tells_turnover() && measured_unit(Kind::of(market, code)).is_none())
        .then_some(NO_UNIT)
}

fn service(settings: &Settings, context: &Context) -> Service {
    let client = Client::new(&settings.client);
    let bounds = (settings.retries, settings.rate);
    Service::new(client, settings.question, &settings.urls, bounds, context)
}
