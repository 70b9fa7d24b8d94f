//! The site under which this database's own changes are made.

use rusqlite::Connection;

use crate::{Result, SiteId};

/// Names this database's own site. It holds for connections that load cr-sqlite afterwards, and this may be one of
/// them, when another has loaded it before and so made the table; on one that has it loaded, capturing changes is
/// refused from now on ([`crate::Error::SiteChanged`]).
pub fn set_site_id(connection: &Connection, site: SiteId) -> Result<()> {
    connection.execute("UPDATE crsql_site_id SET site_id = ? WHERE ordinal = 0", [site])?;
    Ok(())
}

/// The site of this connection's changes.
pub fn site_id(connection: &Connection) -> Result<SiteId> {
    Ok(connection.query_row("SELECT crsql_site_id()", [], |row| row.get(0))?)
}

/// Whether the site was changed under this connection. cr-sqlite reads it once, when it is loaded; the changes
/// of a connection which still has the old one would be found under neither.
pub(crate) fn is_stale(connection: &Connection) -> Result<bool> {
    let sql = "SELECT crsql_site_id() IS NOT (SELECT site_id FROM crsql_site_id WHERE ordinal = 0)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
