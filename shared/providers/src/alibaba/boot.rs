//! The script that an instance runs at its first boot.
//!
//! It holds the job's secrets, so they are in files that only root can read, and in no process's arguments. docker's own
//! files of variables cannot hold a line break; so all variables are one, `GPU_ENV`, which the container's shell reads.

use std::{collections::BTreeMap, io::Write};

use app::ports::ProviderError;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, GzBuilder};

/// What ECS takes, before base64.
const USER_DATA_BYTES: usize = 32 << 10;
/// Linux takes no longer variable than 128 KiB.
const ENV_BYTES: usize = 120 << 10;
/// A job's own variables never begin so.
const OURS: &str = "GPU_";

/// The value of `UserData`: the same for the same input, as a repeated call must be.
pub(super) fn user_data(image: &str, env: &BTreeMap<String, String>) -> Result<String, ProviderError> {
    let script = script(image, env)?;
    let failed = |error: std::io::Error| ProviderError::Invalid(error.to_string());
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(script.as_bytes()).map_err(failed)?;
    let bytes = gzip.finish().map_err(failed)?;
    if bytes.len() > USER_DATA_BYTES {
        return Err(ProviderError::Invalid(format!(
            "the job's environment and command are too large for Alibaba Cloud: with the runner {} bytes compressed, \
             and user data may have {USER_DATA_BYTES}",
            bytes.len()
        )));
    }
    Ok(STANDARD.encode(bytes))
}

fn script(image: &str, env: &BTreeMap<String, String>) -> Result<String, ProviderError> {
    let (runner, job): (Vec<_>, Vec<_>) = env.iter().partition(|(name, _)| name.starts_with(OURS));
    let (runner, job) = (exports(&runner)?, exports(&job)?);
    if runner.len() + job.len() > ENV_BYTES {
        return Err(ProviderError::Invalid(format!(
            "the job's environment and command are too large: {} bytes, and {ENV_BYTES} fit into a machine's",
            runner.len() + job.len()
        )));
    }
    if image.contains('\0') {
        return Err(ProviderError::Invalid("the image's name holds a NUL".to_owned()));
    }
    // The functions come first: a file is complete before anything uses it.
    Ok(format!(
        "#!/bin/sh\numask 077\nimage={}\n{}{}{}",
        runner::quote(image),
        file("gpu-job.env", &job),
        file("gpu-runner.env", &runner),
        include_str!("boot.sh"),
    ))
}

fn exports(variables: &[(&String, &String)]) -> Result<String, ProviderError> {
    let mut text = Vec::new();
    for (name, value) in variables {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if !is_name {
            return Err(ProviderError::Invalid("a variable's name is not letters, digits and _".to_owned()));
        }
        if value.contains('\0') {
            return Err(ProviderError::Invalid(format!("the variable {name} holds a NUL")));
        }
        text.push(format!("export {name}={}\n", runner::quote(value)));
    }
    Ok(text.concat())
}

/// Lines that write `text` to a file, through no process's arguments.
fn file(name: &str, text: &str) -> String {
    let mut end = "GPU_END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    format!("cat >\"${{TMPDIR:-/run}}/{name}\" <<'{end}'\n{text}{end}\n")
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::fs::PermissionsExt, process::Command};

    use flate2::read::GzDecoder;

    use super::*;

    fn text(data: &str) -> String {
        let mut text = String::new();
        GzDecoder::new(&STANDARD.decode(data).unwrap()[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_same_job_has_the_same_user_data() {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let data = user_data("busybox", &env).unwrap();
        assert_eq!(data, user_data("busybox", &env).unwrap());
        let text = text(&data);
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("export A='1'"), "{text}");
    }

    #[test]
    fn a_file_holds_exactly_what_was_given() {
        let folder = std::env::temp_dir().join(format!("gpu-boot-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let value = "it's $HOME `id` \\ \"x\"\nGPU_END\nGPU_END_\n\n";
        let env = BTreeMap::from([("VALUE".to_owned(), value.to_owned())]);
        let both: Vec<_> = env.iter().collect();
        let script =
            file("env", &exports(&both).unwrap()) + "eval \"$(cat $TMPDIR/env)\"; printf %s. \"$VALUE\"";
        let output = Command::new("sh").args(["-c", &script]).env("TMPDIR", &folder).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{value}."));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut state = 1_u64;
        let noise: String = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from(state >> 58).unwrap())
        })
        .take(60_000)
        .collect();
        for (value, told) in [
            (noise, "too large for Alibaba Cloud"),
            ("a".repeat(200_000), "too large"),
            ("a\0".to_owned(), "holds a NUL"),
        ] {
            let env = BTreeMap::from([("A".to_owned(), value)]);
            let error = user_data("busybox", &env).unwrap_err();
            assert!(matches!(&error, ProviderError::Invalid(words) if words.contains(told)), "{error:?}");
        }
        let env = BTreeMap::from([("A-B".to_owned(), String::new())]);
        assert!(matches!(user_data("busybox", &env), Err(ProviderError::Invalid(_))));
    }

    /// The runner is heard of a machine that cannot run containers.
    #[test]
    fn a_machine_without_the_toolkit_says_so_in_the_runners_protocol() {
        let folder = std::env::temp_dir().join(format!("gpu-boot-fails-{}", std::process::id()));
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let docker = "#!/bin/sh\n[ \"$1\" != run ] || { echo 'could not select device driver: it'\\''s not there'; exit 125; }\n";
        for (name, text) in [("docker", docker), ("curl", "#!/bin/sh\nexit 1\n")] {
            std::fs::write(bin.join(name), text).unwrap();
            std::fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o700)).unwrap();
        }
        // In the place of the runner: tells what it would run, and with which of the variables.
        let runner =
            r#"eval "set -- $GPU_COMMAND"; printf '%s|%s|%s' "$#" "$1" "${SECRET-unset}" >"$TMPDIR/told""#;
        let env: BTreeMap<String, String> =
            BTreeMap::from([("GPU_RUNNER", runner), ("GPU_COMMAND", "'true'"), ("SECRET", "x")])
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        let script = script("busybox", &env).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let status = Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", path)
            .env("TMPDIR", &folder)
            .status()
            .unwrap();
        let told = std::fs::read_to_string(folder.join("told")).unwrap();
        assert!(status.success(), "{status}");
        assert!(told.starts_with("1|gpu: the container does not start: "), "{told}");
        assert!(told.contains("could not select device driver") && told.ends_with("|unset"), "{told}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_longest_usual_job_leaves_room() {
        let env = BTreeMap::from([("GPU_RUNNER".to_owned(), runner::script().to_owned())]);
        let size = STANDARD.decode(user_data("busybox", &env).unwrap()).unwrap().len();
        assert!(size < 12 << 10, "{size} bytes");
    }
}
