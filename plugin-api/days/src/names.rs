//! Numbers for names, given in the order in which they come.

use std::collections::HashMap;

use rusqlite::{Connection, params};

/// Names of securities, sources or periods, with the numbers that the file has for them.
#[derive(Debug, Default)]
pub struct Names {
    table: &'static str,
    by_name: HashMap<String, u32>,
    names: Vec<String>,
    /// How many of them stand in the file.
    written: usize,
}

impl Names {
    /// Those of a table.
    pub fn read(db: &Connection, table: &'static str) -> rusqlite::Result<Self> {
        let mut statement = db.prepare(&format!("SELECT id, name FROM {table} ORDER BY id"))?;
        let mut rows = statement.query([])?;
        let mut names = Self { table, ..Self::default() };
        while let Some(row) = rows.next()? {
            let (id, name): (u32, String) = (row.get(0)?, row.get(1)?);
            // a row that was lost leaves its number free, and no other name gets it
            while names.names.len() < id as usize {
                names.names.push(String::new());
            }
            names.by_name.insert(name.clone(), id);
            names.names.push(name);
        }
        names.written = names.names.len();
        Ok(names)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a name that has one.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The number of a name, which it gets if it has none.
    pub fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.find(name) {
            return id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// The name of a number; empty when there is none.
    pub fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
    }

    /// Writes those that are new.
    pub fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        if self.written == self.names.len() {
            return Ok(());
        }
        let mut insert = db
            .prepare(&format!("INSERT OR IGNORE INTO {} (id, name) VALUES (?1, ?2)", self.table))?;
        for (id, name) in self.names.iter().enumerate().skip(self.written) {
            insert.execute(params![i64::try_from(id).unwrap_or(i64::MAX), name])?;
        }
        Ok(())
    }

    /// After what was written holds.
    pub fn written(&mut self) {
        self.written = self.names.len();
    }
}
