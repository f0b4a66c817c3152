//! The file: SQLite with a version, found to be whole or set aside.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::LedgerError;

/// Tells a ledger from other databases: `days`.
const APPLICATION: i64 = 0x6461_7973;
/// Grows when an older release could not read the file any more.
const VERSION: i64 = 1;
/// Who reads holds the file for moments, and another process may note something.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows of some thousand bytes waste little room in small pages.
const PAGE_BYTES: u32 = 2_048;
/// What is left of the log beside the file after it was taken over.
const LOG_BYTES: u32 = 8 << 20;

/// Files of a database that belong together.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

const TABLES: &str = "
CREATE TABLE progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    delivery INTEGER NOT NULL, next INTEGER NOT NULL,
    seen_us INTEGER NOT NULL, rules TEXT NOT NULL
);
CREATE TABLE securities (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE periods (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE days (
    day INTEGER PRIMARY KEY, date TEXT NOT NULL,
    records INTEGER NOT NULL, known INTEGER NOT NULL, sealed INTEGER NOT NULL,
    touched_us INTEGER NOT NULL,
    moments BLOB NOT NULL, rounds BLOB NOT NULL, universe BLOB,
    verdict TEXT, expected INTEGER, seen INTEGER, complete INTEGER, missing INTEGER
);
CREATE TABLE spots (
    day INTEGER NOT NULL, minute INTEGER NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (day, minute)
);
CREATE TABLE bars (
    day INTEGER NOT NULL, period INTEGER NOT NULL, minute INTEGER NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (day, period, minute)
);
CREATE TABLE totals (
    day INTEGER NOT NULL, security INTEGER NOT NULL, at_us INTEGER NOT NULL, state INTEGER NOT NULL,
    volume INTEGER NOT NULL, amount REAL NOT NULL,
    day_volume INTEGER, day_amount REAL, minutes_volume INTEGER, minutes_amount REAL,
    PRIMARY KEY (day, security)
) WITHOUT ROWID;
CREATE TABLE outages (from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (from_us, why));
CREATE TABLE backfills (first INTEGER NOT NULL, last INTEGER NOT NULL, entry TEXT NOT NULL);
CREATE TABLE deviations (day INTEGER NOT NULL, symbol TEXT NOT NULL, at_us INTEGER NOT NULL,
    text TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (day, symbol, text));
";

/// A ledger that was damaged and lies under another name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is.
    pub path: PathBuf,
    /// What was found.
    pub why: String,
}

/// Opens the file to write it, and makes it; what is damaged is set aside.
pub fn open(path: &Path) -> Result<(Connection, Option<SetAside>), LedgerError> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(LedgerError::io(folder))?;
    }
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((make(path)?, None)),
        Err(error) => return Err(LedgerError::io(path)(error)),
    };
    if !found.is_file() {
        let why = "it is no regular file".to_owned();
        return Err(LedgerError::Unusable { path: path.to_owned(), why });
    }
    let why = match open_whole(path, found.len()) {
        Ok(db) => return Ok((db, None)),
        Err(LedgerError::Damaged { why, .. }) => why,
        Err(error) => return Err(error),
    };
    let aside = set_aside(path).map_err(LedgerError::io(path))?;
    Ok((make(path)?, Some(SetAside { path: aside, why })))
}

/// Opens the file to note something beside who counts; makes none.
pub fn open_beside(path: &Path) -> Result<Connection, LedgerError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens the file to read it.
pub fn read(path: &Path) -> Result<Connection, LedgerError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let why = "it is no regular file".to_owned();
            return Err(LedgerError::Unusable { path: path.to_owned(), why });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(LedgerError::Absent(path.to_owned()));
        }
        _ => {}
    }
    let fault = LedgerError::sql(path);
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(&fault)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(&fault)?;
    if is_unmade(&db).map_err(&fault)? {
        // its writer was ended before it had made the tables
        return Err(LedgerError::Absent(path.to_owned()));
    }
    check_kind(path, &db)?;
    Ok(db)
}

fn make(path: &Path) -> Result<Connection, LedgerError> {
    let fault = LedgerError::sql(path);
    let db = Connection::open(path).map_err(&fault)?;
    prepare(&db).map_err(&fault)?;
    Ok(db)
}

/// Opens a file that is there, and finds it whole.
fn open_whole(path: &Path, bytes: u64) -> Result<Connection, LedgerError> {
    let damaged = |why: String| LedgerError::Damaged { path: path.to_owned(), why };
    if bytes == 0 {
        return Err(damaged("it is empty".to_owned()));
    }
    let fault = LedgerError::sql(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(&fault)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(&fault)?;
    if !is_unmade(&db).map_err(&fault)? {
        check_kind(path, &db)?;
        let said: String =
            db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&fault)?;
        if said != "ok" {
            return Err(damaged(said));
        }
    }
    prepare(&db).map_err(&fault)?;
    Ok(db)
}

fn check_kind(path: &Path, db: &Connection) -> Result<(), LedgerError> {
    let number = |pragma: &str| {
        let read = db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
        read.map_err(LedgerError::sql(path))
    };
    let (application, found) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION {
        return Err(LedgerError::Foreign(path.to_owned()));
    }
    if found > VERSION {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

/// Whether it is a database in which nothing was made yet.
fn is_unmade(db: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    Ok(tables == 0 && application == 0)
}

/// Settings of a connection that counts, and the tables.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    if is_unmade(db)? {
        db.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;"
        ))?;
    }
    // answers with a row
    db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    // what is told to be safe outlives a loss of power
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    db.query_row(&format!("PRAGMA journal_size_limit = {LOG_BYTES}"), [], |row| {
        row.get::<_, i64>(0)
    })?;
    if is_unmade(db)? {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    Ok(())
}

/// Gives the database a name of its own; tells which.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |more: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(more);
        PathBuf::from(name)
    };
    let free = (1_u32..).map(|number| match number {
        1 => ".damaged".to_owned(),
        _ => format!(".{number}.damaged"),
    });
    let ending = free.into_iter().find(|ending| !named(ending).exists()).unwrap_or_default();
    for part in ENDINGS {
        match fs::rename(named(part), named(&format!("{part}{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(named(&ending))
}
