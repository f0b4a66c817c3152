//! The reference beside the code says what the code does.

use plugin_api::RoleKind;

use super::{
    super::{
        keys::{self, Place},
        reference_markdown,
    },
    Given, resolve,
};

/// With `UPDATE_EXPECTED` set, it is written anew.
#[test]
fn the_reference_lists_the_keys_that_are_checked() {
    fixtures::check_part("CONFIG.md", "keys of the host", &reference_markdown());
}

#[test]
fn the_defaults_of_the_reference_are_those_that_hold() {
    let mut written = String::from("[host]\n");
    let write = |place, header: &str, out: &mut String| {
        out.push_str(header);
        for key in keys::of(place).filter(|key| !key.default.is_empty()) {
            out.push_str(&format!("{} = {}\n", key.name, key.default));
        }
    };
    // limits and grants are for a plugin in a sandbox
    let components = "[sources.quotes]\nplugin = \"qq\"\n\
                      [transforms.boxed]\nplugin = \"sandboxed\"\ninputs = [\"quotes\"]\n\
                      [sinks.out]\nplugin = \"null\"\ninputs = [\"boxed\"]\n";
    // without `from` the table is at fault
    let backfill = "[sources.past]\nplugin = \"kline\"\n[backfill]\nfrom = [\"past\"]\n";
    for place in Place::ALL {
        let header = match place {
            Place::Host => "",
            Place::Compile => "[host.compile]\n",
            Place::Alarms => "[alarms]\n",
            // a target has to be written, so none has a default
            Place::AlarmTarget => "",
            Place::Backfill => backfill,
            Place::Component => components,
            Place::Buffer => "[sinks.out.buffer]\n",
            Place::Batch => "[sinks.out.batch]\n",
            Place::Retry => "[sinks.out.retry]\n",
            Place::Limits => "[transforms.boxed.limits]\n",
            Place::Grants => "[transforms.boxed.grants]\n",
        };
        write(place, header, &mut written);
    }
    let left_out = format!("{backfill}{components}");
    let [written, left_out] = [&written, &left_out].map(|text| resolve(text, &Given::default()));
    assert_eq!(format!("{:?}", written.unwrap()), format!("{:?}", left_out.unwrap()));
}

#[test]
fn keys_are_listed_once_and_for_some_kind() {
    for place in Place::ALL {
        let mut names: Vec<_> = keys::of(place).map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), keys::of(place).count(), "{place:?}");
        assert!(!keys::names(place, RoleKind::Sink).is_empty(), "{place:?}");
    }
}
