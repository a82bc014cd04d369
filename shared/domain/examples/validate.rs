//! Reads, checks and plans a definition of 10,000 nodes; prints the p50 in microseconds, and the number of nodes.

use std::{fmt::Write as _, time::Instant};

use domain::workflow::{Format, Workflow};

const NODES: u32 = 10_000;
const TIMES: usize = 11;

/// Layers of a hundred, each node with a job, templates and outputs, each tenth with a condition of its own on an edge.
fn definition() -> String {
    let mut text =
        String::from(r#"{"name":"large","params":{"rate":{"type":"number","default":0.1}},"nodes":{"#);
    for number in 0..NODES {
        if number > 0 {
            text.push(',');
        }
        let (layer, place) = (number / 100, number % 100);
        let _ = write!(
            text,
            r#""n{number}":{{"job":{{"image":"busybox","command":["train","--rate","${{{{ params.rate }}}}","--node","{number}"],"gpu":{{"model":"RTX 4090"}}}},"outputs":{{"loss":"output.loss"}}"#
        );
        if layer > 0 {
            let first = (layer - 1) * 100 + place;
            let second = (layer - 1) * 100 + (place + 7) % 100;
            let condition = if number % 10 == 0 {
                format!(r#","if":"nodes.n{second}.output.loss < {number}.0""#)
            } else {
                String::new()
            };
            let _ = write!(text, r#","depends_on":["n{first}",{{"node":"n{second}"{condition}}}]"#);
        }
        text.push('}');
    }
    text.push_str("}}");
    text
}

fn main() {
    let text = definition();
    let mut took: Vec<u128> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            let workflow = Workflow::read(&text, Format::Json).expect("it is read");
            let nodes = workflow.validate().expect("nothing is wrong").steps().len();
            assert_eq!(nodes, NODES as usize);
            began.elapsed().as_micros()
        })
        .collect();
    took.sort_unstable();
    println!("{} {NODES}", took[TIMES / 2]);
}
