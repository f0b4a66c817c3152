//! Clients of a group as readers.

use plugin_api::{ActionKind, Reader, ReaderKind};

use super::name::Name;
use crate::{extent::Extent, groups::Info, server::EntryId};

/// A group of a stream, as its server tells of it.
pub struct GroupRow<'a> {
    /// The server, for people.
    pub server: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// How much there is of it.
    pub extent: &'a Extent,
    /// The group.
    pub group: &'a Info,
    /// Entries that the group lost since it is looked at.
    pub lost: u64,
}

impl GroupRow<'_> {
    /// A reader for each client; one for the group itself when it has none.
    pub fn readers(&self, clients: &[Info]) -> Vec<Reader> {
        if clients.is_empty() {
            return vec![self.without_clients()];
        }
        let is_alone = clients.len() == 1;
        clients.iter().map(|client| self.client(client, is_alone)).collect()
    }

    /// Entries that were cut off before the group was given them, as far as can be told now.
    pub fn trimmed(&self) -> u64 {
        let is_behind = self.extent.first.is_some_and(|first| self.last() < first);
        match (is_behind, self.extent.removed(), self.given()) {
            (true, Some(removed), Some(given)) => removed.saturating_sub(given),
            _ => 0,
        }
    }

    fn client(&self, client: &Info, is_alone: bool) -> Reader {
        let pending = client.number("pending");
        // a server counts what a group was given, not which client was
        let records = self.given().filter(|_| is_alone);
        let reader = Reader {
            name: client.text("name"),
            records,
            pending,
            acknowledged: records.zip(pending).map(|(given, held)| given.saturating_sub(held)),
            silent_us: client.number("idle").map(|idle_ms| idle_ms.saturating_mul(1_000)),
            ..self.reader(Some(client.bytes("name")))
        };
        let held = pending.unwrap_or_default();
        let reader = if held > 0 {
            let why =
                format!("it holds {held} entries that are not acknowledged; claim them first");
            reader.can(ActionKind::Claim).can(ActionKind::Ack).cannot(ActionKind::Remove, why)
        } else {
            let why = "it holds nothing";
            let reader = reader.cannot(ActionKind::Claim, why).cannot(ActionKind::Ack, why);
            reader.can(ActionKind::Remove)
        };
        let why = "Redis does not say which connection it has; stop its program";
        reader.cannot(ActionKind::Disconnect, why)
    }

    fn without_clients(&self) -> Reader {
        let pending = self.group.number("pending");
        let records = self.given();
        let why = "the group has no client";
        let reader = Reader { records, pending, ..self.reader(None) };
        let reader = reader.can(ActionKind::Remove).cannot(ActionKind::Disconnect, why);
        reader.cannot(ActionKind::Claim, why).cannot(ActionKind::Ack, why)
    }

    /// What is the same for all clients of the group.
    fn reader(&self, client: Option<Vec<u8>>) -> Reader {
        let (last, newest) = (self.last(), self.extent.last);
        let lag = self.group.number("lag").or((last >= newest).then_some(0));
        // what was never read begins with what is left
        let is_new = last == EntryId::default();
        let reached = if is_new { self.extent.first.unwrap_or(newest) } else { last };
        let name = Name { stream: self.stream.to_owned(), group: self.group.bytes("name"), client };
        Reader {
            address: format!("{} at {}", self.stream, self.server),
            group: Some(self.group.text("name")),
            lag_records: lag,
            reached_us: us(reached),
            newest_us: us(newest),
            last_record_us: us(last).filter(|_| !is_new),
            lost: self.lost,
            ..Reader::new(ReaderKind::Consumer, name.text())
        }
        .can(ActionKind::SetPosition)
    }

    /// Entries that the group was ever given; servers before 7.0 do not count.
    fn given(&self) -> Option<u64> {
        let is_new = self.last() == EntryId::default();
        self.group.number("entries-read").or(is_new.then_some(0))
    }

    fn last(&self) -> EntryId {
        self.group.text("last-delivered-id").parse().unwrap_or_default()
    }
}

/// Ids of the sink, and those that servers make, begin with a time.
fn us(id: EntryId) -> Option<i64> {
    i64::try_from(id.ms.checked_mul(1_000)?).ok()
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn info(pairs: &[(&str, &str)]) -> Info {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let words = pairs.iter().flat_map(|&(name, value)| [bulk(name), bulk(value)]);
        Info::of(Value::Array(words.collect())).unwrap()
    }

    fn id(ms: u64) -> EntryId {
        EntryId { ms, number: 0 }
    }

    fn extent(first: u64, last: u64, length: u64, added: u64) -> Extent {
        let (first, last) = (Some(id(first)), id(last));
        Extent { first, last, deleted: None, length: Some(length), added: Some(added) }
    }

    fn of<'a>(extent: &'a Extent, group: &'a Info) -> GroupRow<'a> {
        GroupRow { server: "here:1", stream: "s", extent, group, lost: 7 }
    }

    #[test]
    fn a_client_has_the_lag_of_its_group_and_what_it_holds_itself() {
        let extent = extent(1_000, 9_000, 30, 30);
        let group = info(&[
            ("name", "g"),
            ("last-delivered-id", "4000-0"),
            ("entries-read", "20"),
            ("lag", "10"),
            ("pending", "5"),
        ]);
        let row = of(&extent, &group);
        let clients = [
            info(&[("name", "a"), ("pending", "5"), ("idle", "61000")]),
            info(&[("name", "b"), ("pending", "0"), ("idle", "2")]),
        ];
        let readers = row.readers(&clients);
        let ids: Vec<_> = readers.iter().map(|reader| reader.id.as_str()).collect();
        assert_eq!(ids, ["s/g/a", "s/g/b"]);
        for reader in &readers {
            assert_eq!((reader.lag_records, reader.lost), (Some(10), 7));
            assert_eq!((reader.reached_us, reader.newest_us), (Some(4_000_000), Some(9_000_000)));
            assert_eq!((reader.address.as_str(), reader.records), ("s at here:1", None));
        }
        let holds = &readers[0];
        assert_eq!((holds.pending, holds.silent_us), (Some(5), Some(61_000_000)));
        assert_eq!(holds.actions[&ActionKind::Claim], None);
        assert!(holds.actions[&ActionKind::Remove].as_ref().unwrap().contains("5 entries"));
        assert_eq!(readers[1].actions[&ActionKind::Remove], None);
        assert!(readers[1].actions[&ActionKind::Ack].is_some());
        let alone = &row.readers(&clients[..1])[0];
        assert_eq!((alone.records, alone.acknowledged), (Some(20), Some(15)));
    }

    #[test]
    fn a_group_that_nobody_reads_in_is_a_row_of_its_own() {
        let extent = extent(1_000, 9_000, 30, 30);
        let group = info(&[("name", "g"), ("last-delivered-id", "0-0"), ("lag", "30")]);
        let readers = of(&extent, &group).readers(&[]);
        let [reader] = readers.as_slice() else { panic!() };
        assert_eq!((reader.id.as_str(), reader.name.as_str()), ("s/g", ""));
        assert_eq!((reader.reached_us, reader.last_record_us), (Some(1_000_000), None));
        assert_eq!(reader.actions[&ActionKind::SetPosition], None);
        assert!(reader.actions[&ActionKind::Claim].is_some());
    }

    #[test]
    fn what_was_cut_off_before_the_group_is_counted_where_servers_count() {
        let group = |last: &str, read: &str| {
            info(&[("name", "g"), ("last-delivered-id", last), ("entries-read", read)])
        };
        for (extent, last, read, lost) in [
            (extent(5_000, 9_000, 10, 100), "4000-0", "60", 30),
            (extent(5_000, 9_000, 10, 100), "6000-0", "92", 0),
            (extent(1_000, 9_000, 100, 100), "0-0", "0", 0),
            (extent(5_000, 9_000, 10, 100), "4000-0", "", 0),
        ] {
            assert_eq!(of(&extent, &group(last, read)).trimmed(), lost, "{last} {read}");
        }
        // servers before 7.0 do not say how far a group is, unless it is at the end
        let extent = extent(1_000, 9_000, 30, 30);
        let lag = |last: &str| {
            let group = info(&[("name", "g"), ("last-delivered-id", last)]);
            of(&extent, &group).readers(&[])[0].lag_records
        };
        assert_eq!((lag("9000-0"), lag("8000-0")), (Some(0), None));
    }
}
