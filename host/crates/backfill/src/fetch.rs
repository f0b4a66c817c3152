//! Asks the sources for a piece and writes what they give into its page.
//!
//! The sources are asked in their order, each for the securities that lack something still. A source
//! that does not answer for a group is asked for the halves of it, so that one security of which it
//! has nothing costs no other; one that is away is left out for this piece.

use std::{path::Path, time::Duration};

use plugin_api::{Ask, Batch, ErrorKind, PluginError};

use super::{
    keep::Keeping,
    outcome::Tally,
    page::PageWriter,
    plan::{Piece, Series},
    stores::{End, Halt, Stores},
};

/// Questions in a row that a source leaves unanswered, and says that it may pass, after which it
/// counts as away.
const MAX_UNANSWERED: u32 = 3;
/// Questions in a row that a source refuses before it is asked no more in this job.
const MAX_REFUSALS: u32 = 40;
/// A page that grows beyond that holds more than was asked for.
const MAX_PAGE: u64 = 1 << 30;

/// Opens sources of history.
pub trait Sources {
    /// Asks a source. May block for as long as opening a plugin does.
    ///
    /// # Errors
    /// As [`Answer::next`].
    fn ask(&mut self, source: &str, ask: &Ask) -> Result<Box<dyn Answer + '_>, PluginError>;
}

/// What a source gives.
pub trait Answer {
    /// The next batch; `None` at the end. May block for as long as it takes to wait out a fault.
    ///
    /// # Errors
    /// What the plugin says; the answer has ended then. `Retry` when it may pass.
    fn next(&mut self) -> Result<Option<Batch>, PluginError>;

    /// Records that the plugin itself took for a vendor's fillings so far.
    fn padding(&self) -> u64 {
        0
    }
}

/// How often each source of a job has refused in a row.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<u32>);

impl Refusals {
    pub fn new(sources: usize) -> Self {
        Self(vec![0; sources])
    }

    fn is_out(&self, source: usize) -> bool {
        self.0.get(source).is_some_and(|count| *count >= MAX_REFUSALS)
    }

    fn note(&mut self, source: usize, has_given: bool) {
        if let Some(count) = self.0.get_mut(source) {
            *count = if has_given { 0 } else { *count + 1 };
        }
    }
}

/// What is needed to fetch a piece.
pub(super) struct Fetching<'a> {
    pub asked: &'a mut dyn Sources,
    /// Ids of the sources, in their order.
    pub sources: &'a [String],
    /// Ids of stores that tell first what they have.
    pub read_first: &'a [String],
    pub series: &'a Series,
    pub refusals: &'a mut Refusals,
    /// Where what is fetched goes in the end.
    pub stores: &'a dyn Stores,
}

impl Fetching<'_> {
    /// Fetches a piece into the page of that name.
    ///
    /// # Errors
    /// When the job is to stop, or the disk fails; there is no page then.
    pub fn fetch(&mut self, piece: &Piece, path: &Path) -> Result<Tally, End> {
        let mut page = PageWriter::create(path)?;
        let (mut keeping, mut tally) = (Keeping::new(piece, self.series), Tally::default());
        for store in self.read_first {
            self.read(store, piece, &mut keeping, &mut tally)?;
        }
        for source in 0..self.sources.len() {
            let (mut groups, mut unanswered) = (vec![keeping.lacking()], 0);
            groups.retain(|group| !group.is_empty());
            while let Some(group) = groups.pop() {
                let id = &self.sources[source];
                if self.refusals.is_out(source) || unanswered >= MAX_UNANSWERED {
                    tally.fault(&format!("{id} is left out after faults in a row"));
                    break;
                }
                let written = tally.written;
                let ended = self.ask(source, piece, &group, &mut keeping, &mut tally, &mut page)?;
                let has_given = tally.written > written;
                keeping.end_answer();
                self.refusals.note(source, has_given || ended.is_ok());
                let Err(error) = ended else { continue };
                tally.fault(&format!("{}: {error}", self.sources[source]));
                let may_pass = error.kind == ErrorKind::Retry && !has_given;
                unanswered = if may_pass { unanswered + 1 } else { 0 };
                if group.len() > 1 {
                    let lacking = keeping.lacking();
                    let rest = group.into_iter().filter(|place| lacking.contains(place));
                    groups.extend(halves(rest.collect()));
                }
            }
        }
        tally.without_any = keeping.without_any();
        page.finish(&tally)?;
        Ok(tally)
    }

    /// Reads what a store has of a piece already. One that cannot be read back is told, and gets all.
    fn read(
        &mut self,
        store: &str,
        piece: &Piece,
        keeping: &mut Keeping<'_>,
        tally: &mut Tally,
    ) -> Result<(), End> {
        let ask = piece.ask(piece.symbols.clone(), self.series);
        let failed = |error: PluginError| {
            let text = format!("what {store} has already cannot be read: {error}");
            End::Halt(Halt::Failed(text))
        };
        let mut answer = match self.asked.ask(store, &ask) {
            Err(error) if error.kind == ErrorKind::Config => {
                tally.fault(&format!("what {store} has already may be there twice: {error}"));
                return Ok(());
            }
            answer => answer.map_err(failed)?,
        };
        while let Some(batch) = answer.next().map_err(failed)? {
            keeping.know(&batch);
            self.stores.pause(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Asks a source for a group of securities; the inner error is what the plugin says.
    fn ask(
        &mut self,
        source: usize,
        piece: &Piece,
        group: &[usize],
        keeping: &mut Keeping<'_>,
        tally: &mut Tally,
        page: &mut PageWriter,
    ) -> Result<Result<(), PluginError>, End> {
        let place = u8::try_from(source).unwrap_or(u8::MAX);
        let symbols = group.iter().map(|place| piece.symbols[*place].clone()).collect();
        let ask = piece.ask(symbols, self.series);
        self.stores.pause(Duration::ZERO)?;
        let mut answer = match self.asked.ask(&self.sources[source], &ask) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let ended = loop {
            match answer.next() {
                Ok(None) => break Ok(()),
                Ok(Some(batch)) => {
                    if let Some(kept) = keeping.keep(&batch, tally).map_err(End::of)? {
                        page.push(place, &kept)?;
                    }
                    if page.bytes() > MAX_PAGE {
                        break Err(PluginError::fatal("more than 1 GiB for one question"));
                    }
                    self.stores.pause(Duration::ZERO)?;
                }
                Err(error) => break Err(error),
            }
        };
        let padding = answer.padding();
        tally.received += padding;
        tally.refused_as_padding += padding;
        Ok(ended)
    }
}

/// The group in two, the first half at the end; one of a single security stays whole.
fn halves(mut group: Vec<usize>) -> impl Iterator<Item = Vec<usize>> {
    let first = group.drain(..group.len() / 2).collect();
    [group, first].into_iter().filter(|half: &Vec<usize>| !half.is_empty())
}
