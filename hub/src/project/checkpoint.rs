//! How far a projection is: a row of the service's own database, moved in the transaction that applies.

use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use super::{Progress, ProjectError, sql};

/// The checkpoint of one projection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checkpoint {
    /// The projection's name.
    pub(super) name: &'static str,
    /// The database it is in.
    pub(super) database: &'static str,
}

impl Checkpoint {
    /// Takes the row for this transaction; `None` when another process has it.
    pub(super) async fn lock(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
    ) -> Result<Option<i64>, ProjectError> {
        let row = sqlx::query(sql::CHECKPOINT_LOCK).bind(self.name);
        let row = row.fetch_optional(&mut **transaction).await;
        let row = row.map_err(ProjectError::of(self.database))?;
        row.map(|row| row.try_get(0))
            .transpose()
            .map_err(ProjectError::of(self.database))
    }

    /// Moves it to an event.
    pub(super) async fn move_to(
        &self,
        connection: &mut PgConnection,
        position: i64,
    ) -> Result<(), ProjectError> {
        let moved = sqlx::query(sql::CHECKPOINT_MOVE).bind(self.name).bind(position);
        let moved = moved.execute(connection).await;
        moved.map(|_| ()).map_err(ProjectError::of(self.database))
    }

    /// The progress of who looks on while another process is at work.
    pub(super) async fn look_on(&self, pool: &PgPool, head: i64) -> Result<Progress, ProjectError> {
        let row = sqlx::query(sql::CHECKPOINT_READ).bind(self.name);
        let row = row
            .fetch_one(pool)
            .await
            .map_err(ProjectError::of(self.database))?;
        Ok(Progress {
            events: 0,
            position: row.try_get(0).map_err(ProjectError::of(self.database))?,
            head,
            busy: true,
        })
    }

    /// The outbox must not end before what was applied.
    pub(super) fn check(&self, position: i64, head: i64) -> Result<(), ProjectError> {
        if position <= head {
            return Ok(());
        }
        Err(ProjectError::Ahead {
            name: self.name,
            position,
            head,
        })
    }
}
