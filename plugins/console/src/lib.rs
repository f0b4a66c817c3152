//! Sink that prints records to stdout as JSON lines, in base units.
//!
//! For looking at a pipeline, and for piping it into other programs:
//! `dataserver run | jq .close`.

mod columns;
mod options;
mod printer;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use plugin_api::{Ack, Batch, Context, PluginError, Sink, export_plugin};

use options::Options;
use printer::Printer;

struct Console {
    printer: Printer,
    /// Lines of one `write`, kept for its memory.
    lines: Vec<u8>,
}

impl Sink for Console {
    type Options = Options;

    fn check(options: &Options, _: &Context) -> Result<(), PluginError> {
        Printer::new(options).map(drop)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        // nothing can be drawn on a terminal beside it
        context.gauge("uses_stdout", 1.0);
        Ok(Self { printer: Printer::new(&options)?, lines: Vec::new() })
    }

    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        self.lines.clear();
        for batch in batches {
            self.printer.print(batch, &mut self.lines);
        }
        deliver(&mut io::stdout().lock(), &self.lines)?;
        Ok(Ack::Delivered)
    }
}

/// Writes and flushes, so that a reader sees whole lines at once.
fn deliver(out: &mut impl Write, lines: &[u8]) -> Result<(), PluginError> {
    if lines.is_empty() {
        return Ok(());
    }
    out.write_all(lines).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => PluginError::fatal(
            "the reader of stdout has gone; start it again together with the host, or send stdout \
             to a file",
        ),
        _ => PluginError::fatal(format!("cannot write to stdout: {error}; check where it leads")),
    })
}

export_plugin! {
    name: "console",
    description: "Prints records as JSON lines",
    author: "dataserver developers",
    sink: Console,
}
