//! The terminal: events and log scroll by, the progress bar stays in the last line.

use std::{
    collections::HashSet,
    io::{IsTerminal, Write},
};

use serde_json::Value;

const WIDTH: usize = 40;

/// What is shown, and what was shown before: events may come twice.
pub(crate) struct Screen {
    live: bool,
    bar: String,
    seen: HashSet<u64>,
    log_to: u64,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), bar: String::new(), seen: HashSet::new(), log_to: 0 }
    }

    /// One line above the bar.
    pub(crate) fn line(&mut self, text: &str) {
        self.clear();
        println!("{text}");
        self.draw();
    }

    pub(crate) fn show(&mut self, message: &Value) {
        match message["type"].as_str().unwrap_or_default() {
            "status" | "error" | "completion" => self.event(message),
            "run_event" => self.run_event(message),
            "log" => self.log(message),
            "progress" => self.progress(message),
            _ => {}
        }
    }

    pub(crate) fn finish(&mut self) {
        self.clear();
        self.bar.clear();
    }

    fn event(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64().filter(|seq| self.seen.insert(*seq)) else { return };
        let event = &message["event"];
        let kind = event["type"].as_str().unwrap_or_default().replace('_', " ");
        let offer = &event["offer"];
        let place = match offer["gpu"].as_str() {
            Some(gpu) => format!(
                ": {} {gpu} at {}",
                offer["provider"].as_str().unwrap_or("?"),
                price(&offer["price_per_hour"])
            ),
            None => String::new(),
        };
        let time = message["at"].as_str().and_then(|at| at.get(11..19)).unwrap_or("--:--:--");
        self.line(&format!("{time}  #{seq} {kind}{place}"));
    }

    fn run_event(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64().filter(|seq| self.seen.insert(*seq)) else { return };
        let event = &message["event"];
        let text = |name: &str| event[name].as_str().unwrap_or_default().replace('_', " ");
        let item = event["item"].as_u64().map(|item| format!("[{item}]")).unwrap_or_default();
        let what = match event["node"].as_str() {
            Some(node) => format!("{node}{item} {}", text("node_status")),
            None => text("type"),
        };
        let time = message["at"].as_str().and_then(|at| at.get(11..19)).unwrap_or("--:--:--");
        self.line(&format!("{time}  #{seq} {what}"));
    }

    fn log(&mut self, message: &Value) {
        let next = message["next"].as_u64().unwrap_or(0);
        if next <= self.log_to {
            return;
        }
        self.log_to = next;
        for text in message["text"].as_str().unwrap_or_default().lines() {
            // Only what is printable: a job's log must not drive the terminal.
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            if !text.starts_with("::progress") {
                self.line(&format!("          | {text}"));
            }
        }
    }

    fn progress(&mut self, message: &Value) {
        let fraction = message["fraction"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0);
        let full = (fraction * WIDTH as f64).round() as usize;
        let text: String =
            message["text"].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        let bar =
            format!("[{}{}] {:3.0} % {text}", "#".repeat(full), ".".repeat(WIDTH - full), fraction * 100.0);
        if self.live {
            self.clear();
            self.bar = bar;
            self.draw();
        } else {
            println!("{bar}");
        }
    }

    fn clear(&self) {
        if self.live && !self.bar.is_empty() {
            print!("\r\x1b[2K");
        }
    }

    fn draw(&self) {
        if self.live && !self.bar.is_empty() {
            print!("{}", self.bar);
            // A terminal that cannot be written to is no reason to stop watching.
            drop(std::io::stdout().flush());
        }
    }
}

fn price(money: &Value) -> String {
    format!(
        "{} {} an hour",
        money["amount"].as_str().unwrap_or("?"),
        money["currency"].as_str().unwrap_or("?")
    )
}
