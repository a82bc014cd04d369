//! The API alone, with the functions of the recorded cases built in: what the measurement of this crate runs against.
//!
//! `states-server [PORT [DATABASE]]` binds to 127.0.0.1 and prints the address it answers on.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use states::test_functions::{NoFunctions, TestFunctions};
use states::{Config, Service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let config = Config { database: arguments.next().map(PathBuf::from), ..Config::default() };
    let service = Service::open(config, Arc::new(TestFunctions(NoFunctions))).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, service.router()).await?;
    Ok(())
}
