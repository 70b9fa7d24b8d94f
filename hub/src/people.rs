//! The people behind cards: name, e-mail, phone and what statistics may know of them.
//!
//! Card and person are separate (D-44): most cards are anonymous, and a person can be registered before the card's
//! first fact is settled, or later. Personal data is in `user_service_db` only; the cache shows the name, and
//! gates get none of it. [`People::erase`] takes the person away and leaves the ledger whole.

use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use sync_protocol::id::CardId;

use crate::project::{ProjectError, USERS, shown_ms, sql};

/// Most characters of a name or an e-mail address: R-10.
pub const TEXT_CHARS_MAX: usize = 255;
/// Most characters of a phone number: R-10.
pub const PHONE_CHARS_MAX: usize = 20;
/// Fewest digits of a phone number.
pub const PHONE_DIGITS_MIN: usize = 5;
/// Most digits of a phone number: E.164.
pub const PHONE_DIGITS_MAX: usize = 15;
/// Most characters of each demographic value.
pub const DEMOGRAPHIC_CHARS_MAX: usize = 40;

/// Somebody who holds a card. `Debug` shows nothing of it, so that no log does.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The full name.
    pub full_name: String,
    /// Where a receipt may be sent.
    pub email: Option<String>,
    /// Where a message may be sent: digits, with `+` first and spaces, `-`, `.`, `(`, `)` between as one likes.
    pub phone: Option<String>,
    /// For statistics.
    pub demographics: Demographics,
}

/// What statistics may know of a person.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demographics {
    /// Such as `25-34`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_group: Option<String>,
    /// Such as `female`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Such as `gold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,
}

impl Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(not shown)")
    }
}

impl Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Demographics(not shown)")
    }
}

/// Why a person is refused. Says what is wrong without repeating personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// Nothing, or too much.
    #[error("{what} has {chars} characters: 1 to {most} are allowed")]
    Length {
        /// Which part.
        what: &'static str,
        /// Its length.
        chars: usize,
        /// The limit.
        most: usize,
    },
    /// A control character.
    #[error("{what} holds a control character: write plain text")]
    Control {
        /// Which part.
        what: &'static str,
    },
    /// Not an e-mail address.
    #[error("the e-mail address is none: write it as name@domain")]
    Email,
    /// Not a phone number.
    #[error(
        "the phone number is none: {PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits are allowed, with + first and \
         spaces, -, ., ( and ) between"
    )]
    Phone,
}

/// Why a person was not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The person is refused.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// The database does not answer as it should.
    #[error(transparent)]
    Database(#[from] ProjectError),
}

impl Person {
    /// Checks what was typed in.
    ///
    /// # Errors
    /// A part is empty, too long, or not what it should be.
    pub fn check(&self) -> Result<(), PersonError> {
        check_text("the full name", &self.full_name, TEXT_CHARS_MAX)?;
        if let Some(email) = &self.email {
            check_text("the e-mail address", email, TEXT_CHARS_MAX)?;
            if !is_email(email) {
                return Err(PersonError::Email);
            }
        }
        if let Some(phone) = &self.phone {
            check_text("the phone number", phone, PHONE_CHARS_MAX)?;
            if !is_phone(phone) {
                return Err(PersonError::Phone);
            }
        }
        let Demographics {
            age_group,
            gender,
            membership,
        } = &self.demographics;
        for (what, value) in [
            ("age_group", age_group),
            ("gender", gender),
            ("membership", membership),
        ] {
            if let Some(value) = value {
                check_text(what, value, DEMOGRAPHIC_CHARS_MAX)?;
            }
        }
        Ok(())
    }
}

fn check_text(what: &'static str, text: &str, most: usize) -> Result<(), PersonError> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > most {
        return Err(PersonError::Length { what, chars, most });
    }
    match text.chars().any(char::is_control) {
        true => Err(PersonError::Control { what }),
        false => Ok(()),
    }
}

/// One `@` with something before it and a domain of letters, digits, dots and dashes behind. Whether somebody reads
/// it only a message can tell.
fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else {
        return false;
    };
    let is_label = |label: &str| {
        let allowed = |letter: char| letter.is_alphanumeric() || letter == '-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(allowed)
    };
    let is_name = |letter: char| !letter.is_whitespace() && !"@<>()[],;:\"\\".contains(letter);
    !name.is_empty() && name.chars().all(is_name) && domain.contains('.') && domain.split('.').all(is_label)
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let number = text.strip_prefix('+').unwrap_or(text);
    let allowed = |letter: char| letter.is_ascii_digit() || " -.()".contains(letter);
    (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits) && number.chars().all(allowed)
}

/// The people in `user_service_db`.
#[derive(Clone, Debug)]
pub struct People {
    users: PgPool,
}

/// What is known of a card's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user's id in `user_service_db`.
    pub user_id: i64,
    /// The person; `None` for an anonymous card.
    pub person: Option<Person>,
}

impl People {
    /// Reads and writes `user_service_db`.
    #[must_use]
    pub const fn new(users: PgPool) -> People {
        People { users }
    }

    /// Registers the person who holds a card, or replaces the one that was registered. Returns the user's id.
    ///
    /// # Errors
    /// The person is refused ([`Person::check`]), or the database does not answer.
    pub async fn register(&self, card: CardId, person: &Person, now_ms: i64) -> Result<i64, PeopleError> {
        let id = self.write(card, person, now_ms, false).await?;
        Ok(id.ok_or(sqlx::Error::RowNotFound).map_err(failed)?)
    }

    /// Registers a person unless somebody was ever registered for the card. Returns whether it did.
    ///
    /// # Errors
    /// See [`People::register`].
    pub async fn register_first(
        &self,
        card: CardId,
        person: &Person,
        now_ms: i64,
    ) -> Result<bool, PeopleError> {
        Ok(self.write(card, person, now_ms, true).await?.is_some())
    }

    async fn write(
        &self,
        card: CardId,
        person: &Person,
        now_ms: i64,
        only_first: bool,
    ) -> Result<Option<i64>, PeopleError> {
        person.check()?;
        let known = (person.demographics != Demographics::default()).then_some(Json(&person.demographics));
        let row = sqlx::query(sql::PERSON_REGISTER)
            .bind(card.as_str())
            .bind(person.full_name.trim())
            .bind(&person.email)
            .bind(&person.phone)
            .bind(known)
            .bind(shown_ms(now_ms))
            .bind(only_first)
            .fetch_optional(&self.users)
            .await
            .map_err(failed)?;
        Ok(row.map(|row| row.try_get("id")).transpose().map_err(failed)?)
    }

    /// What is known of a card's holder; `None` when the card has no user yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn read(&self, card: CardId) -> Result<Option<Holder>, PeopleError> {
        let row = sqlx::query(sql::PERSON_READ).bind(card.as_str());
        let row = row.fetch_optional(&self.users).await.map_err(failed)?;
        Ok(row.as_ref().map(holder).transpose().map_err(failed)?)
    }

    /// Forgets the person; the card and its ledger stay. Returns whether there was one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn erase(&self, card: CardId, now_ms: i64) -> Result<bool, PeopleError> {
        let erased = sqlx::query(sql::PERSON_ERASE)
            .bind(card.as_str())
            .bind(shown_ms(now_ms));
        let erased = erased.execute(&self.users).await.map_err(failed)?;
        Ok(erased.rows_affected() > 0)
    }
}

fn failed(error: sqlx::Error) -> ProjectError {
    ProjectError::of(USERS)(error)
}

fn holder(row: &PgRow) -> Result<Holder, sqlx::Error> {
    let full_name: Option<String> = row.try_get("full_name")?;
    let demographics: Option<Json<Demographics>> = row.try_get("demographics")?;
    let (email, phone) = (row.try_get("email")?, row.try_get("phone")?);
    let person = full_name.map(|full_name| Person {
        full_name,
        email,
        phone,
        demographics: demographics.map(|known| known.0).unwrap_or_default(),
    });
    Ok(Holder {
        user_id: row.try_get("id")?,
        person,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            full_name: "Sri Wahyuni".to_owned(),
            email: Some("sri.wahyuni@contoh.id".to_owned()),
            phone: Some("+62 812-0000-0002".to_owned()),
            demographics: Demographics {
                age_group: Some("25-34".to_owned()),
                ..Demographics::default()
            },
        }
    }

    #[test]
    fn a_person_as_one_would_type_it_is_taken() {
        assert_eq!(person().check(), Ok(()));
        let bare = Person {
            email: None,
            phone: None,
            demographics: Demographics::default(),
            ..person()
        };
        assert_eq!(bare.check(), Ok(()));
    }

    #[test]
    fn emails_and_phones_have_a_shape() {
        for email in [
            "", "a", "a@b", "a b@c.id", "a@b@c.id", "@c.id", "a@.id", "a@c..id", "a@-c.id", "a@c.id\n",
        ] {
            let person = Person {
                email: Some(email.to_owned()),
                ..person()
            };
            assert!(person.check().is_err(), "{email:?}");
        }
        for phone in [
            "",
            "0812",
            "12 34x56",
            "+62+812000",
            "+6281200000000000",
            "1234567890123456789",
        ] {
            let person = Person {
                phone: Some(phone.to_owned()),
                ..person()
            };
            assert!(person.check().is_err(), "{phone:?}");
        }
        for phone in ["08120000002", "(021) 500-000", "+62.812.000.0002"] {
            let person = Person {
                phone: Some(phone.to_owned()),
                ..person()
            };
            assert_eq!(person.check(), Ok(()), "{phone:?}");
        }
    }

    #[test]
    fn what_does_not_fit_its_column_is_named_and_not_repeated() {
        let long = Person {
            full_name: "n".repeat(256),
            ..person()
        };
        let error = long.check().unwrap_err().to_string();
        assert_eq!(error, "the full name has 256 characters: 1 to 255 are allowed");
        let blank = Person {
            full_name: "  ".to_owned(),
            ..person()
        };
        assert!(blank.check().is_err());
        let control = Person {
            full_name: "Sri\0Wahyuni".to_owned(),
            ..person()
        };
        let what = "the full name";
        assert_eq!(control.check(), Err(PersonError::Control { what }));
    }

    #[test]
    fn nothing_of_a_person_reaches_a_log() {
        assert!(!format!("{:?}", person()).contains("Sri"));
        assert!(!format!("{:?}", person().demographics).contains("25"));
    }
}
