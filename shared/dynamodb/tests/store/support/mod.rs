//! A table of its own for each test, behind DynamoDB's real API.
#![allow(dead_code, reason = "each test file uses a part")]

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};
use dynamodb::Store;
use dynoxide::Database;
use tokio::net::TcpListener;

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
