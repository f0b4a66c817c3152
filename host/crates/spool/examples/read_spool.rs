//! Lists what lies in a spool, without changing it, also while a host has it open.
//!
//! A spool is the folder `spool/ID` in the `data_dir` of a pipeline:
//!
//! ```sh
//! cargo run -p dataserver-spool --example read_spool -- dist/current/data/demo/spool/lake
//! ```

#![allow(clippy::print_stdout)]

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use dataserver_spool::{self as spool, Inspection, SegmentReport};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("name the folder of a spool");
        return ExitCode::from(2);
    };
    match list(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn list(folder: &Path) -> io::Result<()> {
    let Inspection { segments, entries, records, bytes, file_bytes, oldest_us, positions } =
        spool::inspect(folder)?;
    for SegmentReport { path, entries, records, bytes, damage } in &segments {
        println!("{}: {entries} batches, {records} records, {bytes} bytes", path.display());
        for stretch in damage {
            println!("    {stretch}");
        }
    }
    println!("{} segments with {file_bytes} bytes", segments.len());
    // the position says what of them is delivered
    println!("{entries} batches wait: {records} records, {bytes} bytes of payload");
    if let Some(oldest_us) = oldest_us {
        println!("the oldest one came in {oldest_us} microseconds after 1970 UTC");
    }
    for (path, fault) in &positions {
        println!("{} cannot be used as the position: {fault}", path.display());
    }
    let damage = spool::unacknowledged(folder);
    println!("{} damaged places are not acknowledged", damage.places);
    Ok(())
}
