//! A person as a channel names one.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::people::{Demographics, Person};

/// Who holds a card. Kept in `user_service_db` only: gates carry no names (D-44).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonBody {
    /// The full name.
    pub full_name: String,
    /// Where a receipt may be sent.
    #[serde(default)]
    pub email: Option<String>,
    /// Where a message may be sent.
    #[serde(default)]
    pub phone: Option<String>,
    /// For statistics, such as `25-34`.
    #[serde(default)]
    pub age_group: Option<String>,
    /// For statistics.
    #[serde(default)]
    pub gender: Option<String>,
    /// For statistics, such as `regular`.
    #[serde(default)]
    pub membership: Option<String>,
}

impl From<PersonBody> for Person {
    fn from(body: PersonBody) -> Person {
        Person {
            full_name: body.full_name,
            email: body.email,
            phone: body.phone,
            demographics: Demographics {
                age_group: body.age_group,
                gender: body.gender,
                membership: body.membership,
            },
        }
    }
}
