//! Packs the snapshot of the OpenAPI document: it is long, and most of it is alike.

use std::{env, error::Error, fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/openapi.json");
    let document: serde_json::Value = serde_json::from_str(&fs::read_to_string("src/openapi.json")?)?;
    let packed = fs::File::create(Path::new(&env::var("OUT_DIR")?).join("openapi.json.gz"))?;
    let mut encoder = GzEncoder::new(packed, Compression::best());
    encoder.write_all(document.to_string().as_bytes())?;
    encoder.finish()?;
    Ok(())
}
