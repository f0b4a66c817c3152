//! Rows of every form, and what damage costs.

use std::io::{Read, repeat};

use memchr::memchr_iter;
use proptest::prelude::*;

use super::*;

fn records(text: impl Read + 'static) -> Records {
    let mut records = Records::new(Lines::new(Box::new(io::BufReader::new(text))));
    assert_eq!(records.read_header().unwrap(), Ok(true));
    records
}

/// Records as `number:cell|cell`, damage as `!first+lines>next`.
fn all(text: impl Into<Vec<u8>>) -> Vec<String> {
    let mut records = records(io::Cursor::new(text.into()));
    let mut all = Vec::new();
    loop {
        all.push(match records.read().unwrap() {
            Found::End => return all,
            Found::Damage(damage) => {
                let next = damage.next.map_or("end".to_owned(), |next| next.to_string());
                format!("!{}+{}>{next}", damage.first, damage.lines)
            }
            Found::Record => {
                let cells = (0..records.len()).filter_map(|index| records.cell(index));
                let cells: Vec<_> = cells.map(String::from_utf8_lossy).collect();
                format!("{}:{}", records.number(), cells.join("|"))
            }
        });
    }
}

#[test]
fn cells_are_what_the_format_says() {
    let text =
        "a,b,c\n1,\"x,y\",\"say \"\"no\"\"\"\r\n\n2,,\n\"3\",\"two\nlines\",4\n5,6\n7,8,9,\n";
    assert_eq!(all(text), ["2:1|x,y|say \"no\"", "4:2||", "5:3|two\nlines|4", "7:5|6", "8:7|8|9|"]);
}

#[test]
fn a_quote_that_is_not_closed_costs_the_row_in_which_it_stands() {
    for (text, expected) in [
        ("a,b\n1,\"x\n2,y\n3,z\n", vec!["!2+1>3", "3:2|y", "4:3|z"]),
        ("a,b\n\"1,x\n\"2\",y\n\"3\",z\n", vec!["!2+1>3", "3:2|y", "4:3|z"]),
        ("a,b\n1,x\n2,\"y", vec!["2:1|x", "!3+1>end"]),
        ("a,b\n1,\"x\nno row\n\n2,y\n", vec!["!2+2>5", "5:2|y"]),
        // a row of several lines right behind it
        ("a,b\n1,\"x\n2,\"[1\n 2]\"\n3,z\n", vec!["!2+1>3", "3:2|[1\n 2]", "5:3|z"]),
        ("a,b\n1,\"x\"\"\n2,y\n", vec!["!2+1>3", "3:2|y"]),
        ("a,b\n1,=\"x\"\n2,\"x\n3,=\"y\"\n", vec!["2:1|=\"x\"", "!3+1>4", "4:3|=\"y\""]),
    ] {
        assert_eq!(all(text), expected, "{text}");
    }
}

#[test]
fn a_header_whose_quote_is_not_closed_is_refused() {
    let lines = Lines::new(Box::new(io::Cursor::new(b"\"a,b\n1,2\n")));
    let fault = Records::new(lines).read_header().unwrap().unwrap_err();
    assert_eq!(fault, "row 1, the header, opens a quote that is not closed; mend that line");
}

#[test]
fn nothing_longer_than_a_record_may_be_is_kept() {
    let start = io::Cursor::new(b"a,b\n1,\"".to_vec());
    // a text without a row, of many lines or of one
    let long = io::Cursor::new("x\n".repeat(3 << 20).into_bytes());
    let longer = repeat(b'x').take(3 << 20);
    let text = start.chain(long).chain(longer).chain(io::Cursor::new(b"\n2,y\n".to_vec()));
    let mut records = records(text);
    let Found::Damage(damage) = records.read().unwrap() else { panic!() };
    assert_eq!((damage.first, damage.lines, damage.next), (2, (3 << 20) + 1, Some((3 << 20) + 3)));
    assert!(damage.bytes > 9 << 20 && damage.raw.len() <= KEPT_BYTES);
    assert!(records.raw.capacity() <= 2 * MOST_BYTES + 2, "{}", records.raw.capacity());
    assert!(matches!(records.read().unwrap(), Found::Record));
    assert_eq!((records.cell(0), records.cell(1)), (Some(&b"2"[..]), Some(&b"y"[..])));
}

proptest! {
    /// What is written by the rules comes back, whatever the cells hold.
    #[test]
    fn whatever_is_quoted_comes_back(
        rows in proptest::collection::vec(("[a-z]{1,3}", "[a-z\" ,]{0,9}", "[0-9\n\"]{0,6}"), 0..9),
    ) {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let mut text = "h,i,j\n".to_owned();
        for (a, b, c) in &rows {
            text += &format!("{a},{},{}\n", quoted(b), quoted(c));
        }
        let mut records = records(io::Cursor::new(text.into_bytes()));
        for (a, b, c) in &rows {
            prop_assert!(matches!(records.read().unwrap(), Found::Record));
            for (index, cell) in [a, b, c].into_iter().enumerate() {
                prop_assert_eq!(records.cell(index), Some(cell.as_bytes()));
            }
        }
        prop_assert!(matches!(records.read().unwrap(), Found::End));
    }

    /// Nothing makes it lose a line without saying so, or read one twice.
    #[test]
    fn every_line_is_read_or_told(text in "(a,b\n)([a,\"]{0,4}\n){0,12}") {
        let blank = text.lines().filter(|line| line.trim().is_empty()).count();
        let mut records = records(io::Cursor::new(text.clone().into_bytes()));
        let mut lines = 1;
        loop {
            lines += match records.read().unwrap() {
                Found::End => break,
                Found::Record => 1 + memchr_iter(b'\n', records.raw()).count(),
                Found::Damage(damage) => usize::try_from(damage.lines).unwrap(),
            };
        }
        // blank lines count only within quotes
        prop_assert!(lines <= text.lines().count() && lines + blank >= text.lines().count());
    }
}
