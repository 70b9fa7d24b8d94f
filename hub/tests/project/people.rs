//! People behind cards.

use hub::people::{Demographics, PeopleError, Person, PersonError};
use sync_protocol::fare::OrphanPolicy;

use crate::network::{card, minutes};
use crate::world::World;

#[tokio::test]
async fn a_person_is_kept_beside_the_card_and_can_be_erased() {
    let mut world = World::new("people", OrphanPolicy::Release).await;
    let people = world.people();
    let person = Person {
        full_name: " Dewi Lestari ".to_owned(),
        email: Some("dewi@example.com".to_owned()),
        phone: Some("+62 811-0000-0004".to_owned()),
        demographics: Demographics {
            age_group: Some("25-34".to_owned()),
            gender: Some("female".to_owned()),
            membership: Some("gold".to_owned()),
        },
    };
    assert!(people.read(card(1)).await.unwrap().is_none(), "not projected yet");
    let id = people.register(card(1), &person, minutes(0)).await.unwrap();
    world.services.follow().await;
    let holder = people.read(card(1)).await.unwrap().unwrap();
    assert_eq!(holder.user_id, id, "the projection keeps the row");
    let known = holder.person.unwrap();
    assert_eq!(
        (known.full_name.as_str(), &known.demographics),
        ("Dewi Lestari", &person.demographics)
    );
    assert!(
        people.read(card(2)).await.unwrap().unwrap().person.is_none(),
        "anonymous"
    );

    let moved = Person {
        email: None,
        ..person.clone()
    };
    assert_eq!(people.register(card(1), &moved, minutes(1)).await.unwrap(), id);
    assert_eq!(
        people.read(card(1)).await.unwrap().unwrap().person.unwrap().email,
        None
    );
    assert!(!people.register_first(card(1), &person, minutes(2)).await.unwrap());
    assert!(people.erase(card(1), minutes(3)).await.unwrap());
    assert!(!people.erase(card(1), minutes(4)).await.unwrap());
    assert!(people.read(card(1)).await.unwrap().unwrap().person.is_none());
    assert!(
        !people.register_first(card(1), &person, minutes(5)).await.unwrap(),
        "erased is not never registered"
    );

    let nobody = Person {
        full_name: String::new(),
        ..person
    };
    let error = people.register(card(2), &nobody, minutes(6)).await.unwrap_err();
    assert!(
        matches!(error, PeopleError::Person(PersonError::Length { .. })),
        "{error}"
    );
    world.settle().await;
    world.end(Vec::new()).await;
}
