//! Names that were probably meant.

/// Longer names are not compared, nor is one compared with more names than this.
const LONGEST: usize = 100;
const MAX_COMPARED: usize = 1_000;
/// Names that a help lists.
const MAX_LISTED: usize = 40;

/// The closest of the allowed names, when one is close enough to be meant.
pub fn closest<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let farthest = (name.chars().count() / 3).max(1);
    allowed
        .into_iter()
        .take(MAX_COMPARED)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two names; a name that only grows an ending, like a plural, counts as one.
fn distance(name: &str, candidate: &str) -> usize {
    let (name, candidate) = (name.to_lowercase(), candidate.to_lowercase());
    let stem = name.len().min(candidate.len()) >= 3
        && (name.starts_with(&candidate) || candidate.starts_with(&name));
    if stem && name != candidate { 1 } else { strsim::damerau_levenshtein(&name, &candidate) }
}

/// A help that names the closest name and all that are allowed.
pub(super) fn help(name: &str, what: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return format!("there are no {what}");
    }
    let list = format!("{what}: {}", quoted(allowed));
    match closest(name, allowed.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {list}"),
        None => list,
    }
}

/// The names, each in backquotes; of very many the first.
pub(super) fn quoted(names: &[&str]) -> String {
    let listed = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_and_far_ones_are_not() {
        let names = ["quotes", "clean", "feed", "max_records"];
        let cases = [
            // written, meant
            ("quote", Some("quotes")),
            ("Quotes", Some("quotes")),
            ("qoutes", Some("quotes")),
            ("max_record", Some("max_records")),
            ("lake", None),
            ("", None),
        ];
        for (written, meant) in cases {
            assert_eq!(closest(written, names), meant, "{written}");
        }
    }
}
