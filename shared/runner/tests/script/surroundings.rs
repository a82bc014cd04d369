//! What stands around the script: the linter, other people's eyes, and the GPU driver.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::api::{Api, ok};
use crate::container::{Client, Image, Shell, TOKEN, installed};

mod matrix {
    crate::in_every_shell!(gpu_figures);
    crate::in_every_shell!(driver_that_hangs);
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let mut child = Command::new(installed("shellcheck"))
        .args(["--norc", "-s", "sh", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(runner::script().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

const DRIVER: &str = r#"#!/bin/sh
case $1 in
--query-gpu=name,*) echo 'NVIDIA L4, 23034 MiB, 550.54.15' ;;
--query-gpu=index,*) echo '0, 87, 20312, 23034, 64, 71.55'; echo '1, [N/A], 1, 23034, 40, [Not Supported]'
  echo 'Unable to determine the device handle; "quoted"' ;;
esac
"#;

fn gpu_figures(shell: Shell) {
    let api = Api::content();
    let image = Image::new(shell, Client::Curl).with_program("nvidia-smi", DRIVER);
    let container = image.run_script(&api.url(), "exec sleep 1000");
    let heard = api.wait("figures", |heard| heard.iter().any(|m| m.headers.contains_key("x-gpu-metrics")));
    let gpus = heard.iter().find(|m| m.headers.contains_key("x-gpu-metrics")).unwrap().report().gpus;
    assert_eq!(gpus.len(), 2);
    assert_eq!(gpus[0].power_watts, Some(71.55));
    assert_eq!((gpus[1].index, gpus[1].utilization_percent, gpus[1].power_watts), (1, None, None));
    assert_eq!(api.start_message().gpus[0].name, "NVIDIA L4");
    drop(container);
}

fn driver_that_hangs(shell: Shell) {
    let api = Api::content();
    let script = "#!/bin/sh\ncase $1 in *name*) echo 'A, B, C' ;; *) exec sleep 1000 ;; esac\n";
    let image = Image::new(shell, Client::Curl).with_program("nvidia-smi", script);
    let container = image.run_script(&api.url(), "exec sleep 1000");
    let reports = |heard: &[crate::api::Message]| heard.iter().filter(|m| m.kind == "report").count();
    api.wait("heartbeats", |heard| reports(heard) == 3);
    drop(container);
}

/// The token is in no argument of any process, at the moment when the server has a message in its hands.
#[test]
fn the_token_shows_in_no_process_list() {
    for client in [Client::Curl, Client::Wget, Client::Python3] {
        let api = Api::start(|_, _| {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
                    assert!(!line.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "{line:?}");
                }
            }
            ok("go\n")
        });
        let image = Image::new(Shell::Dash, client);
        let container = image.run_script(&api.url(), r#"echo "${GPU_RUNNER_TOKEN-none}""#);
        assert_eq!(api.exit().code, 0);
        assert_eq!(api.log(), b"none\n");
        drop(container);
    }
}
