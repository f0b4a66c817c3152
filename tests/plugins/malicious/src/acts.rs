//! What the guest can do to its host without a batch.
//!
//! A use that must be denied is reported: as an error that begins with `denied:` when it was, as an
//! error in the log that begins with `breach:` when it was not.

use std::{
    fmt::Display,
    hint::black_box,
    io::Write,
    net::{TcpListener, TcpStream, ToSocketAddrs},
    process, thread,
    time::Duration,
};

use plugin_api::{Context, PluginError};

use crate::{
    options::{How, Options},
    wasi,
};

/// Does what the options say. Acts that need a batch are not here and do nothing.
pub fn act(options: &Options, context: &Context) -> Result<(), PluginError> {
    let target = options.target.as_str();
    let denied_or_breach = |result: Result<String, String>| verdict(context, options, result);
    match options.how {
        How::Loop => spin(),
        How::Memory => eat(),
        How::Stack => _ = black_box(recurse(1)),
        How::Trap => core::arch::wasm32::unreachable(),
        How::Panic => panic!("told to panic"),
        How::Exit => process::exit(0),
        How::Sleep => thread::sleep(Duration::from_secs(3600)),
        How::HugeError => return Err(PluginError::fatal("e".repeat(bytes(options)))),
        How::UglyError => {
            return Err(PluginError::bad_data("\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\0 done\u{202e}"));
        }
        How::Connect => return denied_or_breach(told(TcpStream::connect(target))),
        How::Listen => return denied_or_breach(told(TcpListener::bind(target))),
        How::Lookup => return denied_or_breach(told(target.to_socket_addrs())),
        How::Http => return denied_or_breach(wasi::http_get(target)),
        How::Read => return denied_or_breach(told(std::fs::read(target))),
        How::Write => return denied_or_breach(told(std::fs::write(target, "owned"))),
        How::Remove => return denied_or_breach(told(std::fs::remove_file(target))),
        How::List => return denied_or_breach(told(std::fs::read_dir(target))),
        How::Symlink => return denied_or_breach(wasi::read_through_link(target)),
        How::Env => return denied_or_breach(told(std::env::var(target))),
        How::Clock => times(options, |_| _ = black_box(context.now_us())),
        How::Log => times(options, |n| context.info(&format!("flood {n}"))),
        How::LongLog => context.warn(&"l".repeat(bytes(options))),
        How::Stderr => {
            let mut stderr = std::io::stderr();
            times(options, |n| _ = writeln!(stderr, "flood {n}"));
        }
        How::Metrics => times(options, |n| {
            context.count(&format!("flood_{n}"), 1);
            context.gauge(&format!("flood_gauge_{n}"), 1.0);
        }),
        How::UglyMetric => {
            context.count("a b\n{component=\"other\"} 1\n", u64::MAX);
            context.count("", 1);
            context.gauge("ugly", f64::NAN);
        }
        How::Reasons => times(options, |n| context.dropped(&format!("reason {n}"), u64::MAX)),
        How::DeadLetters => {
            times(options, |n| context.dead_letter(&format!("flood {n}"), &[0; 4096]));
        }
        _ => {}
    }
    Ok(())
}

/// The amount, as a length in memory.
pub fn bytes(options: &Options) -> usize {
    usize::try_from(options.amount).unwrap_or(usize::MAX)
}

fn times(options: &Options, mut call: impl FnMut(u64)) {
    let most = if options.amount == 0 { u64::MAX } else { options.amount };
    (0..most).for_each(&mut call);
}

fn told<T>(result: Result<T, impl Display>) -> Result<String, String> {
    match result {
        Ok(_) => Ok("it worked".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn verdict(
    context: &Context,
    options: &Options,
    result: Result<String, String>,
) -> Result<(), PluginError> {
    let (how, target) = (options.how, &options.target);
    match result {
        Ok(what) => {
            context.error(&format!("breach: {how:?} {target}: {what}"));
            Ok(())
        }
        Err(error) => Err(PluginError::fatal(format!("denied: {how:?} {target}: {error}"))),
    }
}

fn spin() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Touches every page, so that the memory is really taken.
fn eat() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(true) { recurse(depth + 1).wrapping_add(frame[7]) } else { depth }
}
