//! Libraries damaged in every way that a disk, a network or a hand can damage them.
//!
//! `DAMAGE_SEED` is the first seed, `DAMAGE_RUNS` the number of damages of each kind.

use std::{
    fs,
    ops::Range,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use dataserver::loader::PluginCatalog;
use harness::{Bench, Random, free_port, plugin};
use object::{Object, ObjectSection};
use serde_json::Value;

const PAGE: usize = 4096;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A library, and the same as a linker without checksums would have made it.
struct Library {
    checked: Vec<u8>,
    unchecked: Vec<u8>,
    relocations: Range<usize>,
    dynamic: Range<usize>,
    symbols: Range<usize>,
    code: Range<usize>,
    data: Range<usize>,
}

/// The shipped library of the `null` plugin.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let checked = fs::read(plugin("null")).unwrap();
        let mut unchecked = checked.clone();
        for trace in [&b"Linker: LLD"[..], b".relro_padding"] {
            let at = unchecked.windows(trace.len()).position(|it| it == trace).unwrap();
            unchecked[at + 1] = b'_';
        }
        let file = object::File::parse(checked.as_slice()).unwrap();
        let section = |name: &str| {
            let section = file.section_by_name(name).unwrap_or_else(|| panic!("no {name}"));
            let (start, len) = section.file_range().unwrap();
            usize::try_from(start).unwrap()..usize::try_from(start + len).unwrap()
        };
        let [relocations, dynamic, symbols, code, data] =
            [".rela.dyn", ".dynamic", ".dynsym", ".text", ".data.rel.ro"].map(section);
        Library { checked, unchecked, relocations, dynamic, symbols, code, data }
    })
}

const KINDS: [&str; 9] = [
    "zeroed page",
    "zeroed page of code",
    "flipped relocations",
    "flipped dynamic section",
    "flipped symbols",
    "random bytes",
    "random data",
    "swapped ranges",
    "cut short",
];

fn damaged(kind: &str, whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let at = |random: &mut Random, range: Range<usize>| {
        let (least, most) = (u64::try_from(range.start).unwrap(), range.end as u64 - 1);
        usize::try_from(random.between(least, most)).unwrap()
    };
    let flip = |bytes: &mut [u8], range: &Range<usize>, random: &mut Random| {
        for _ in 0..random.between(1, 16) {
            let at = at(random, range.clone());
            bytes[at] ^= u8::try_from(random.between(1, 255)).unwrap();
        }
    };
    let (of, all) = (library(), 0..whole.len());
    match kind {
        "zeroed page" | "zeroed page of code" => {
            let range = if kind == "zeroed page" { all } else { of.code.clone() };
            let start = at(random, range) / PAGE * PAGE;
            let end = (start + PAGE).min(bytes.len());
            bytes[start..end].fill(0);
        }
        "flipped relocations" => flip(&mut bytes, &of.relocations, random),
        "flipped dynamic section" => flip(&mut bytes, &of.dynamic, random),
        "flipped symbols" => flip(&mut bytes, &of.symbols, random),
        "random bytes" => flip(&mut bytes, &all, random),
        "random data" => flip(&mut bytes, &of.data, random),
        "swapped ranges" => {
            let len = usize::try_from(random.between(64, 65_536)).unwrap();
            let (one, two) = (at(random, 0..whole.len() - len), at(random, 0..whole.len() - len));
            bytes[one..one + len].copy_from_slice(&whole[two..two + len]);
            bytes[two..two + len].copy_from_slice(&whole[one..one + len]);
        }
        "cut short" => bytes.truncate(at(random, all)),
        _ => panic!("{kind}"),
    }
    bytes
}

/// Does something with that many damages of each kind.
fn each_damage(runs: u64, whole: &[u8], mut with: impl FnMut(&str, Vec<u8>)) {
    let first = from_environment("DAMAGE_SEED", 20_260_101);
    for kind in KINDS {
        eprintln!("{kind}: {runs} damages from DAMAGE_SEED={first}");
        for run in 0..runs {
            let bytes = damaged(kind, whole, &mut Random::new(first + run));
            // some change nothing, such as a page that holds zeros
            if bytes != whole {
                with(&format!("{kind}, seed {}", first + run), bytes);
            }
        }
    }
}

#[test]
fn no_damaged_library_that_bears_its_linkers_checksum_is_taken_for_a_sound_one() {
    let bench = Bench::new(&[]);
    each_damage(from_environment("DAMAGE_RUNS", 200), &library().checked, |what, bytes| {
        bench.write("plugins/damaged.so", bytes);
        let catalog = PluginCatalog::scan(&[bench.path("plugins")], &bench.path("data"));
        let [found] = catalog.found() else { panic!("{what}: it is not listed") };
        // what is cut off behind the table of sections was mapped nowhere
        let problem = found.identity.as_ref().err().unwrap_or_else(|| panic!("{what}: taken"));
        assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{what}: {problem}");
    });
    bench.write("plugins/damaged.so", &library().checked);
    let catalog = PluginCatalog::scan(&[bench.path("plugins")], &bench.path("data"));
    assert!(catalog.load(&catalog.found()[0]).is_ok());
}

/// What the program says about those files, which are removed then: problems, and none for a file
/// that it can use.
fn listed(bench: &Bench, files: &mut Vec<String>) -> Vec<String> {
    let list = bench.run(&["plugins", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.assert(0, &[]).stdout).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), files.len());
    for file in files.drain(..) {
        fs::remove_file(bench.path(&file)).unwrap();
    }
    list.iter().filter_map(|it| it["problem"].as_str()).map(str::to_owned).collect()
}

#[test]
fn no_damaged_library_without_a_checksum_ends_the_program_that_lists_it() {
    const AT_ONCE: usize = 50;
    let (bench, runs) = (Bench::new(&[]), from_environment("DAMAGE_RUNS", 20));
    let (mut files, mut problems, mut damages) = (Vec::new(), Vec::new(), 0);
    each_damage(runs, &library().unchecked, |what, bytes| {
        let file = format!("plugins/{}.so", what.replace([' ', ','], "-"));
        bench.write(&file, bytes);
        files.push(file);
        damages += 1;
        if files.len() == AT_ONCE {
            problems.extend(listed(&bench, &mut files));
        }
    });
    problems.extend(listed(&bench, &mut files));
    let crashed = problems.iter().filter(|it| it.contains("when it is loaded")).count();
    println!(
        "{damages} damages: {} refused, {crashed} of them for what a child did with them",
        problems.len()
    );
    assert!(problems.iter().any(|it| it.contains("crashes with SIGSEGV")), "{problems:?}");
}

#[test]
fn a_running_host_lives_when_its_plugin_is_replaced_by_a_damaged_one() {
    let (bench, port) = (Bench::new(&["faulty", "null"]), free_port());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000000\nrecords = 1\npace = \"1ms\"\n\
         [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n"
    ));
    let mut host = bench.start();
    host.wait_for("the pipeline runs");
    let library = library();
    // a first page of data that relocations are applied to, and relocations that lead nowhere
    let mut zeroed = library.unchecked.clone();
    zeroed[library.relocations.start..library.relocations.start + PAGE].fill(0x5a);
    let mut cut_off = library.unchecked.clone();
    cut_off[library.dynamic.clone()].fill(0xff);
    let mut in_code = library.checked.clone();
    in_code[library.code.start..library.code.start + PAGE].fill(0);
    for (damaged, told) in
        [(zeroed, "when it is loaded"), (cut_off, "libnull.so"), (in_code, "build ID")]
    {
        bench.write("new", damaged);
        fs::rename(bench.path("new"), bench.path("plugins/libnull.so")).unwrap();
        let (code, report) = host.reload(port);
        assert_eq!((code, report["outcome"].as_str()), (422, Some("refused")), "{report}");
        let reason = report["reason"].as_str().unwrap();
        assert!(reason.contains("libnull.so") && reason.contains(told), "{told}: {reason}");
        assert!(!host.has_ended());
    }
    let delivered = || host.metric(port, "dataserver_records_out_total", "component=\"out\"");
    let before = delivered();
    bench.install("null", "new");
    fs::rename(bench.path("plugins/new"), bench.path("plugins/libnull.so")).unwrap();
    let (code, report) = host.reload(port);
    assert_eq!(code, 200, "{report}");
    let begin = Instant::now();
    while delivered() <= before {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is delivered");
        thread::sleep(Duration::from_millis(10));
    }
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_library_that_was_stripped_on_purpose_is_used_when_it_is_pinned() {
    let bench = Bench::new(&["faulty", "null"]);
    let pipeline = "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n\
                    [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    let file = bench.path("plugins/libnull.so");
    let stripped = std::process::Command::new("strip").arg("-g").arg(&file).status().unwrap();
    assert!(stripped.success());
    let run = bench.pipeline(pipeline).run(&["run"]);
    run.assert(78, &["libnull.so is damaged", "stripped", "[host.pins]"]);
    let (_, sha256) = run.stderr.split_once("[host.pins]: ").unwrap();
    let digits = |c: char| c.is_ascii_hexdigit() || c.is_whitespace() || c == '│';
    let sha256: String = sha256
        .chars()
        .take_while(|c| digits(*c))
        .filter(char::is_ascii_hexdigit)
        .take(64)
        .collect();
    let pinned = format!("[host.pins]\nnull = \"{sha256}\"\n{pipeline}");
    bench.pipeline(&pinned).run(&["run"]).assert(0, &[]);
}
