//! What a client is answered.
//!
//! Hikyuu's client ends with a segmentation fault when a quote has less than 12 elements or a bar
//! less than 7, so rows have one form alone. A list of values is sent ascending, because the client
//! ignores bars that are older than the last it took.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use plugin_api::schemas::time::DatetimeText;

use crate::{
    budget::{Budget, NoRoom, Share},
    counters::Counters,
    ktype::KType,
    msgpack::Writer,
    options::Settings,
    request::{Refusal, Request},
    semaphore::Semaphore,
    store::{BarRow, Block, Security, Store, key_buffer, key_of},
};

/// Bytes around the bars of a security, at most.
const SECURITY: usize = 64;
/// Bytes around an answer.
const ENVELOPE: usize = 64;

/// Answers the requests of every client.
#[derive(Debug)]
pub struct Responder {
    store: Arc<Store>,
    counters: Arc<Counters>,
    budget: Arc<Budget>,
    permits: Semaphore,
    keeps_ticks: bool,
}

/// An answer on its way; the memory it takes is counted until it is dropped.
#[derive(Debug)]
pub struct Answer {
    /// Header and body.
    pub bytes: Vec<u8>,
    /// It says why there is none.
    pub is_refusal: bool,
    _share: Option<Share>,
}

impl Responder {
    /// Answers from a store.
    pub fn new(
        store: Arc<Store>,
        counters: Arc<Counters>,
        budget: Arc<Budget>,
        settings: &Settings,
    ) -> Self {
        let (permits, keeps_ticks) = (Semaphore::new(settings.threads), settings.ticks);
        Self { store, counters, budget, permits, keeps_ticks }
    }

    /// The answer to a message; its bytes go behind `header`. Memory for it is waited for until the
    /// deadline.
    pub fn answer(&self, message: &[u8], header: Vec<u8>, deadline: Instant) -> Answer {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let mut writer = Writer::after(header);
        let permit = self.permits.acquire();
        let request = Request::read(message);
        drop(permit);
        match request.and_then(|request| self.fulfil(&request, &mut writer, deadline)) {
            Ok(share) => Answer { bytes: writer.finish(), is_refusal: false, _share: share },
            Err(refusal) => self.refuse(writer, &refusal),
        }
    }

    /// The answer to a message that was not read.
    pub fn refusal(&self, refusal: &Refusal, header: Vec<u8>) -> Answer {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        self.refuse(Writer::after(header), refusal)
    }

    fn refuse(&self, mut writer: Writer, refusal: &Refusal) -> Answer {
        self.counters.refusals.fetch_add(1, Ordering::Relaxed);
        writer.map(2);
        writer.text(b"ret");
        writer.integer(u64::from(refusal.code));
        writer.text(b"msg");
        writer.text(refusal.message.as_bytes());
        Answer { bytes: writer.finish(), is_refusal: true, _share: None }
    }

    /// Writes the answer, or nothing.
    fn fulfil(
        &self,
        request: &Request<'_>,
        writer: &mut Writer,
        deadline: Instant,
    ) -> Result<Option<Share>, Refusal> {
        let room = |bytes| self.budget.take(bytes, deadline).map_err(|why| no_room(why, bytes));
        match request {
            Request::Market { ktype, since } => self.market(*ktype, since, writer, room),
            Request::Tick { market, code, since_us } => {
                self.ticks(market, code, *since_us, writer, room)
            }
            Request::Ping => {
                open(writer);
                writer.text(b"pong");
                Ok(None)
            }
            Request::Symbols => {
                let keys = self.store.keys();
                let share = room(ENVELOPE + keys.iter().map(|key| 2 + key.len()).sum::<usize>())?;
                open(writer);
                writer.array(keys.len());
                keys.iter().for_each(|key| writer.text(key.as_bytes()));
                Ok(Some(share))
            }
            Request::Stats => {
                self.stats(writer);
                Ok(None)
            }
        }
    }

    fn market(
        &self,
        ktype: KType,
        since: &[(&str, i64)],
        writer: &mut Writer,
        room: impl FnOnce(usize) -> Result<Share, Refusal>,
    ) -> Result<Option<Share>, Refusal> {
        let mut buffer = key_buffer();
        let known: Vec<_> = since
            .iter()
            .filter_map(|(code, since_us)| {
                let security = self.store.security(key_of("", code, &mut buffer)?)?;
                Some((*code, *since_us, security))
            })
            .collect();
        let count = |(_, since_us, security): &(&str, i64, Arc<Security>)| {
            SECURITY + size_of::<BarRow>() * security.count_bars(ktype, *since_us)
        };
        let bytes = ENVELOPE + known.iter().map(count).sum::<usize>();
        let share = room(bytes)?;
        let _permit = self.permits.acquire();
        writer.reserve(bytes);
        open(writer);
        let length = writer.late_array();
        let mut rows = 0;
        for (code, since_us, security) in &known {
            rows += usize::from(
                security.with_bars(ktype, *since_us, |bars| write_bars(writer, code, bars)),
            );
        }
        writer.close(length, rows);
        Ok(Some(share))
    }

    fn ticks(
        &self,
        market: &str,
        code: &str,
        since_us: i64,
        writer: &mut Writer,
        room: impl FnOnce(usize) -> Result<Share, Refusal>,
    ) -> Result<Option<Share>, Refusal> {
        if !self.keeps_ticks {
            return Err(Refusal::failed(
                "this server keeps no ticks; start it with buf_tick=True (--buf, or ticks = true)",
            ));
        }
        let mut buffer = key_buffer();
        let security = key_of(market, code, &mut buffer).and_then(|key| self.store.security(key));
        let blocks: Vec<Arc<Block>> =
            security.map(|security| security.ticks_since(since_us)).unwrap_or_default();
        let bytes = ENVELOPE + blocks.iter().map(|block| block.answer_len).sum::<usize>();
        let share = room(bytes)?;
        let _permit = self.permits.acquire();
        writer.reserve(bytes);
        open(writer);
        let length = writer.late_array();
        let (mut rows, mut datetime) = (0, DatetimeText::default());
        for block in &blocks {
            block.for_each_row(|tick, row| {
                if tick.time_us >= since_us {
                    writer.array(12);
                    writer.text(datetime.format(tick.time_us));
                    writer.raw(row);
                    rows += 1;
                }
            });
        }
        writer.close(length, rows);
        Ok(Some(share))
    }

    fn stats(&self, writer: &mut Writer) {
        let figures = &self.store.figures;
        let securities = self.store.len() as u64;
        let mut datetime = DatetimeText::default();
        let load = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
        let numbers: [(&str, u64); 9] = [
            ("securities", securities),
            ("ticks", load(&figures.ticks)),
            ("bars", load(&figures.bars)),
            ("bytes", load(&figures.bytes)),
            ("ticks_forgotten", load(&figures.evicted)),
            ("clients", load(&self.counters.clients)),
            ("requests", load(&self.counters.requests)),
            ("refusals", load(&self.counters.refusals)),
            ("answered_bytes", load(&self.counters.answered_bytes)),
        ];
        open(writer);
        writer.map(11);
        writer.text(b"version");
        writer.text(env!("CARGO_PKG_VERSION").as_bytes());
        for (name, number) in numbers {
            writer.text(name.as_bytes());
            writer.integer(number);
        }
        writer.text(b"newest");
        match i64::try_from(load(&figures.newest_us)) {
            Ok(newest_us) if newest_us > 0 => writer.text(datetime.format(newest_us)),
            _ => writer.text(b""),
        }
    }
}

fn no_room(why: NoRoom, bytes: usize) -> Refusal {
    Refusal::failed(match why {
        NoRoom::TooMuch => format!(
            "the answer would have {bytes} bytes, more than the server's transfer_memory; ask for \
             fewer codes or a later date"
        ),
        NoRoom::Busy => "too many large answers are under way; ask again, or raise the server's \
                         transfer_memory"
            .to_owned(),
    })
}

/// Begins an answer that succeeds; its data follows.
fn open(writer: &mut Writer) {
    writer.map(2);
    writer.text(b"ret");
    writer.integer(0);
    writer.text(b"data");
}

/// Writes the bars of a security; false when there are none.
fn write_bars(writer: &mut Writer, code: &str, rows: &[BarRow]) -> bool {
    if rows.is_empty() {
        return false;
    }
    writer.map(2);
    writer.text(b"code");
    writer.text(code.as_bytes());
    writer.text(b"data");
    writer.array(rows.len());
    writer.raw(rows.as_flattened());
    true
}
