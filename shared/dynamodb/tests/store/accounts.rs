//! What any store of accounts must do.

use crate::support::Table;
use app::ports::{AccountStore, StoreError};
use domain::{
    ApiKeyId, Role, SessionId, UserId,
    account::{ApiKey, Digest, Email, Profile, Session, User},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn user(n: u128, email: &str) -> User {
    User {
        id: UserId::new(Uuid::from_u128(n)),
        email: Email::parse(email).expect("an address"),
        password: Digest("not a real hash".into()),
        role: Role::User,
        active: true,
        profile: Profile::default(),
        allowance: domain::account::Allowance::default(),
        epoch: 0,
        created_at: AT,
        updated_at: AT,
        version: 0,
    }
}

fn session(n: u128) -> Session {
    Session {
        id: SessionId::new(Uuid::from_u128(n)),
        user: UserId::new(Uuid::from_u128(1)),
        epoch: 0,
        family: Digest("family".into()),
        link: Digest("1".into()),
        created_at: AT,
        renewed_at: AT,
        expires_at: AT + SignedDuration::from_hours(1),
        version: 0,
    }
}

fn key(n: u128, owner: u128) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(Uuid::from_u128(n)),
        user: UserId::new(Uuid::from_u128(owner)),
        name: format!("key {n}"),
        hint: "gpuk_xxxx".into(),
        created_at: AT,
        expires_at: None,
        last_used_at: None,
    }
}

#[tokio::test]
async fn an_account_is_found_by_id_and_by_address() {
    let store = Table::new().await.store;
    let ada = user(1, "ada@example.com");
    store.add_user(&ada).await.expect("a new account");
    let kept = User { version: 1, ..ada.clone() };
    assert_eq!(store.user(ada.id).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.user_by_email(&ada.email).await.unwrap(), Some(kept));
    let nobody = user(2, "bob@example.com");
    assert_eq!(store.user(nobody.id).await.unwrap(), None);
    assert_eq!(store.user_by_email(&nobody.email).await.unwrap(), None);
}

#[tokio::test]
async fn an_address_has_one_account_however_many_ask_at_once() {
    let store = Table::new().await.store;
    let users: Vec<User> = (1..=5).map(|n| user(n, "ada@example.com")).collect();
    let added = join_all(users.iter().map(|user| store.add_user(user))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 1, "{added:?}");
    assert!(added.iter().all(|added| matches!(added, Ok(()) | Err(StoreError::Conflict))), "{added:?}");
    assert_eq!(store.users(10, None).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn an_account_changes_on_the_version_that_was_read() {
    let store = Table::new().await.store;
    store.add_user(&user(1, "ada@example.com")).await.unwrap();
    let read = store.user(user(1, "ada@example.com").id).await.unwrap().unwrap();
    let (a, b) = (User { role: Role::Admin, ..read.clone() }, User { active: false, ..read });
    store.update_user(&a).await.unwrap();
    assert!(matches!(store.update_user(&b).await, Err(StoreError::Conflict)));
    let now = store.user(a.id).await.unwrap().unwrap();
    assert_eq!((now.role, now.active, now.version), (Role::Admin, true, 2));
}

#[tokio::test]
async fn all_accounts_are_listed_by_address_in_pages() {
    let store = Table::new().await.store;
    for n in [3, 1, 5, 2, 4] {
        store.add_user(&user(n, &format!("user{n}@example.com"))).await.unwrap();
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.users(2, cursor.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|user| user.email.to_string()));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=5).map(|n| format!("user{n}@example.com")).collect::<Vec<_>>());
    assert!((3..=4).contains(&pages), "{pages}");
    for bad in ["", "x", "dXNyXzEgYQ", "!"] {
        assert!(matches!(store.users(2, Some(bad)).await, Err(StoreError::Cursor)), "{bad}");
    }
}

#[tokio::test]
async fn of_two_renewals_of_a_session_one_counts() {
    let store = Table::new().await.store;
    store.put_session(&session(1)).await.unwrap();
    assert!(matches!(store.put_session(&session(1)).await, Err(StoreError::Conflict)), "it exists");
    let read = store.session(session(1).id).await.unwrap().unwrap();
    assert_eq!(read.version, 1);
    let renewals: Vec<Session> = (2..=6).map(|n| read.clone().renewed(Digest(n.to_string()), AT)).collect();
    let kept = join_all(renewals.iter().map(|renewal| store.put_session(renewal))).await;
    assert_eq!(kept.iter().filter(|kept| kept.is_ok()).count(), 1, "{kept:?}");
    let winner = kept.iter().position(Result::is_ok).unwrap();
    let now = store.session(read.id).await.unwrap().unwrap();
    assert_eq!((now.link, now.version), (renewals[winner].link.clone(), 2));
}

#[tokio::test]
async fn an_ended_session_cannot_be_renewed() {
    let store = Table::new().await.store;
    store.put_session(&session(1)).await.unwrap();
    let read = store.session(session(1).id).await.unwrap().unwrap();
    store.end_session(read.id).await.unwrap();
    store.end_session(read.id).await.unwrap();
    assert_eq!(store.session(read.id).await.unwrap(), None);
    assert!(matches!(store.put_session(&read).await, Err(StoreError::Conflict)));
    assert_eq!(store.session(read.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_key_is_found_by_its_digest_until_it_is_taken_away() {
    let store = Table::new().await.store;
    for n in [2, 1] {
        store.add_api_key(&format!("digest {n}"), &key(n, 1)).await.unwrap();
    }
    store.add_api_key("digest 3", &key(3, 2)).await.unwrap();
    assert_eq!(store.api_key("digest 1").await.unwrap(), Some(key(1, 1)));
    assert_eq!(store.api_key("digest 4").await.unwrap(), None);
    assert_eq!(store.api_keys(key(1, 1).user).await.unwrap(), [key(1, 1), key(2, 1)]);

    assert!(!store.remove_api_key(key(1, 2).user, key(1, 1).id).await.unwrap(), "somebody else's");
    assert!(store.remove_api_key(key(1, 1).user, key(1, 1).id).await.unwrap());
    assert!(!store.remove_api_key(key(1, 1).user, key(1, 1).id).await.unwrap());
    assert_eq!(store.api_key("digest 1").await.unwrap(), None);
    assert_eq!(store.api_keys(key(1, 1).user).await.unwrap(), [key(2, 1)]);
}

#[tokio::test]
async fn the_use_of_a_key_is_seen_by_digest_and_in_the_list() {
    let store = Table::new().await.store;
    store.add_api_key("digest", &key(1, 1)).await.unwrap();
    let at = AT + SignedDuration::from_secs(77);
    store.touch_api_key(&key(1, 1), at).await.unwrap();
    let used = ApiKey { last_used_at: Some(at), ..key(1, 1) };
    assert_eq!(store.api_key("digest").await.unwrap(), Some(used.clone()));
    assert_eq!(store.api_keys(used.user).await.unwrap(), std::slice::from_ref(&used));
    store.remove_api_key(used.user, used.id).await.unwrap();
    store.touch_api_key(&used, at).await.unwrap();
    assert_eq!(store.api_key("digest").await.unwrap(), None, "a use does not bring it back");
}

#[tokio::test]
async fn no_more_is_taken_than_there_is_however_many_ask_at_once() {
    let store = Table::new().await.store;
    let ends = AT + SignedDuration::from_secs(900);
    let taken = join_all((0..20).map(|_| store.take("bucket", 5, ends))).await;
    let mut left: Vec<u32> = taken.iter().filter_map(|taken| taken.as_ref().ok().copied()).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert!(taken.iter().all(|taken| matches!(taken, Ok(_) | Err(StoreError::LimitReached))), "{taken:?}");
    assert_eq!(store.take("another", 5, ends).await.unwrap(), 4);
    let next = ends + SignedDuration::from_secs(900);
    assert_eq!(store.take("bucket", 5, next).await.unwrap(), 4, "the next window");

    store.give_back("bucket", ends).await.unwrap();
    assert_eq!(store.take("bucket", 5, ends).await.unwrap(), 0);
}

#[tokio::test]
async fn giving_back_what_was_not_taken_makes_nothing_more() {
    let store = Table::new().await.store;
    let ends = AT + SignedDuration::from_secs(900);
    store.give_back("bucket", ends).await.unwrap();
    assert_eq!(store.take("bucket", 2, ends).await.unwrap(), 1);
    store.give_back("bucket", ends).await.unwrap();
    store.give_back("bucket", ends).await.unwrap();
    assert_eq!(store.take("bucket", 2, ends).await.unwrap(), 1);
}
