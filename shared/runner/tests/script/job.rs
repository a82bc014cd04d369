//! Jobs that run to their end.

use runner::protocol::{Client as Named, Exit, Output, Reason, Reply, find_exit_marker};

use crate::api::{Api, ok};
use crate::container::{Client, Image, Shell, TOKEN};

mod matrix {
    crate::in_every_image!(whole_job);
    crate::in_every_shell!(exit_codes);
    crate::in_every_shell!(environment);
    crate::in_every_shell!(no_client);
}

fn whole_job(shell: Shell, client: Client) {
    let api = Api::start(|message, _| match message.kind.as_str() {
        "start" => ok(&Reply::go()
            .every(std::time::Duration::from_millis(100))
            .secret("HF_TOKEN", "fake $ecret \"with\" 'quotes' \\ and ☃\n\n")
            .secret("EMPTY", "")
            .into_text()),
        _ => ok("go\nan-unknown-word 1 2\n"),
    });
    let script = r#"printf 'one\n'; printf '\000\377\r\n' ; printf 'err\n' >&2
        echo '::progress 0.25 halb fertig: ☃ "100%"'
        printf %s "$HF_TOKEN" >secret; [ "${EMPTY-unset}" = "" ] && echo empty
        printf '{"loss": 0.5}\0\n' >"$GPU_OUTPUT"
        exit 3"#;
    let container = Image::new(shell, client).run_script(&api.url(), script);

    let exit = api.exit();
    assert_eq!((exit.code, exit.reason), (3, Reason::Exited));
    assert_eq!(exit.output, Output::Bytes(b"{\"loss\": 0.5}\0\n".to_vec()));
    let expected = "one\n\0\u{fffd}\r\nerr\n::progress 0.25 halb fertig: ☃ \"100%\"\nempty\n";
    assert_eq!(String::from_utf8_lossy(&api.log()), expected);
    let progress = api.reports().into_iter().find_map(|report| report.progress).expect("progress");
    assert!((progress.fraction - 0.25).abs() < 1e-9);
    assert_eq!(progress.text, "halb fertig: ☃ \"100%\"");
    assert_eq!(
        std::fs::read_to_string(container.image.path("secret")).unwrap(),
        "fake $ecret \"with\" 'quotes' \\ and ☃\n\n"
    );
    let start = api.start_message();
    let named = match client {
        Client::Curl => Named::Curl,
        Client::Wget => Named::Wget,
        Client::Busybox => Named::Busybox,
        Client::Python3 | Client::None => Named::Python3,
    };
    assert_eq!(start.client, named);
    assert!(start.cpus.is_some() && start.memory_kib.is_some());

    let heard = api.heard();
    assert!(heard.iter().all(|message| message.token == format!("Bearer {TOKEN}")));
    assert!(heard.iter().all(|message| message.sender.runner_id == heard[0].sender.runner_id));
    let numbers: Vec<u64> = heard.iter().map(|message| message.sender.sequence).collect();
    assert_eq!(numbers, (1..=heard.len() as u64).collect::<Vec<_>>());
    let stdout = container.stdout.text();
    assert_eq!(stdout, expected.to_owned() + &container.marker(3));
    assert_eq!(find_exit_marker(stdout.lines(), &container.attempt_id), Some(3));
    assert_eq!(container.stderr.text(), "");
    assert_eq!(container.assert_idle_until_terminated().code(), Some(3));
}

fn exit_codes(shell: Shell) {
    let exit = |command: &[&str]| -> Exit {
        let api = Api::content();
        let image = Image::new(shell, Client::Curl).with_program("not-for-me", "#!/no/such/interpreter\n");
        std::fs::write(image.path("plain"), "no x bit").unwrap();
        let plain = image.path("plain");
        let command: Vec<&str> =
            command.iter().map(|word| if *word == "PLAIN" { &plain } else { *word }).collect();
        let container = image.run(&api.url(), &command);
        let exit = api.exit();
        container.stdout.wait_for(&container.marker(i32::from(exit.code)));
        container.assert_idle_until_terminated();
        exit
    };
    let told = |code, reason| Exit { code, reason, output: Output::None };
    assert_eq!(exit(&["sh", "-c", ":"]), told(0, Reason::Exited));
    assert_eq!(exit(&["sh", "-c", "exit 255"]), told(255, Reason::Exited));
    assert_eq!(exit(&["sh", "-c", "kill -9 $$"]), told(137, Reason::Exited));
    assert_eq!(exit(&["sh", "-c", "kill -15 $$"]), told(143, Reason::Exited));
    assert_eq!(exit(&["sh", "-c", "no-such-command"]), told(127, Reason::Exited));
    assert_eq!(exit(&["no-such-command"]), told(127, Reason::NotStarted));
    assert_eq!(exit(&["PLAIN"]), told(126, Reason::NotStarted));
    assert_eq!(exit(&["not-for-me"]).reason, Reason::NotStarted);
}

/// The command gets its own environment, its words unharmed, and nothing of the runner's.
fn environment(shell: Shell) {
    let api = Api::content();
    let words = ["a b", "it's", "$HOME `id` \"x\"", "", "line\nbreak", "*", "\\", "-n", "ünï"];
    let script = r#"umask >umask; env -0 >environ; for word; do printf '%s\0' "$word"; done >words
        [ -d "$GPU_CHECKPOINT_DIR" ] && echo checkpoint; cat; ls -l /proc/self/fd >descriptors 2>/dev/null"#;
    let mut command = vec!["sh", "-c", script, "sh"];
    command.extend(words);
    let mut image = Image::new(shell, Client::Curl)
        .with_variable("LC_ALL", "C.UTF-8")
        .with_variable("MINE", "a'b\nc")
        .with_variable("seq", "mine too");
    let mut given =
        vec!["LC_ALL=C.UTF-8", "MINE=a'b\nc", "seq=mine too", "GPU_JOB_ID=job_1", "GPU_ATTEMPT=2"];
    if shell == Shell::Ash {
        image = image.without("env").with_program("env", "#!/bin/sh\nexec /usr/bin/env \"$@\"\n");
    }
    let container = image.run(&api.url(), &command);
    assert_eq!(api.exit().code, 0);

    let read = |name: &str| std::fs::read_to_string(container.image.path(name)).unwrap();
    assert_eq!(read("words").trim_end_matches('\0').split('\0').collect::<Vec<_>>(), words);
    let environ = read("environ");
    let environ: Vec<&str> = environ.trim_end_matches('\0').split('\0').collect();
    let checkpoint = format!("GPU_CHECKPOINT_DIR={}", container.image.path("checkpoint"));
    given.push(&checkpoint);
    for variable in given {
        assert!(environ.contains(&variable), "{variable} in {environ:?}");
    }
    for variable in &environ {
        let name = variable.split('=').next().unwrap();
        let known = ["PATH", "TMPDIR", "LC_ALL", "MINE", "seq", "PWD", "SHLVL", "OLDPWD", "_", "HOME"];
        let ours = ["GPU_API_URL", "GPU_ATTEMPT_ID", "GPU_JOB_ID", "GPU_ATTEMPT", "GPU_TIMEOUT"];
        let to_use = ["GPU_CHECKPOINT_DIR", "GPU_OUTPUT"];
        assert!([&known[..], &ours, &to_use].concat().contains(&name), "{variable} is the runner's own");
    }
    let own_umask = std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap().stdout;
    assert_eq!(
        read("umask").trim_start_matches('0'),
        String::from_utf8(own_umask).unwrap().trim_start_matches('0')
    );
    assert_eq!(String::from_utf8_lossy(&api.log()), "checkpoint\n", "and nothing on its standard input");
    assert!(!read("descriptors").contains("events"), "the runner's own descriptor is closed");
    container.assert_idle_until_terminated();
}

fn no_client(shell: Shell) {
    let container =
        Image::new(shell, Client::None).run_script("http://127.0.0.1:9", "echo working; echo oh >&2; exit 7");
    container.stdout.wait_for(&container.marker(7));
    let begin = format!("::gpu-start {}\n", container.attempt_id);
    assert_eq!(container.stdout.text(), begin + "working\n" + &container.marker(7));
    container.stderr.wait_for("oh\n");
    assert_eq!(container.assert_idle_until_terminated().code(), Some(7));
}

#[test]
fn output_that_is_too_large_is_told_by_its_size() {
    let api = Api::content();
    let script = r#"yes | head -c 65537 >"$GPU_OUTPUT""#;
    let _container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), script);
    assert_eq!(api.exit().output, Output::TooLarge(65537));
}

#[test]
fn output_of_64_kib_is_sent_as_it_is() {
    let api = Api::content();
    let script = r#"yes | head -c 65536 >"$GPU_OUTPUT""#;
    let _container = Image::new(Shell::Dash, Client::Curl).run_script(&api.url(), script);
    assert_eq!(api.exit().output, Output::Bytes(b"y\n".repeat(32768)));
}

#[test]
fn a_job_without_gzip_setsid_and_nproc_runs_all_the_same() {
    let api = Api::content();
    let image = Image::new(Shell::Dash, Client::Curl).without("gzip").without("setsid").without("nproc");
    let container = image.run_script(&api.url(), "echo plain; echo ::progress 1 done");
    assert_eq!(api.exit().code, 0);
    assert_eq!(api.log(), b"plain\n::progress 1 done\n");
    assert!(api.heard().iter().all(|message| !message.headers.contains_key("content-encoding")));
    container.assert_idle_until_terminated();
}

#[test]
fn without_a_place_to_write_the_command_runs_all_the_same() {
    let image = Image::new(Shell::Dash, Client::Curl).without("mkfifo");
    let container = image.run_script("http://127.0.0.1:9", "echo alone; exit 4");
    container.stdout.wait_for(&container.marker(4));
    assert_eq!(container.stdout.text(), "alone\n".to_owned() + &container.marker(4));
}
