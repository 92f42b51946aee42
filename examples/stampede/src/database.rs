//! A database that makes every query pay: some hundred thousand orders, and a report over one region of them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

/// How many orders there are.
const ORDERS: u32 = 300_000;

/// The report on one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) orders: i64,
    pub(crate) revenue: i64,
}

/// Makes and fills the database, the same way each time: a linear congruential sequence stands for the orders.
pub(crate) fn fill(path: &Path, regions: u32, progress: impl Fn(u32)) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE orders (region INTEGER, customer INTEGER, cents INTEGER)",
    )?;
    let rows = connection.transaction()?;
    let mut insert = rows.prepare("INSERT INTO orders VALUES (?1, ?2, ?3)")?;
    let mut state = 1_u64;
    for row in 0..ORDERS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        insert.execute(params![row % regions, (state >> 33) as u32 % 5_000, (state >> 40) as u32 % 100_000])?;
        if row % 10_000 == 0 {
            progress(row / (ORDERS / 100));
        }
    }
    drop(insert);
    rows.commit()
}

pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// A heavy query: it scans all orders, and adds up the region's, customer by customer.
pub(crate) fn report(connection: &Connection, region: u32) -> rusqlite::Result<Report> {
    let query = "SELECT COALESCE(SUM(orders), 0), COALESCE(SUM(spent), 0) FROM
        (SELECT COUNT(*) AS orders, SUM(cents) AS spent FROM orders WHERE region = ?1 GROUP BY customer)";
    connection
        .prepare_cached(query)?
        .query_row([region], |row| Ok(Report { orders: row.get(0)?, revenue: row.get(1)? }))
}
