//! What goes out of a batch: its own quotes, and between them those that waited.

use plugin_api::{Batch, PluginError, SpotListEncoder};

/// The quotes that go out, in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Places of quotes of the batch.
    own: Vec<usize>,
    /// Quotes that waited, each with the number of own ones before it.
    waited: Vec<(usize, Batch)>,
}

impl Outgoing {
    /// Starts anew.
    pub fn clear(&mut self) {
        self.own.clear();
        self.waited.clear();
    }

    /// The quote of the batch at that place goes out.
    pub fn push_own(&mut self, place: usize) {
        self.own.push(place);
    }

    /// A quote that waited goes out, alone in its list.
    pub fn push_waited(&mut self, quote: Batch) {
        self.waited.push((self.own.len(), quote));
    }

    /// What becomes of the batch; it itself when its quotes go out and no others.
    ///
    /// # Errors
    /// `BadData` when the quotes need more room than a list has.
    pub fn of_batch(&self, batch: &Batch) -> Result<Batch, PluginError> {
        if self.waited.is_empty() {
            let (mut place, mut own) = (0, self.own.iter().peekable());
            return batch.retain_spots(|_| {
                place += 1;
                own.next_if(|it| **it == place - 1).is_some()
            });
        }
        let mut encoder = SpotListEncoder::new(self.own.len() + self.waited.len());
        let mut waited = self.waited.iter().peekable();
        let mut own = self.own.iter().enumerate().peekable();
        for (place, spot) in batch.spots().iter().enumerate() {
            if let Some((before, _)) = own.next_if(|(_, it)| **it == place) {
                while let Some((_, quote)) = waited.next_if(|(at, _)| *at <= before) {
                    push(&mut encoder, quote)?;
                }
                encoder.push_wire(&spot.to_wire())?;
            }
        }
        waited.try_for_each(|(_, quote)| push(&mut encoder, quote))?;
        let provenance = batch.provenance().clone();
        Ok(Batch::from_spots(&mut encoder, batch.round()).with_provenance(provenance))
    }

    /// The quotes that waited; `None` when there are none.
    ///
    /// # Errors
    /// As of [`of_batch`](Self::of_batch).
    pub fn of_none(&self) -> Result<Option<Batch>, PluginError> {
        if self.waited.is_empty() {
            return Ok(None);
        }
        let mut encoder = SpotListEncoder::new(self.waited.len());
        self.waited.iter().try_for_each(|(_, quote)| push(&mut encoder, quote))?;
        Ok(Some(Batch::from_spots(&mut encoder, plugin_api::Round::MIDDLE)))
    }
}

fn push(encoder: &mut SpotListEncoder, quote: &Batch) -> Result<(), PluginError> {
    for spot in quote.spots().iter() {
        encoder.push_wire(&spot.to_wire())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    fn codes(batch: &Batch) -> Vec<String> {
        batch.spots().iter().map(|spot| spot.code()[4..].to_owned()).collect()
    }

    #[test]
    fn quotes_that_waited_come_where_they_were_let_go() {
        let batch = spot_batch(4, Round::WHOLE).numbered(1, 7, 0);
        let waited = |index: usize| {
            let all = spot_batch(index + 1, Round::MIDDLE);
            let mut place = 0;
            all.retain_spots(|_| {
                place += 1;
                place == index + 1
            })
            .unwrap()
        };
        let mut outgoing = Outgoing::default();
        outgoing.push_waited(waited(8));
        outgoing.push_own(0);
        outgoing.push_own(2);
        outgoing.push_waited(waited(9));
        outgoing.push_own(3);
        outgoing.push_waited(waited(10));
        let out = outgoing.of_batch(&batch).unwrap();
        assert_eq!(codes(&out), ["08", "00", "02", "09", "03", "10"]);
        assert_eq!((out.round(), out.provenance().sequence), (Round::WHOLE, 7));
        assert_eq!(codes(&outgoing.of_none().unwrap().unwrap()), ["08", "09", "10"]);
    }

    #[test]
    fn what_goes_out_whole_is_the_batch_itself() {
        let batch = spot_batch(3, Round::MIDDLE);
        let mut outgoing = Outgoing::default();
        (0..3).for_each(|place| outgoing.push_own(place));
        assert_eq!(outgoing.of_batch(&batch).unwrap().payload().as_ptr(), batch.payload().as_ptr());
        outgoing.clear();
        outgoing.push_own(1);
        assert_eq!(codes(&outgoing.of_batch(&batch).unwrap()), ["01"]);
        assert!(outgoing.of_none().unwrap().is_none());
    }
}
