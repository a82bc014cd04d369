//! Logs of all sizes and shapes, and progress lines in them.

use crate::api::{Api, ok};
use crate::container::{Client, Image, Shell};

mod matrix {
    crate::in_every_shell!(twenty_mebibytes_while_nobody_listens);
    crate::in_every_shell!(ten_mebibytes_come_whole);
    crate::in_every_shell!(progress_in_pieces);
}

const MIB: u64 = 1024 * 1024;

/// Numbered lines of 16 bytes, so that every byte's place in the log is known.
fn numbered(lines: u64) -> Vec<u8> {
    (0..lines).flat_map(|line| format!("{line:015}\n").into_bytes()).collect()
}

fn twenty_mebibytes_while_nobody_listens(shell: Shell) {
    let api = Api::start(|_, _| ok("go\nevery 60\n"));
    let script = "seq -f %015.0f 0 1310719; echo end";
    let image = Image::new(shell, Client::Curl);
    if shell == Shell::Ash {
        std::fs::remove_file(image.path("bin/seq")).unwrap();
        image.link("seq", "seq");
    }
    let container = image.run_script(&api.url(), script);
    assert_eq!(api.exit().code, 0);

    let whole = [numbered(20 * MIB / 16), b"end\n".to_vec()].concat();
    let (mut position, mut dropped, mut kept) = (0, Vec::new(), 0);
    for report in api.reports() {
        assert_eq!(report.offset, position + report.dropped);
        if report.dropped > 0 {
            dropped.push((position, report.dropped));
        }
        position = report.offset + report.log.len() as u64;
        kept += report.log.len() as u64;
        assert_eq!(report.log, whole[report.offset as usize..position as usize]);
    }
    assert_eq!(position, whole.len() as u64, "the end of the log is there");
    assert_eq!(dropped.len(), 1, "one hole: {dropped:?}");
    assert!(dropped[0].0 >= 5 * MIB, "the head is whole: {dropped:?}");
    assert!((10 * MIB..11 * MIB).contains(&kept), "{kept} bytes kept");
    let expected = [whole, container.marker(0).into_bytes()].concat();
    assert!(container.stdout.bytes() == expected, "the container's own log has everything");
    container.assert_idle_until_terminated();
}

fn ten_mebibytes_come_whole(shell: Shell) {
    let api = Api::start(|_, _| ok("go\nevery 60\n"));
    let script = "head -c 10485760 /dev/urandom | tee copy";
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    assert_eq!(api.exit().code, 0);
    let copy = std::fs::read(container.image.path("copy")).unwrap();
    assert_eq!(copy.len() as u64, 10 * MIB);
    assert!(api.log() == copy);
}

/// A line torn between two reports counts once it is whole, and the last one counts even without a newline.
fn progress_in_pieces(shell: Shell) {
    let api = Api::content();
    let script = r"printf '::progress 0.1 a'; while [ ! -e more ]; do sleep 0.05; done
        printf 'bc\rstep ::progress 0.9 no\n ::progress 0.8 no\n::progress 1.5 no\n::progress x no\n'
        while [ ! -e last ]; do sleep 0.05; done; printf '::progress 0.30000000000000004\tfast\n::progress 1.0'";
    let container = Image::new(shell, Client::Curl).run_script(&api.url(), script);
    let says = |text: &'static str| {
        move |heard: &[crate::api::Message]| {
            heard.iter().any(|m| {
                m.kind == "report" && m.report().log.windows(text.len()).any(|p| p == text.as_bytes())
            })
        }
    };
    api.wait("the first piece", says("0.1 a"));
    assert!(api.reports().iter().all(|report| report.progress.is_none()));
    std::fs::write(container.image.path("more"), "").unwrap();
    api.wait("the second piece", says("x no"));
    std::fs::write(container.image.path("last"), "").unwrap();
    assert_eq!(api.exit().code, 0);
    let told: Vec<(f64, String)> = api
        .reports()
        .into_iter()
        .filter_map(|report| report.progress)
        .map(|p| (p.fraction, p.text))
        .collect();
    assert_eq!(told, [(0.1, "abc".to_owned()), (1.0, String::new())]);
}

#[test]
fn an_end_is_reported_without_waiting_for_the_interval() {
    let api = Api::start(|_, _| ok("go\nevery 3600\n"));
    let container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), "echo quick");
    assert_eq!(api.exit().code, 0);
    let kinds: Vec<String> = api.heard().into_iter().map(|message| message.kind).collect();
    assert_eq!(kinds, ["start", "report", "exit"]);
    container.assert_idle_until_terminated();
}

#[test]
fn the_interval_is_the_servers_to_say() {
    // With the default of a minute, three reports would outlast anybody's patience
    let api = Api::start(|message, before| match (message.kind.as_str(), before) {
        ("start", _) => ok("go\nevery 0.01\n"),
        _ => ok("go\n"),
    });
    let container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), "exec sleep 1000");
    api.wait("three heartbeats", |heard| heard.iter().filter(|m| m.kind == "report").count() == 3);
    drop(container);
}
