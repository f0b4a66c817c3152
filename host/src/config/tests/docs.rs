//! The reference beside the code says what the code does.

use std::{fs, path::Path};

use plugin_api::RoleKind;

use super::{
    super::{
        keys::{self, Place},
        reference_markdown,
    },
    Given, resolve,
};

const BEGIN: &str = "<!-- keys of the host: begin -->\n";
const END: &str = "<!-- keys of the host: end -->";

/// With `UPDATE_EXPECTED` set, it is written anew.
#[test]
fn the_reference_lists_the_keys_that_are_checked() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIG.md");
    let page = fs::read_to_string(&file).unwrap();
    let begin = page.find(BEGIN).unwrap() + BEGIN.len();
    let end = page.find(END).unwrap();
    let expected = format!("\n{}\n", reference_markdown());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, format!("{}{expected}{}", &page[..begin], &page[end..])).unwrap();
    } else {
        assert_eq!(&page[begin..end], expected, "run this test with UPDATE_EXPECTED=1");
    }
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
    write(Place::Host, "", &mut written);
    written.push_str("[sources.quotes]\nplugin = \"qq\"\n");
    written.push_str("[sinks.out]\nplugin = \"null\"\ninputs = [\"quotes\"]\n");
    write(Place::Component, "", &mut written);
    write(Place::Buffer, "[sinks.out.buffer]\n", &mut written);
    write(Place::Batch, "[sinks.out.batch]\n", &mut written);
    write(Place::Retry, "[sinks.out.retry]\n", &mut written);
    let left_out = "[sources.quotes]\nplugin = \"qq\"\n\
                    [sinks.out]\nplugin = \"null\"\ninputs = [\"quotes\"]\n";
    let [written, left_out] = [&written, left_out].map(|text| resolve(text, &Given::default()));
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
