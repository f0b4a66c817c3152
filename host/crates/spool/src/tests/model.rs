//! Random use with crashes and damage, held against what sinks and sources may expect.

mod world;

use rand::RngExt;

use self::world::{Damage, World};

/// Seeds that are the same in every run, and as many that are new each time.
const SEEDS: u64 = 25;
const STEPS: usize = 400;

fn run_all(damage: Damage) {
    let new: u64 = rand::rng().random_range(1_000..u64::MAX / 2);
    for seed in (0..SEEDS).chain(new..new + SEEDS) {
        println!("{damage:?}, seed {seed}");
        let mut world = World::new(damage, seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.drain();
    }
}

#[test]
fn after_crashes_everything_is_delivered_once_in_order_and_in_its_groups() {
    run_all(Damage::None);
}

#[test]
fn after_lost_tails_everything_that_can_be_sent_again_is_delivered_once_and_in_order() {
    run_all(Damage::Tail);
}

#[test]
fn after_damage_anywhere_in_the_segments_nothing_that_can_be_sent_again_is_lost() {
    run_all(Damage::Segments);
}

#[test]
fn after_damage_to_the_position_nothing_that_can_be_sent_again_is_lost() {
    run_all(Damage::Position);
}
