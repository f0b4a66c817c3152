//! How far the frames of each spool are: taken in, and where every sink wants them.
//!
//! The second outlives the host, so that a bridge need not send again what is safe.

use std::{fs, path::PathBuf};

use plugin_api::{Context, PluginError, serde_json};

const FILE: &str = "confirmed.json";
/// Spools that are remembered; a bridge begins a new one only when it lost the old.
const MOST_SPOOLS: usize = 16;

/// How far one spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Identity of the spool.
    pub spool: u64,
    /// Number of the last frame that every sink has.
    pub confirmed: u64,
    /// Number of the last frame that this source has given on, or knows to be confirmed.
    pub taken: u64,
    /// Number of the last record in that frame; 0 when unknown.
    pub last_record: u64,
}

/// Every spool that is known, the latest last.
#[derive(Debug, Default)]
pub struct Progress {
    path: Option<PathBuf>,
    places: Vec<Place>,
}

impl Progress {
    /// Reads what was confirmed in earlier runs.
    ///
    /// # Errors
    /// `Retry` when the component's folder cannot be used.
    pub fn open(context: &Context) -> Result<Self, PluginError> {
        let folder = context.state_dir().map_err(|error| {
            let folder = context.state_path().display();
            PluginError::retry(format!("cannot use {folder}: {error}; let this user write there"))
        })?;
        let path = folder.join(FILE);
        let places = match fs::read(&path) {
            Ok(text) => parse(&text).unwrap_or_else(|| {
                context.warn(&format!(
                    "{} is damaged and written anew; what the bridge sends again may come twice \
                     to sinks without a buffer on disk",
                    path.display()
                ));
                Vec::new()
            }),
            Err(_) => Vec::new(),
        };
        Ok(Self { path: Some(path), places })
    }

    /// How far that spool is.
    pub fn of(&self, spool: u64) -> Place {
        let known = self.places.iter().find(|place| place.spool == spool);
        known.copied().unwrap_or(Place { spool, ..Place::default() })
    }

    /// Notes a frame that was taken in.
    pub fn take(&mut self, spool: u64, sequence: u64, last_record: u64) {
        let place = self.place(spool);
        (place.taken, place.last_record) = (sequence, last_record);
    }

    /// Notes that every sink has all frames up to that one, and keeps it.
    ///
    /// # Errors
    /// `Retry` when it cannot be kept.
    pub fn confirm(&mut self, spool: u64, sequence: u64) -> Result<(), PluginError> {
        let place = self.place(spool);
        place.confirmed = place.confirmed.max(sequence);
        place.taken = place.taken.max(sequence);
        self.write()
    }

    fn place(&mut self, spool: u64) -> &mut Place {
        let place = self.of(spool);
        self.places.retain(|place| place.spool != spool);
        if self.places.len() == MOST_SPOOLS {
            self.places.remove(0);
        }
        self.places.push(place);
        let last = self.places.len() - 1;
        &mut self.places[last]
    }

    /// In one step: a kill leaves the old file or the new one. A power cut may leave an older one,
    /// and then more is sent again.
    fn write(&self) -> Result<(), PluginError> {
        let Some(path) = &self.path else { return Ok(()) };
        let kept: Vec<_> = self.places.iter().map(|it| [it.spool, it.confirmed]).collect();
        let fresh = path.with_extension("new");
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path)).map_err(|error| {
            let path = path.display();
            PluginError::retry(format!(
                "cannot keep {path}: {error}; free space, or let this user write there"
            ))
        })
    }

    /// What a successor needs.
    pub fn export(&self) -> Vec<u8> {
        let all: Vec<_> = self
            .places
            .iter()
            .map(|it| [it.spool, it.confirmed, it.taken, it.last_record])
            .collect();
        serde_json::to_vec(&all).unwrap_or_default()
    }

    /// Goes on where another instance was.
    ///
    /// # Errors
    /// `Config` when the bytes are of no instance.
    pub fn import(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let all: Vec<[u64; 4]> = serde_json::from_slice(state).map_err(|error| {
            PluginError::config(format!("the state is of no qmt source: {error}"))
        })?;
        let place = |[spool, confirmed, taken, last_record]: [u64; 4]| Place {
            spool,
            confirmed,
            taken,
            last_record,
        };
        self.places = all.into_iter().map(place).collect();
        Ok(())
    }
}

fn parse(text: &[u8]) -> Option<Vec<Place>> {
    let kept: Vec<[u64; 2]> = serde_json::from_slice(text).ok()?;
    let place =
        |[spool, confirmed]: [u64; 2]| Place { spool, confirmed, taken: confirmed, last_record: 0 };
    Some(kept.into_iter().map(place).collect())
}
