//! Nothing is lost and nothing is doubled, whatever fails meanwhile.
//!
//! Every run has servers, networks and a disk of its own. While recorded days are played to three
//! kinds of stores, faults come at random moments; when all is well again, each store must hold what
//! was recorded. A run is named by its seed, which it prints.

mod check;
mod damage;
mod fault;
mod input;
mod keys;
mod making;
mod pipeline;
mod site;
pub mod soak;
mod tampered;
mod world;

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::Random;

use check::Stores;
use fault::Fault;
use world::World;

/// How long a moment between two looks at what is due lasts.
const MOMENT: Duration = Duration::from_millis(5);

/// One of so many runs has a second host, which reads what the first one writes to Redis.
const WITH_SECOND: u64 = 4;
/// One of so many runs has a Redis cluster.
const WITH_CLUSTER: u64 = 10;
/// How much longer a fault stays than it should when nothing has met it yet.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one run showed.
struct Outcome {
    /// Faults that were made and shown to be.
    faults: Vec<Fault>,
    stores: Stores,
    /// Why this was no run as it should be; empty when it was.
    failure: String,
    journal: String,
}

/// One run, from the start of the servers to the comparison.
fn run(seed: u64) -> Outcome {
    eprintln!("delivery with seed {seed}");
    let mut random = Random::new(seed);
    let (with_second, with_cluster) =
        (seed.is_multiple_of(WITH_SECOND), seed % WITH_CLUSTER == WITH_CLUSTER - 1);
    let mut world = World::start(&mut random, with_second, with_cluster);
    let faults = disturb(&mut world, &mut random);
    world.finish();
    let stores = check::stores(&world);
    world.note("the stores are compared");
    let mut failure = stores.fault();
    if faults.is_empty() {
        failure += "no fault was made; ";
    }
    let journal = world.journal();
    for (sink, lacks) in stores.damaged() {
        let is_told = journal.lines().any(|line| line.contains("ERROR") && line.contains("spool"));
        if !is_told {
            failure += &format!("{sink} lacks {lacks} damaged records, and nobody was told; ");
        }
    }
    if !failure.is_empty() {
        eprintln!("{journal}seed {seed}: {failure}");
    }
    Outcome { faults, stores, failure, journal }
}

/// A fault that was made and is not over.
struct Active {
    fault: Fault,
    until: Instant,
}

/// Makes faults until there were enough and one has shown, or the host has delivered all, and takes
/// them back. Gives those that were shown to be.
fn disturb(world: &mut World, random: &mut Random) -> Vec<Fault> {
    let mut shown = Vec::new();
    let mut active: Vec<Active> = Vec::new();
    let wanted = usize::try_from(random.between(5, 12)).unwrap();
    let mut made = 0;
    let mut next = Instant::now() + pause(random);
    while !world.has_ended() {
        let wants_more = made < wanted || shown.is_empty() && active.is_empty();
        if !wants_more && active.is_empty() {
            break;
        }
        let now = Instant::now();
        let is_over = |it: &mut Active| {
            it.until <= now && (it.fault.has_shown(world) || it.until + PATIENCE <= now)
        };
        let over: Vec<_> = active.extract_if(.., is_over).collect();
        over.into_iter().for_each(|it| end(it.fault, world, &mut shown));
        if wants_more && now >= next {
            next = now + pause(random);
            let fault = random.pick(&Fault::ALL);
            let busy = active.iter().any(|other| other.fault.place() == fault.place());
            if !busy && fault.is_possible(world) {
                let length = fault.length(random);
                if fault.begin(world, random) {
                    made += 1;
                    active.push(Active { fault, until: Instant::now() + length });
                } else {
                    fault.end(world);
                    world.note(&format!("{fault} found nothing to befall"));
                }
            }
        }
        thread::park_timeout(MOMENT);
    }
    active.into_iter().for_each(|it| end(it.fault, world, &mut shown));
    shown
}

/// Takes a fault back, and counts it if it was one.
fn end(fault: Fault, world: &mut World, shown: &mut Vec<Fault>) {
    if fault.has_shown(world) {
        shown.push(fault);
    } else {
        world.note(&format!("nothing has met this: {fault}"));
    }
    fault.end(world);
}

/// How long it takes until the next fault.
fn pause(random: &mut Random) -> Duration {
    Duration::from_millis(random.between(50, 900))
}

/// Asserts that a run with that seed leaves every store as it should be.
fn survive(seeds: std::ops::RangeInclusive<u64>) {
    for seed in seeds {
        let outcome = run(seed);
        assert_eq!(outcome.failure, "", "seed {seed}");
    }
}

// four tests, so that they run side by side

#[test]
fn random_faults_lose_and_double_nothing_1_to_5() {
    survive(1..=5);
}

#[test]
fn random_faults_lose_and_double_nothing_6_to_10() {
    survive(6..=10);
}

#[test]
fn random_faults_lose_and_double_nothing_11_to_15() {
    survive(11..=15);
}

#[test]
fn random_faults_lose_and_double_nothing_16_to_20() {
    survive(16..=20);
}
