//! Enrolment tokens and issued certificates, as they stand in the tables.

use sqlx::{Postgres, Transaction};
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{NodeId, TerminalCode};

use super::{LedgerError, PostgresLedger, sql};

/// A token that lets one gate enrol, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolRow {
    /// The number of the gate.
    pub gate: NodeId,
    /// The code of its terminal.
    pub terminal: String,
    /// Its code.
    pub gate_code: String,
    /// When it ends, milliseconds since 1970.
    pub expires_ms: i64,
    /// When it was taken, milliseconds since 1970, and by which key.
    pub used: Option<(i64, Vec<u8>)>,
}

/// A certificate that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedRow {
    /// Whom it names.
    pub node: NodeId,
    /// The terminal in it.
    pub terminal: Option<TerminalCode>,
    /// The key in it.
    pub key: PublicKey,
    /// From, milliseconds since 1970.
    pub not_before_ms: i64,
    /// To, milliseconds since 1970.
    pub not_after_ms: i64,
    /// When, milliseconds since 1970.
    pub issued_ms: i64,
    /// `enrolled`, `renewed` or `rotated`.
    pub reason: &'static str,
}

impl PostgresLedger {
    /// Stores a token by the hash of its secret.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn add_enrol_token(
        &self,
        secret_hash: &[u8; 32],
        token: &EnrolRow,
        now_ms: i64,
    ) -> Result<(), LedgerError> {
        sqlx::query(sql::ENROL_TOKEN_INSERT)
            .bind(secret_hash.as_slice())
            .bind(i64::from(token.gate.0))
            .bind(&token.terminal)
            .bind(&token.gate_code)
            .bind(now_ms)
            .bind(token.expires_ms)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Begins the taking of a token: nobody else takes it until the returned transaction ends.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn enrolling(&self, secret_hash: &[u8; 32]) -> Result<Enrolling, LedgerError> {
        type Found = (i64, String, String, i64, Option<i64>, Option<Vec<u8>>);
        let mut transaction = self.pool.begin().await?;
        let found: Option<Found> = sqlx::query_as(sql::ENROL_TOKEN_LOCK)
            .bind(secret_hash.as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
        let token = found.map(
            |(gate, terminal, gate_code, expires_ms, used_ms, used_by)| EnrolRow {
                gate: NodeId(u32::try_from(gate).unwrap_or_default()),
                terminal,
                gate_code,
                expires_ms,
                used: used_ms.zip(used_by),
            },
        );
        Ok(Enrolling {
            transaction,
            secret_hash: *secret_hash,
            token,
        })
    }

    /// Records a certificate that was issued.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn record_certificate(&self, issued: IssuedRow) -> Result<(), LedgerError> {
        let mut transaction = self.pool.begin().await?;
        insert(&mut transaction, issued).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// A token that is being taken. Dropped: nothing happened.
#[derive(Debug)]
pub struct Enrolling {
    transaction: Transaction<'static, Postgres>,
    secret_hash: [u8; 32],
    /// The token, if there is one with that secret.
    pub token: Option<EnrolRow>,
}

impl Enrolling {
    /// Takes the token for the key of a certificate, and records that; durable when it returns.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn take(mut self, issued: IssuedRow, from: &str) -> Result<(), LedgerError> {
        sqlx::query(sql::ENROL_TOKEN_USE)
            .bind(self.secret_hash.as_slice())
            .bind(issued.issued_ms)
            .bind(issued.key.0.as_slice())
            .bind(from)
            .execute(&mut *self.transaction)
            .await?;
        insert(&mut self.transaction, issued).await?;
        self.transaction.commit().await?;
        Ok(())
    }
}

async fn insert(
    transaction: &mut Transaction<'static, Postgres>,
    issued: IssuedRow,
) -> Result<(), LedgerError> {
    sqlx::query(sql::CERTIFICATE_INSERT)
        .bind(i64::from(issued.node.0))
        .bind(issued.terminal.map(|terminal| terminal.to_string()))
        .bind(issued.key.0.as_slice())
        .bind(issued.not_before_ms)
        .bind(issued.not_after_ms)
        .bind(issued.issued_ms)
        .bind(issued.reason)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
