//! An instance's life: it boots, runs its user data in a place of its own, and ends when it is released.

use super::Cloud;
use super::instance::{Instance, Status};
use crate::clock;
use crate::log::Log;
use crate::process::{Container, Launch};
use crate::strike::Boot;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A machine goes on when its first script ends, and with what that left running.
const INIT: &str = r#"
echo $$ > "$1/init.pid"
trap 'exit 0' TERM
if [ -x "$1/user-data" ]; then
    "$1/user-data" > "$1/user-data.log" 2>&1 &
    wait $!
    echo $? > "$1/user-data.exit"
fi
while :; do sleep 3600 & wait $!; done
"#;

const DOCKER: &str = include_str!("docker.sh");

/// What a script may want of its machine, and must not do to this one.
const HARMLESS: &str = "#!/bin/sh\necho \"${0##*/}: simulated, nothing is done\" >&2\n";
const TAME: [&str; 10] =
    ["systemctl", "service", "apt-get", "apt", "yum", "dnf", "nvidia-ctk", "modprobe", "useradd", "mount"];
const OFF: &str = "#!/bin/sh\nkill -TERM \"$(cat \"$SIMCLOUD_PLACE/init.pid\")\"\n";
const SWITCHES: [&str; 4] = ["shutdown", "poweroff", "halt", "reboot"];

/// The mark in the environment by which an instance's processes are known.
pub(crate) fn marker(id: &str) -> String {
    format!("ECS_INSTANCE_ID={id}")
}

/// Where the simulation keeps what is not the instance's own.
pub(crate) fn inside(disk: &Path) -> PathBuf {
    disk.join(".simcloud")
}

pub(crate) fn script(path: &Path, text: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

pub(crate) fn environment(cloud: &Cloud, id: &str, disk: &Path) -> BTreeMap<String, String> {
    let home = disk.display().to_string();
    let host = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let place = inside(disk).display().to_string();
    let pairs = [
        ("PATH", format!("{place}/bin:{host}")),
        ("SIMCLOUD_PATH", host),
        ("SIMCLOUD_PLACE", place),
        ("HOME", home.clone()),
        ("TMPDIR", home),
        ("ECS_METADATA_URL", format!("{}/_metadata/{id}", cloud.url)),
        ("ECS_INSTANCE_ID", id.to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn furnish(disk: &Path, user_data: &[u8]) -> std::io::Result<()> {
    let place = inside(disk);
    let bin = place.join("bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(place.join("containers"))?;
    script(&bin.join("docker"), DOCKER.as_bytes())?;
    for name in TAME {
        script(&bin.join(name), HARMLESS.as_bytes())?;
    }
    for name in SWITCHES {
        script(&bin.join(name), OFF.as_bytes())?;
    }
    // As cloud-init has it: what is compressed is unpacked, and only what says how it is run is run.
    let mut unpacked = Vec::new();
    let user_data = if user_data.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(user_data).read_to_end(&mut unpacked)?;
        &unpacked
    } else {
        user_data
    };
    if user_data.starts_with(b"#!") {
        script(&place.join("user-data"), user_data)?;
    }
    Ok(())
}

impl Cloud {
    /// Starts what drives an instance.
    pub(crate) fn attend(self: &Arc<Self>, id: String, auto_release: Option<jiff::Timestamp>) {
        if let Some(at) = auto_release {
            let (cloud, id) = (Arc::clone(self), id.clone());
            let left = Duration::try_from(clock::now().duration_until(at)).unwrap_or_default();
            self.tasks.spawn(async move { cloud.release_in(left, &id, "auto_released").await });
        }
        let cloud = Arc::clone(self);
        self.tasks.spawn(async move {
            let halt = cloud.lock().instance(&id).ok().map(|one| (one.halt.clone(), one.disk.clone()));
            let Some((halt, disk)) = halt else { return };
            cloud.live(&id, &halt, &disk).await;
            if let Err(error) = std::fs::remove_dir_all(&disk)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, %id, "an instance's disk was not removed");
            }
        });
    }

    /// Releases an instance after a while, unless it is gone by then.
    pub(crate) async fn release_in(self: Arc<Self>, left: Duration, id: &str, why: &'static str) {
        let Some(halt) = self.lock().instance(id).ok().map(|one| one.halt.clone()) else { return };
        tokio::select! {
            () = halt.cancelled() => {}
            () = tokio::time::sleep(left) => {
                // It was there a moment ago; if it is gone now, that is as good.
                let _ = self.lock().release(id, why);
            }
        }
    }

    fn set(&self, id: &str, change: impl FnOnce(&mut Instance)) {
        if let Ok(one) = self.lock().instance_mut(id) {
            change(one);
        }
    }

    async fn live(self: &Arc<Self>, id: &str, halt: &tokio_util::sync::CancellationToken, disk: &Path) {
        let boot = self.lock().instance(id).map_or(Boot::Hangs, |one| one.boot);
        let half = Duration::from_millis(self.lock().settings.boot_ms) / 2;
        let pause = async || {
            tokio::select! {
                () = halt.cancelled() => false,
                () = tokio::time::sleep(half) => true,
            }
        };
        if !pause().await {
            return;
        }
        if boot == Boot::Hangs {
            return halt.cancelled().await;
        }
        self.set(id, |one| one.status = Status::Starting);
        if !pause().await {
            return;
        }
        if boot == Boot::Fails {
            // The cloud takes back what it could not start.
            let _ = self.lock().release(id, "boot_failed");
            return;
        }
        let Ok(user_data) = self.lock().instance(id).map(|one| one.spec.user_data.clone()) else { return };
        let container = match self.power_on(id, disk, &user_data).await {
            Ok(container) => Some(container),
            Err(error) => {
                tracing::warn!(%error, %id, "an instance could not be started");
                None
            }
        };
        self.set(id, |one| {
            one.status = Status::Running;
            one.started_at = Some(clock::now());
            one.alive = container.is_some();
            one.starts += 1;
        });
        let Some(mut container) = container else { return halt.cancelled().await };
        let lost = async {
            loop {
                let changed = self.lost.notified();
                let state = self.lock().instance(id).map(|one| (one.lost, one.off)).unwrap_or_default();
                if state != (false, false) {
                    return state.1;
                }
                changed.await;
            }
        };
        let off = tokio::select! {
            () = halt.cancelled() => false,
            off = lost => off,
            _ = container.ended() => true,
        };
        container.sweep().await;
        self.set(id, |one| {
            one.alive = false;
            if off {
                one.status = Status::Stopped;
            }
        });
        self.dead(id);
        halt.cancelled().await;
    }

    async fn power_on(&self, id: &str, disk: &Path, user_data: &[u8]) -> std::io::Result<Container> {
        furnish(disk, user_data)?;
        let launch = Launch {
            command: ["/bin/sh", "-c", INIT, "init", &inside(disk).display().to_string()]
                .map(str::to_owned)
                .to_vec(),
            env: environment(self, id, disk),
            directory: disk.to_owned(),
            marker: marker(id),
        };
        Container::start(Arc::clone(&self.guard), launch, Arc::new(Log::new())).await
    }

    /// For a released instance too: nothing of it runs any more.
    fn dead(&self, id: &str) {
        if let Some(one) = self.lock().instances.iter_mut().find(|one| one.id == id) {
            one.alive = false;
        }
    }
}
