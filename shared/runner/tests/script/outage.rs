//! An API that is away, slow to come or says nonsense.

use crate::api::{Api, ok};
use crate::container::{Client, Image, Shell};

mod matrix {
    crate::in_every_image!(away_while_the_command_ends);
    crate::in_every_shell!(errors_of_all_kinds);
}

fn away_while_the_command_ends(shell: Shell, client: Client) {
    let api = Api::content();
    let script =
        "echo before; while [ ! -e away ]; do sleep 0.05; done; echo during; echo ::progress 1; exit 9";
    let container = Image::new(shell, client).run_script(&api.url(), script);
    api.wait("the log", |heard| {
        heard.iter().any(|m| m.kind == "report" && m.report().log.ends_with(b"before\n"))
    });
    api.close();
    std::fs::write(container.image.path("away"), "").unwrap();
    container.stdout.wait_for(&container.marker(9));
    assert!(api.heard().iter().all(|message| message.kind != "exit"));
    api.open();
    assert_eq!(api.exit().code, 9);
    assert_eq!(String::from_utf8_lossy(&api.log()), "before\nduring\n::progress 1\n");
    assert!(api.reports().iter().any(|report| report.progress.is_some()));
    container.assert_idle_until_terminated();
}

/// Every message is refused in each way that may pass, and comes again under its number until it is taken.
fn errors_of_all_kinds(shell: Shell) {
    let api = Api::start(|message, before| match (message.kind.as_str(), before) {
        (_, 0) | ("report", 5) => (503, "busy".to_owned()),
        (_, 1) => (0, String::new()),
        (_, 2) => (429, String::new()),
        (_, 3) => (408, String::new()),
        (_, 4) => (302, String::new()),
        _ => ok("go\nevery 0.05\nevery nonsense\nevery 0\nevery 1.2.3\n\nstop\n"),
    });
    let script = "echo one; while [ ! -e enough ]; do sleep 0.05; done; echo two";
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    api.wait("a good report", |heard| heard.iter().any(|m| m.kind == "report" && m.status == 200));
    std::fs::write(container.image.path("enough"), "").unwrap();
    assert_eq!(api.exit().code, 0);
    assert_eq!(String::from_utf8_lossy(&api.log()), "one\ntwo\n");
    let heard = api.heard();
    for pair in heard.windows(2) {
        let repeated = u64::from(pair[0].status == 200);
        assert_eq!(pair[1].sender.sequence, pair[0].sender.sequence + repeated);
        if repeated == 0 && pair[0].kind != "start" {
            assert_eq!(pair[0].body, pair[1].body, "a repeat is the same message");
        }
    }
    container.assert_idle_until_terminated();
}

#[test]
fn a_client_that_does_not_get_through_gives_way_to_the_next() {
    let api = Api::content();
    let image = Image::new(Shell::Dash, Client::Python3).with_program(
        "curl",
        "#!/bin/sh\necho 'curl: (60) SSL certificate problem' >&2\nprintf 000; exit 60\n",
    );
    let _container = image.run_script(&api.url(), "exit 2");
    assert_eq!(api.exit().code, 2);
}
