//! Hikyuu's list of securities, `stock.db`.

use std::path::Path;

use plugin_api::PluginError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Listing;

/// What Hikyuu's own collector asks for: valid A shares (1, 8 ChiNext, 9 STAR, 11 Beijing), indices
/// (2) and ETFs (5).
const QUESTION: &str = "SELECT market.market || stock.code FROM stock JOIN market USING (marketid) \
     WHERE stock.valid = 1 AND stock.type IN (1, 2, 5, 8, 9, 11) ORDER BY market.market, stock.code";
/// Hikyuu writes its database for some seconds when it imports.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Adds what the database lists.
///
/// # Errors
/// `Retry` while somebody writes it for long, otherwise `Config`.
pub fn add_database(listing: &mut Listing, path: &Path) -> Result<(), PluginError> {
    if path.exists() && !path.is_file() {
        // a named pipe would be waited for
        return Err(PluginError::config(format!(
            "hikyuu's database {} is no regular file; name the stock.db that Hikyuu imports into",
            path.display()
        )));
    }
    let codes = codes(path).map_err(|error| {
        let text = format!("hikyuu's database {}: {error}", path.display());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                PluginError::retry(format!("{text}; wait for its import to end"))
            }
            _ => PluginError::config(format!("{text}; name the stock.db that Hikyuu imports into")),
        }
    })?;
    // what else it lists (another exchange, a code of another form) the service does not have
    for code in codes {
        listing.add(&code);
    }
    Ok(())
}

fn codes(path: &Path) -> rusqlite::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mut statement = connection.prepare(QUESTION)?;
    statement.query_map([], |row| row.get(0))?.collect()
}
