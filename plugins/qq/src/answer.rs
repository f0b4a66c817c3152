//! Reads answers into a list of records.

use plugin_api::{
    Batch, Context, PluginError, Round as Marks, SpotListEncoder,
    schemas::qq::{Encoding, Quote, Skip, lines, symbol_of},
};

use crate::{
    client::Fault,
    report::Report,
    round::{Round, Wanted},
};

/// Most characters of something strange that are shown.
const MOST_SHOWN: usize = 40;

/// What an answer had besides records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NonRecords {
    /// It said that the service does not know all symbols.
    pub none_match: bool,
    /// Lines that cannot be read.
    pub damaged: u64,
    /// Lines of Hong Kong, New York, or in the short form.
    pub foreign: u64,
    /// Lines that were not asked for, or that came before.
    pub unasked: u64,
    /// Lines without anything in them.
    pub empty: u64,
}

/// Makes records of answers, numbered in the order in which they are read.
pub struct Reader {
    encoder: SpotListEncoder,
    /// Room for a name.
    name: String,
    /// Name of the component.
    instance: String,
    /// Number of the last record.
    pub sequence: u64,
}

impl Reader {
    /// A reader of answers with about so many lines.
    pub fn new(instance: &str, lines: usize) -> Self {
        Self {
            encoder: SpotListEncoder::new(lines),
            name: String::new(),
            instance: instance.to_owned(),
            sequence: 0,
        }
    }

    /// Reads an answer. Lines that cannot be read are set aside when the request is not made again.
    ///
    /// # Errors
    /// Never in practice: an answer is far below the size of a full list.
    pub fn read(
        &mut self,
        answer: &Answer<'_>,
        round: &mut Round,
        report: &mut Report,
        context: &Context,
    ) -> Result<NonRecords, PluginError> {
        let mut rest = NonRecords::default();
        // what comes from elsewhere than the service is often UTF-8
        let encoding = Encoding::of(answer.bytes);
        for line in lines(answer.bytes) {
            let wanted = symbol_of(line)
                .map_or(Wanted::Never, |it| round.wanted(answer.request, it, answer.symbols));
            let skip = match (Quote::parse_bytes(line, encoding, &mut self.name), wanted) {
                (Ok(quote), Wanted::Yes(symbol)) => {
                    let number = self.sequence + 1;
                    let record = quote.record(&self.instance, number, answer.received_us);
                    self.encoder.push(&record)?;
                    self.sequence = number;
                    round.answered(answer.request, symbol);
                    report.is_known(symbol);
                    continue;
                }
                (Err(Skip::NotListed), Wanted::Yes(symbol)) => {
                    round.answered(answer.request, symbol);
                    report.is_known(symbol);
                    continue;
                }
                (Err(Skip::Empty), Wanted::Yes(symbol)) => {
                    rest.empty += 1;
                    round.answered(answer.request, symbol);
                    report.is_empty(symbol);
                    continue;
                }
                // asking again would give the same
                (Err(skip @ Skip::Unit), Wanted::Yes(symbol)) => {
                    round.answered(answer.request, symbol);
                    report.is_known(symbol);
                    context.dead_letter(&skip.to_string(), line);
                    context.dropped("unit", 1);
                    round.totals.set_aside += 1;
                    continue;
                }
                (Ok(_) | Err(Skip::NotListed | Skip::Empty | Skip::Unit), _) => {
                    rest.unasked += 1;
                    continue;
                }
                (Err(skip), _) => skip,
            };
            match skip {
                Skip::NoneMatch => rest.none_match = true,
                Skip::Malformed { .. } => {
                    rest.damaged += 1;
                    if answer.is_last_try {
                        context.dead_letter(&skip.to_string(), line);
                        context.dropped("malformed", 1);
                        round.totals.set_aside += 1;
                    }
                }
                _ => rest.foreign += 1,
            }
        }
        Ok(rest)
    }

    /// Number of records that wait for their batch.
    pub fn len(&self) -> usize {
        self.encoder.len()
    }

    /// The records that were read, as a batch at that place of its round.
    pub fn batch(&mut self, marks: Marks) -> Batch {
        Batch::from_spots(&mut self.encoder, marks)
    }
}

/// Whether bytes are an answer of the service.
///
/// # Errors
/// What they are instead: nothing, as when it is asked too much, or another server's page.
pub fn check(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.trim_ascii().is_empty() {
        let text = "the answer was empty, as they are when the service is asked too often: raise \
                    `interval`, or lower `concurrency`";
        return Err(Fault::of_whole(text));
    }
    if lines(bytes).any(|line| symbol_of(line).is_some()) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    let shown: String = text.chars().filter(|it| !it.is_control()).take(MOST_SHOWN).collect();
    Err(Fault::of_whole(format!(
        "what came is no answer of the service, it begins with {shown:?}: is there a login page or a \
         proxy in between?"
    )))
}

/// What came for a request.
pub struct Answer<'a> {
    /// Number of the request.
    pub request: usize,
    /// The answer as it came.
    pub bytes: &'a [u8],
    /// All symbols of the source.
    pub symbols: &'a [String],
    /// When its last byte was there, microseconds since 1970 UTC.
    pub received_us: i64,
    /// The request is not made again in this round.
    pub is_last_try: bool,
}
