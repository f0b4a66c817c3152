//! Nothing is lost and nothing is doubled, whatever fails meanwhile.
//!
//! Every run has servers, networks and a disk of its own. While recorded days are played to three
//! kinds of stores, faults come at random moments; when all is well again, each store must hold what
//! was recorded. A run is named by its seed, which it prints.

mod check;
mod fault;
mod input;
mod pipeline;
mod site;
mod soak;
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

/// What one run showed.
struct Outcome {
    faults: Vec<Fault>,
    stores: Stores,
}

/// One run, from the start of the servers to the comparison.
fn run(seed: u64) -> Outcome {
    eprintln!("delivery with seed {seed}");
    let mut random = Random::new(seed);
    let mut world = World::start(&mut random, seed.is_multiple_of(WITH_SECOND));
    let faults = disturb(&mut world, &mut random);
    world.finish();
    let stores = check::stores(&world);
    world.note("the stores are compared");
    if !stores.are_right() {
        eprintln!("{}", world.journal());
    }
    Outcome { faults, stores }
}

/// Makes faults until there were enough or the host has delivered all, and takes them back.
fn disturb(world: &mut World, random: &mut Random) -> Vec<Fault> {
    let mut made = Vec::new();
    let mut active: Vec<(Instant, Fault)> = Vec::new();
    let wanted = usize::try_from(random.between(5, 12)).unwrap();
    let mut next = Instant::now() + pause(random);
    while !world.has_ended() && (made.len() < wanted || !active.is_empty()) {
        let now = Instant::now();
        for (_, fault) in active.extract_if(.., |(until, _)| *until <= now) {
            fault.end(world);
        }
        if made.len() < wanted && now >= next {
            next = now + pause(random);
            let fault = random.pick(&Fault::ALL);
            let busy = active.iter().any(|(_, other)| other.place() == fault.place());
            if !busy && fault.is_possible(world) {
                fault.begin(world, random);
                active.push((now + fault.length(random), fault));
                made.push(fault);
            }
        }
        thread::park_timeout(MOMENT);
    }
    for (_, fault) in active {
        fault.end(world);
    }
    made
}

/// How long it takes until the next fault.
fn pause(random: &mut Random) -> Duration {
    Duration::from_millis(random.between(50, 900))
}

/// Asserts that a run with that seed leaves every store as it should be.
fn survive(seeds: std::ops::RangeInclusive<u64>) {
    for seed in seeds {
        let outcome = run(seed);
        assert!(outcome.stores.are_right(), "seed {seed}: {:?}", outcome.stores);
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
