//! The `qq` source: recorded lines, and a stand-in for the service over real HTTP.

pub mod feed;
mod lines;
mod options;
mod rounds;
mod ways;

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use harness::{QuoteDay, fixture};

/// The recorded lines of quotes and of all else.
fn recordings() -> Vec<PathBuf> {
    let folder = fixture("qq").unwrap();
    let folders = ["batch", "single"].map(|part| fs::read_dir(folder.join(part)).unwrap());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

/// Lines of trading securities of the main boards, without the `;` at their end.
fn main_board() -> Vec<Vec<u8>> {
    let files = recordings();
    let batches = files.iter().filter(|file| file.to_string_lossy().contains("/batch/"));
    let lines: Vec<Vec<u8>> = batches
        .flat_map(|file| {
            let bytes = fs::read(file).unwrap();
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            lines.collect::<Vec<_>>()
        })
        .filter_map(|line| line.strip_suffix(b";").map(<[u8]>::to_vec))
        .filter(|line| line.starts_with(b"v_sh60") || line.starts_with(b"v_sz002"))
        .filter(|line| !line.windows(3).any(|part| part == b"~U~"))
        .collect();
    assert!(!lines.is_empty());
    lines
}

/// The lines under as many symbols: sh600000, sh600001, … and sz000001, sz000002, …
pub fn market(symbols: usize) -> HashMap<String, Vec<u8>> {
    let lines = main_board();
    let symbol = |index: usize| match index.checked_sub(3_000) {
        None => format!("sh{}", 600_000 + index),
        Some(index) => format!("sz{:06}", index + 1),
    };
    let keyed = (0..symbols).map(|index| {
        let (symbol, line) = (symbol(index), &lines[index % lines.len()]);
        let old = line[4..10].to_vec();
        let mut line = line.clone();
        line[2..10].copy_from_slice(symbol.as_bytes());
        // the code is the third field
        let at = line.windows(8).position(|it| it[0] == b'~' && it[7] == b'~' && it[1..7] == old);
        let at = at.unwrap() + 1;
        line[at..at + 6].copy_from_slice(&symbol.as_bytes()[2..]);
        (symbol, line)
    });
    keyed.collect()
}

/// The symbols in order, as a file.
pub fn symbols_file(market: &HashMap<String, Vec<u8>>) -> String {
    let mut symbols: Vec<_> = market.keys().map(String::as_str).collect();
    symbols.sort_unstable();
    symbols.join("\n") + "\n"
}

/// Everything goes well.
pub fn good_day() -> QuoteDay {
    QuoteDay {
        seed: 0,
        latency: (Duration::from_millis(1), Duration::from_millis(3)),
        faults_per_mille: 0,
        faults: Vec::new(),
    }
}
