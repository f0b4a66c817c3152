//! Threads that walk through securities, each one at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use kit::history::Bar;
use plugin_api::{Context, PluginError, schemas::time::ExchangeTime};

use crate::{
    answer::Security,
    bar::bar_of,
    service::Service,
    walk::{Span, Walked, walk},
    whole,
};

/// Most bars that a thread hands over at once.
pub const MOST_BARS: usize = 2_000;
/// Securities in a row without any answer, after which the others are given up.
const MOST_UNANSWERED: u32 = 5;

/// What is to be done.
pub struct Job {
    /// Securities as `600000.SH`.
    pub symbols: Vec<String>,
    /// The time that is asked for.
    pub span: Span,
    /// Whom to ask.
    pub service: Service,
    /// The host.
    pub context: Context,
}

/// What a thread has to say.
#[derive(Debug)]
pub enum Message {
    /// Bars of the security of that number, in the order of time.
    Bars(usize, Vec<Bar>),
    /// That was all of it; why not everything was given, if so.
    Settled(usize, Option<String>),
}

/// The threads, and the end of what they have to say.
pub struct Workers {
    shared: Arc<Shared>,
    messages: Receiver<Message>,
}

struct Shared {
    job: Job,
    /// Number of the next security.
    next: AtomicUsize,
    /// Securities in a row without any answer.
    unanswered: AtomicU32,
}

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// `Fatal` when the system gives no thread.
    pub fn start(job: Job, threads: usize) -> Result<Self, PluginError> {
        // a thread whose bars are not taken waits with them, so a slow pipeline asks less
        let (sender, messages) = sync_channel(threads);
        let shared =
            Arc::new(Shared { job, next: AtomicUsize::new(0), unanswered: AtomicU32::new(0) });
        let workers = Self { shared, messages };
        for number in 0..threads.min(workers.symbols().len()) {
            let (shared, sender) = (Arc::clone(&workers.shared), sender.clone());
            thread::Builder::new()
                .name(format!("kline-{number}"))
                .spawn(move || shared.run(&sender))
                .map_err(|error| {
                    let text = format!("no thread for a request: {error}; lower `parallel`");
                    PluginError::fatal(text)
                })?;
        }
        Ok(workers)
    }

    /// Securities as `600000.SH`, by their number.
    pub fn symbols(&self) -> &[String] {
        &self.shared.job.symbols
    }

    /// The next message, waiting at most until then.
    ///
    /// # Errors
    /// `Disconnected` when all threads have ended.
    pub fn message(&self, until: Instant) -> Result<Message, RecvTimeoutError> {
        self.messages.recv_timeout(until.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Workers {
    /// Threads end with their request; they are not joined, as that may take as long as `timeout`.
    fn drop(&mut self) {
        self.shared.job.service.pace().stop();
    }
}

impl Shared {
    fn run(&self, sender: &SyncSender<Message>) {
        while !self.job.service.pace().is_stopping() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(symbol) = self.job.symbols.get(number) else { return };
            let Some(fault) = self.security(number, symbol, sender) else { return };
            if sender.send(Message::Settled(number, fault)).is_err() {
                return;
            }
        }
    }

    /// Gives the bars of a security, and tells why they are not all; `None` when the source ends.
    #[allow(clippy::option_option)] // ended, or settled with a fault or without
    fn security(
        &self,
        number: usize,
        symbol: &str,
        sender: &SyncSender<Message>,
    ) -> Option<Option<String>> {
        if self.unanswered.load(Ordering::Relaxed) >= MOST_UNANSWERED {
            let text = "not asked, as the service answered nothing for others before it";
            return Some(Some(text.to_owned()));
        }
        let Job { service, span, context, .. } = &self.job;
        // what comes is at least as new
        let asked_us = context.now_us();
        let walked = match walk(service, &Security::of(symbol), span, asked_us) {
            Ok(walked) => walked,
            Err(_) if service.pace().is_stopping() => return None,
            Err(fault) => {
                if fault.is_answer {
                    self.unanswered.store(0, Ordering::Relaxed);
                } else {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                return Some(Some(fault.text));
            }
        };
        if service.pace().is_stopping() {
            return None;
        }
        self.unanswered.store(0, Ordering::Relaxed);
        let (bars, fault) = self.bars(symbol, walked, asked_us);
        for part in bars.chunks(MOST_BARS) {
            sender.send(Message::Bars(number, part.to_vec())).ok()?;
        }
        Some(fault)
    }

    /// The bars of rows, and why they are not all that there should be.
    fn bars(&self, symbol: &str, walked: Walked, asked_us: i64) -> (Vec<Bar>, Option<String>) {
        let Job { service, context, .. } = &self.job;
        let (code, market) = symbol.split_once('.').unwrap_or((symbol, ""));
        let Walked { rows, mut damaged, shortfall } = walked;
        let period = service.question().period;
        // of a span that was not reached more is told than of its first day
        let shortfall =
            shortfall.or_else(|| whole::shortfall(&rows, &self.job.span, period, asked_us));
        let (mut bars, mut padding) = (Vec::with_capacity(rows.len()), 0);
        for row in &rows {
            let day = ExchangeTime::from_utc_us(row.time_us).day;
            if !service.calendar().is_trading_day(day) {
                damaged.push(("nobody trades on its day".to_owned(), format!("{row:?}")));
                continue;
            }
            if row.is_padding() {
                padding += 1;
                continue;
            }
            match bar_of(row, market, code, service.question(), asked_us) {
                Ok(bar) => bars.push(bar),
                Err(reason) => damaged.push((reason, format!("{row:?}"))),
            }
        }
        if padding > 0 {
            context.count("kline_padding_total", padding);
        }
        for (reason, row) in &damaged {
            context.dead_letter(&format!("{symbol}: {reason}"), row.as_bytes());
        }
        let mut faults: Vec<_> = shortfall.into_iter().collect();
        if let Some((reason, _)) = damaged.first() {
            context.dropped("malformed", damaged.len() as u64);
            faults.push(format!("{} rows cannot be used: {reason}", damaged.len()));
        }
        if bars.is_empty() && faults.is_empty() {
            let rows = if padding > 0 { "only rows without trading" } else { "no rows" };
            faults
                .push(format!("{rows} within the span: it did not trade, or the service lacks it"));
        }
        (bars, (!faults.is_empty()).then(|| faults.join("; ")))
    }
}
