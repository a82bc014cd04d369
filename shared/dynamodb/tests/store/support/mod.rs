//! A table of its own for each test, behind DynamoDB's real API.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, HashMap};

use app::ports::{Call, CallFor, CallState};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType,
    },
};
use domain::{CallId, UserId, workflow::Method};
use dynamodb::Store;
use dynoxide::Database;
use jiff::Timestamp;
use tokio::net::TcpListener;
use uuid::Uuid;

pub(crate) const TABLE: &str = "gpu-test";

/// An empty table, in memory, for as long as the test's runtime lives.
pub(crate) struct Table {
    pub(crate) store: Store,
    /// Where the table is served.
    pub(crate) url: String,
    /// For what the store's interface does not show.
    pub(crate) client: Client,
}

impl Table {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().expect("a database in memory")));
        let url = format!("http://{address}");
        let client = aws::Environment::at(&url).dynamodb();
        create(&client).await;
        Self { store: Store::new(client.clone(), TABLE), url, client }
    }
}

/// The table as `infra/template.yaml` has it.
async fn create(client: &Client) {
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key of the schema")
    };
    let mut request = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range));
    for name in ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"] {
        let attribute =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(attribute.build().expect("an attribute of the schema"));
    }
    for index in ["gsi1", "gsi2"] {
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .key_schema(key(&format!("{index}pk"), KeyType::Hash))
            .key_schema(key(&format!("{index}sk"), KeyType::Range))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        request = request.global_secondary_indexes(index.build().expect("an index of the schema"));
    }
    request.send().await.expect("the table can be made");
}

/// A message that nobody has tried to send.
pub(crate) fn call(n: u32, purpose: CallFor) -> Call {
    Call {
        id: CallId::new(Uuid::from_u128(u128::from(n))),
        owner: UserId::new(Uuid::from_u128(1)),
        purpose,
        method: Method::Post,
        url: "https://example.org/hook".into(),
        headers: BTreeMap::new(),
        body: None,
        expect: Vec::new(),
        timeout_seconds: 10,
        pauses: Vec::new(),
        created_at: Timestamp::UNIX_EPOCH,
        deadline: None,
        state: CallState::Pending { due: Timestamp::MAX },
        tries: Vec::new(),
        version: 0,
    }
}

/// Text that compression makes little smaller, the same for the same seed.
pub(crate) fn noise(bytes: usize, seed: u64) -> String {
    let mut state = seed;
    let next = || {
        // A linear congruential generator; its upper bits are good enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + ((state >> 33) % 75) as u8)
    };
    std::iter::repeat_with(next).filter(|c| *c != '\\').take(bytes).collect()
}

/// Every row of a partition whose sort key begins with `prefix`.
pub(crate) async fn rows(table: &Table, pk: String, prefix: &str) -> Vec<HashMap<String, AttributeValue>> {
    let mut query = table
        .client
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(pk));
    if !prefix.is_empty() {
        query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
    }
    let mut rows = query.into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(row) = rows.next().await {
        all.push(row.expect("the rows are read"));
    }
    all
}

/// The bytes of each of these rows, about as DynamoDB counts them.
pub(crate) async fn sizes(table: &Table, pk: String, prefix: &str) -> Vec<usize> {
    let size = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 1,
    };
    let row =
        |row: HashMap<String, AttributeValue>| row.iter().map(|(name, value)| name.len() + size(value)).sum();
    rows(table, pk, prefix).await.into_iter().map(row).collect()
}
