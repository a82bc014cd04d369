//! Ends that come from outside: cancel, timeout, another runner, the cloud.

use runner::protocol::{Output, Reason};

use crate::api::{Api, ok};
use crate::container::{Client, Image, Shell};

mod matrix {
    crate::in_every_shell!(cancel);
    crate::in_every_shell!(cancel_of_one_that_will_not_go);
    crate::in_every_shell!(superseded);
    crate::in_every_shell!(timeout);
    crate::in_every_shell!(terminated);
    crate::in_every_shell!(leftovers);
}

/// Stops once the log has said `ready`, so that the command is known to be there.
fn stops_when_ready(reply: &'static str) -> Api {
    Api::start(move |message, _| {
        let ready = message.kind == "report" && message.report().log.windows(5).any(|part| part == b"ready");
        if ready { ok(reply) } else { ok("go\nevery 0.05\n") }
    })
}

fn cancel(shell: Shell) {
    let api = stops_when_ready("stop cancel\n");
    // The child is in the same group and gets the signal too: `wait` would otherwise hold on to the pipe
    let script = r#"trap 'echo saved >"$GPU_OUTPUT"; echo bye; exit 5' TERM; sleep 1000 & echo ready; wait"#;
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (5, Reason::Cancelled));
    assert_eq!(exit.output, Output::Bytes(b"saved\n".to_vec()));
    assert!(String::from_utf8_lossy(&api.log()).ends_with("bye\n"), "its last words are delivered");
    container.assert_idle_until_terminated();
}

fn cancel_of_one_that_will_not_go(shell: Shell) {
    let api = stops_when_ready("stop cancel\n");
    let script = "trap 'echo no' TERM; echo ready; while :; do sleep 0.1; done";
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (137, Reason::Cancelled));
    assert!(String::from_utf8_lossy(&api.log()).contains("no\n"), "it was asked first");
    container.assert_idle_until_terminated();
}

fn superseded(shell: Shell) {
    let api = stops_when_ready("stop superseded\n");
    let script = "trap 'echo no' TERM; echo ready; sleep 1000 & echo $$ >pid; while :; do sleep 0.1; done";
    let mut container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    container.stdout.wait_for("ready");
    let stopped = |heard: &[crate::api::Message]| {
        heard.iter().any(|m| m.kind == "report" && m.report().log.windows(5).any(|part| part == b"ready"))
    };
    let heard = api.wait("the report", stopped).len();
    // The runner clears its directory away when it goes idle
    let tmp = container.image.path("tmp");
    let deadline = std::time::Instant::now() + crate::api::PATIENCE;
    while std::fs::read_dir(&tmp).unwrap().next().is_some() {
        assert!(std::time::Instant::now() < deadline, "the runner never went idle");
        std::thread::yield_now();
    }
    assert_eq!(api.heard().len(), heard, "not another word");
    assert!(!container.stdout.text().contains("::gpu-exit"));
    container.terminate();
    container.wait();
    container.assert_deserted();
}

fn timeout(shell: Shell) {
    let api = Api::content();
    let image = Image::new(shell, Client::Curl).with_timeout(1);
    let container = image.run_script(&api.url(), "sleep 1000; echo never");
    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (143, Reason::Timeout));
    container.assert_idle_until_terminated();
}

fn terminated(shell: Shell) {
    let api = Api::content();
    let script = "trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.1; done";
    let mut container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    container.stdout.wait_for("ready");
    container.terminate();
    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (6, Reason::Terminated));
    assert_eq!(container.wait().code(), Some(6), "it ends by itself, for the cloud wants it gone");
    assert!(String::from_utf8_lossy(&api.log()).ends_with("bye\n"), "its last words are delivered");
    container.assert_deserted();
}

/// What a command leaves in the background neither holds up its end nor survives it.
fn leftovers(shell: Shell) {
    let api = Api::content();
    let script = "(sleep 0.2; echo late; exec sleep 1000) & echo done";
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    assert_eq!(api.exit().code, 0);
    assert_eq!(String::from_utf8_lossy(&api.log()), "done\nlate\n");
    container.assert_idle_until_terminated();
}

#[test]
fn cancelled_before_it_began() {
    let api = Api::start(|_, _| ok("stop cancel\n"));
    let container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), "echo ran");
    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (143, Reason::Cancelled));
    assert_eq!(container.stdout.text(), "");
    container.assert_idle_until_terminated();
}

#[test]
fn refused_at_the_start_it_never_runs() {
    for status in [401, 403, 404, 409, 410] {
        let api = Api::start(move |_, _| (status, String::new()));
        let container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), "echo ran");
        api.wait("the start", |heard| heard.len() == 1);
        container.terminate();
        let mut container = container;
        container.wait();
        assert_eq!(container.stdout.text(), "");
        assert_eq!(api.heard().len(), 1);
    }
}

#[test]
fn a_report_refused_for_its_content_costs_the_report_only() {
    let api = Api::start(|message, before| match (message.kind.as_str(), before) {
        ("report", 0) => (413, "stop gone\n".to_owned()),
        _ => ok("go\nevery 0.05\n"),
    });
    let script = "echo first; while [ ! -e enough ]; do sleep 0.05; done; echo last";
    let container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), script);
    api.wait("two reports", |heard| heard.iter().filter(|m| m.kind == "report").count() == 2);
    std::fs::write(container.image.path("enough"), "").unwrap();
    assert_eq!(api.exit().code, 0);
    assert!(String::from_utf8_lossy(&api.reports().last().unwrap().log).ends_with("last\n"));
}
