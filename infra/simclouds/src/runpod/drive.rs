//! Brings a pod from what it is to what is wanted: boots it, runs its container, starts that again when it ends, stops it.

use super::Cloud;
use super::catalogue;
use super::pod::{Pod, PodId, Status, Wish};
use crate::clock;
use crate::log::{Log, Source};
use crate::process::{Container, Launch};
use crate::strike::Boot;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// An entrypoint that lasted this long starts again without a longer pause.
const HEALTHY: Duration = Duration::from_secs(10);

/// The mark in the environment by which a pod's stray processes are known.
pub(crate) fn marker(id: &PodId) -> String {
    format!("RUNPOD_POD_ID={id}")
}

pub(crate) struct Driver {
    cloud: Arc<Cloud>,
    id: PodId,
    log: Arc<Log>,
    wish: watch::Receiver<Wish>,
    disk: PathBuf,
}

/// Why a wait ended.
enum Woken {
    Time,
    Changed,
    Shutdown,
}

impl Driver {
    pub(crate) fn new(cloud: Arc<Cloud>, id: PodId, log: Arc<Log>, wish: watch::Receiver<Wish>) -> Self {
        let disk = cloud.disks.join(&id.0);
        Self { cloud, id, log, wish, disk }
    }

    /// Returns when the pod is gone for good, or the simulated cloud ends.
    pub(crate) async fn run(mut self) {
        let mut booted = false;
        loop {
            let wish = *self.wish.borrow_and_update();
            // A stop and a start in quick succession are seen here as a start only.
            if booted && self.pod().is_some_and(|pod| pod.status == Status::Provisioning) {
                booted = false;
                self.wipe();
            }
            let woken = match wish {
                Wish::Run { .. } if !booted => match self.boot().await {
                    Some(works) => {
                        booted = works;
                        if works { Woken::Changed } else { self.changed().await }
                    }
                    None => self.woken(),
                },
                Wish::Run { .. } => self.attend().await,
                Wish::Stop { .. } => {
                    booted = false;
                    self.stopped();
                    self.changed().await
                }
                Wish::End { .. } => {
                    self.wipe();
                    self.cloud.lock().bury(&self.id);
                    return;
                }
            };
            if matches!(woken, Woken::Shutdown) {
                return;
            }
        }
    }

    fn woken(&self) -> Woken {
        if self.cloud.stop.is_cancelled() { Woken::Shutdown } else { Woken::Changed }
    }

    async fn changed(&mut self) -> Woken {
        self.sleep(None).await
    }

    /// Waits for the time, a change of the wish or the end of the cloud.
    async fn sleep(&mut self, until: Option<Instant>) -> Woken {
        let time = async {
            match until {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.cloud.stop.cancelled() => Woken::Shutdown,
            changed = self.wish.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Shutdown },
            () = time => Woken::Time,
        }
    }

    fn pod(&self) -> Option<Pod> {
        self.cloud.lock().slot(&self.id).map(|slot| slot.pod.clone())
    }

    /// Some(false): this boot came to nothing. None: interrupted.
    async fn boot(&mut self) -> Option<bool> {
        let boot = self.pod()?.boot;
        let half = Duration::from_millis(self.cloud.lock().books.settings.boot_ms) / 2;
        self.report(Status::Provisioning);
        self.log.append(Source::System, "create container");
        if !matches!(self.sleep(Some(Instant::now() + half)).await, Woken::Time) {
            return None;
        }
        if boot == Boot::Hangs {
            return Some(false);
        }
        self.report(Status::Starting);
        if !matches!(self.sleep(Some(Instant::now() + half)).await, Woken::Time) {
            return None;
        }
        if boot == Boot::Fails {
            self.log.append(Source::System, "error creating container: the image could not be pulled");
            self.report(Status::Error);
            return Some(false);
        }
        Some(true)
    }

    fn report(&self, status: Status) {
        let wish = *self.wish.borrow();
        self.cloud.lock().observe(&self.id, |pod| {
            // The wish may have changed under way; then the new one has set the status.
            if pod.wish == wish {
                pod.status = status;
            }
        });
    }

    fn stopped(&self) {
        self.wipe();
        self.cloud.lock().observe(&self.id, |pod| {
            if matches!(pod.wish, Wish::Stop { .. }) && !pod.lost {
                pod.status = Status::Exited;
                pod.meter.stop(clock::now());
            }
        });
    }

    fn wipe(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.disk)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, pod = %self.id, "a pod's disk was not removed");
        }
    }

    /// Runs the container until something else is wanted.
    async fn attend(&mut self) -> Woken {
        let mut quick = 0;
        loop {
            let Some(pod) = self.pod() else { return Woken::Shutdown };
            if self.cloud.lock().books.settings.at_once {
                self.running();
                if let Err(error) = crate::at_once::end(&self.cloud.client, &pod.spec.env).await {
                    self.log
                        .append(Source::System, &format!("the platform did not hear of the end: {error}"));
                }
                return self.changed().await;
            }
            let started = Instant::now();
            match self.start(&pod).await {
                Ok(mut container) => {
                    let woken = tokio::select! {
                        () = self.cloud.stop.cancelled() => Woken::Shutdown,
                        changed = self.wish.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Shutdown },
                        ended = container.ended() => {
                            self.say_ended(ended);
                            Woken::Time
                        }
                    };
                    if matches!(woken, Woken::Changed) {
                        self.halt(&mut container).await;
                    }
                    container.sweep().await;
                    self.cloud.lock().alive(&self.id, false);
                    if !matches!(woken, Woken::Time) {
                        return woken;
                    }
                }
                Err(error) => {
                    self.log.append(Source::System, &format!("error starting container: {error}"));
                    self.running();
                }
            }
            quick = if started.elapsed() >= HEALTHY { 0 } else { quick + 1 };
            let pause = self.cloud.lock().books.settings.restart_ms << u32::min(quick.max(1) - 1, 6);
            let woken = self.sleep(Some(Instant::now() + Duration::from_millis(pause))).await;
            if !matches!(woken, Woken::Time) {
                return woken;
            }
        }
    }

    async fn start(&self, pod: &Pod) -> anyhow::Result<Container> {
        let mut command = shell_words::split(&pod.spec.args)?;
        if command.is_empty() {
            // Only the image knows its own command, and images are not simulated.
            self.log.append(Source::System, "no args: the container idles");
            command = ["sh", "-c", "while :; do sleep 3600; done"].map(str::to_owned).to_vec();
        }
        let launch = Launch {
            command,
            env: self.environment(pod),
            directory: self.disk.clone(),
            marker: marker(&self.id),
        };
        let container =
            Container::start(Arc::clone(&self.cloud.guard), launch, Arc::clone(&self.log)).await?;
        self.cloud.lock().alive(&self.id, true);
        self.log.append(Source::System, "start container");
        self.running();
        Ok(container)
    }

    fn running(&self) {
        self.cloud.lock().observe(&self.id, |pod| {
            if !matches!(pod.wish, Wish::Run { .. }) {
                return;
            }
            let now = clock::now();
            if pod.status != Status::Running {
                pod.started_at = Some(now);
            }
            pod.status = Status::Running;
            pod.starts += 1;
            pod.meter.start(now);
        });
    }

    fn environment(&self, pod: &Pod) -> BTreeMap<String, String> {
        let home = self.disk.display().to_string();
        let mut env = BTreeMap::from([
            (
                "PATH".to_owned(),
                std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ),
            ("TMPDIR".to_owned(), home.clone()),
            ("HOME".to_owned(), home),
            ("CUDA_VERSION".to_owned(), catalogue::CUDA.to_owned()),
            ("RUNPOD_DC_ID".to_owned(), pod.data_center.clone()),
            ("RUNPOD_GPU_COUNT".to_owned(), pod.spec.count.to_string()),
            ("RUNPOD_GPU_NAME".to_owned(), pod.spec.gpu.clone()),
            ("RUNPOD_POD_HOSTNAME".to_owned(), format!("{}-{}", pod.id, pod.machine)),
        ]);
        env.extend(pod.spec.env.clone());
        env.insert("RUNPOD_POD_ID".to_owned(), self.id.0.clone());
        env
    }

    /// SIGTERM, then SIGKILL when the grace is over. Another wish meanwhile may shorten the grace.
    async fn halt(&mut self, container: &mut Container) {
        container.terminate();
        let mut until = Instant::now() + self.wish.borrow_and_update().grace();
        loop {
            tokio::select! {
                () = self.cloud.stop.cancelled() => return,
                ended = container.ended() => return self.say_ended(ended),
                () = tokio::time::sleep_until(until) => {
                    self.log.append(Source::System, "kill container");
                    return;
                }
                changed = self.wish.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    until = until.min(Instant::now() + self.wish.borrow_and_update().grace());
                }
            }
        }
    }

    /// For the control only: RunPod's own log does not tell how a container ended, so neither does this one.
    fn say_ended(&self, ended: std::io::Result<ExitStatus>) {
        match ended {
            Ok(status) => {
                let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
                self.cloud.lock().observe(&self.id, |pod| pod.last_exit = code);
            }
            Err(error) => tracing::warn!(%error, pod = %self.id, "a container cannot be waited for"),
        }
    }
}
