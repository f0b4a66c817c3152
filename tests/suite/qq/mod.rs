//! The `qq` source: recorded lines, and a stand-in for the service over real HTTP.

pub mod feed;
mod lines;
mod options;
mod rounds;
mod ways;

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use harness::{QuoteDay, repository};

/// The recorded lines of quotes and of all else; `None`, said loudly, where they are not at hand.
fn recordings() -> Option<Vec<PathBuf>> {
    let folder = repository().parent().unwrap().join("shared/fixtures/qq");
    if !folder.exists() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return None;
    }
    let folders = ["batch", "single"].map(|part| fs::read_dir(folder.join(part)).unwrap());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|it| it.unwrap().path()).collect();
    files.sort();
    Some(files)
}

/// As recorded on 2026-09-14, for where the recordings are not at hand; the name is in GBK.
const PUDONG: [&[u8]; 2] = [
    b"v_sh600000=\"1~\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0~600000~9.40~9.26~9.28~771871~432658~339213~9.39\
      ~1145~9.38~2011~9.37~2185~9.36~1755~9.35~2451~9.40~2425~9.41~17606~9.42~17796~9.43~13629",
    b"~9.44~10580~~20260914161438~0.14~1.51~9.43~9.24~9.40/771871/722307374~771871~72231~0.23~6.11~~9.43\
      ~9.24~2.05~3130.75~3130.75~0.42~10.19~8.33~1.27~-52489~9.36~5.06~6.26~~~0.01~72230.7374\
      ~54.6140~581~   A~GP-A\"",
];

/// Lines of trading securities of the main boards, without the `;` at their end.
fn main_board() -> Vec<Vec<u8>> {
    let files = recordings().unwrap_or_default();
    let batches = files.iter().filter(|file| file.to_string_lossy().contains("/batch/"));
    let mut lines: Vec<Vec<u8>> = batches
        .flat_map(|file| {
            let bytes = fs::read(file).unwrap();
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            lines.collect::<Vec<_>>()
        })
        .filter_map(|line| line.strip_suffix(b";").map(<[u8]>::to_vec))
        .filter(|line| line.starts_with(b"v_sh60") || line.starts_with(b"v_sz002"))
        .filter(|line| !line.windows(3).any(|part| part == b"~U~"))
        .collect();
    if lines.is_empty() {
        lines.push(PUDONG.concat());
    }
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
