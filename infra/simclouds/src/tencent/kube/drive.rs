//! A pod's life: it waits for a place, boots, runs its containers as local processes, and ends.

use super::lead::{self, Outcome};
use super::store::Key;
use super::{env, place, remove, shown};
use crate::clock;
use crate::log::Log;
use crate::process::{Container, Launch};
use crate::strike::Boot;
use crate::tencent::account::{Ending, Why};
use crate::tencent::{Cloud, stamp};
use serde_json::{Value, json};
use shown::{Ended, Waiting};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a pod hears while it lives.
struct Ear<'a> {
    cloud: &'a Cloud,
    wish: watch::Receiver<Option<Ending>>,
    deadline: Option<Instant>,
}

impl Ear<'_> {
    /// Until it has to end. Cancel safe.
    async fn wished(&mut self) -> Ending {
        let at = self.deadline;
        let alarm = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let now = |why| Ending { why, grace: Duration::ZERO };
        tokio::select! {
            () = self.cloud.stop.cancelled() => now(Why::PowerCut),
            wish = self.wish.wait_for(Option::is_some) => {
                wish.ok().and_then(|wish| *wish).unwrap_or(now(Why::PowerCut))
            }
            () = alarm => Ending { why: Why::Deadline, grace: Duration::from_secs(30) },
        }
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Ending> {
        tokio::select! {
            ending = self.wished() => Err(ending),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }
}

/// How it went.
enum Way {
    /// All containers ended, by themselves or because of what is named.
    Ran(Vec<Ended>, Option<Why>),
    /// It was taken in and could not be started.
    Refused,
    /// It never ran.
    Cut(Why),
}

impl Cloud {
    pub(crate) fn attend(self: &Arc<Self>, uid: String) {
        let cloud = Arc::clone(self);
        self.tasks.spawn(async move {
            let found = {
                let account = cloud.lock();
                account
                    .runs
                    .get(&uid)
                    .map(|run| (run.key(), run.wish.subscribe(), run.boot, run.disk.clone()))
            };
            let Some((key, wish, boot, disk)) = found else { return };
            let mut ear = Ear { cloud: &cloud, wish, deadline: None };
            let way = cloud.drive(&uid, &key, boot, &mut ear).await;
            cloud.close(&uid, &key, &way.unwrap_or_else(|ending| Way::Cut(ending.why)));
            if let Err(error) = std::fs::remove_dir_all(&disk)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, %uid, "a pod's directory was not removed");
            }
        });
    }

    async fn drive(&self, uid: &str, key: &Key, boot: Boot, ear: &mut Ear<'_>) -> Result<Way, Ending> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if boot != Boot::NoRoom && self.take_place(uid, key) {
                break;
            }
            if boot == Boot::NoRoom {
                shown::unschedulable(
                    &mut self.lock(),
                    key,
                    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
                );
            }
            tokio::select! {
                ending = ear.wished() => return Err(ending),
                () = room => {}
            }
        }
        let Some(pod) = self.lock().store.get(key).map(Arc::clone) else {
            return Err(Ending { why: Why::Deleted, grace: Duration::ZERO });
        };
        let limit = pod["spec"]["activeDeadlineSeconds"].as_u64();
        ear.deadline = limit.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let half = Duration::from_millis(self.lock().settings.boot_ms) / 2;
        ear.pause(half).await?;
        if boot == Boot::Hangs {
            return Err(ear.wished().await);
        }
        self.pull(key, &pod, ear).await?;
        ear.pause(half).await?;
        if boot == Boot::Fails {
            return Ok(Way::Refused);
        }
        for (field, plan) in [("initContainers", true), ("containers", false)] {
            let named = pod["spec"][field].as_array().map(Vec::as_slice).unwrap_or_default();
            if named.is_empty() {
                continue;
            }
            let groups: Vec<&[Value]> = if plan { named.chunks(1).collect() } else { vec![named] };
            for group in groups {
                let (ended, why) = self.run_group(uid, key, &pod, group, plan, ear).await?;
                if !plan || why.is_some() || ended.iter().any(|one| one.code != 0) {
                    return Ok(Way::Ran(ended, why));
                }
            }
        }
        Ok(Way::Refused)
    }

    fn take_place(&self, uid: &str, key: &Key) -> bool {
        let mut account = self.lock();
        let Some(pod) = account.store.get(key).map(Arc::clone) else { return false };
        let need = place::need(&pod, &self.region);
        let place = need.and_then(|need| {
            account.market.take(&need.kinds, &need.zones).ok_or_else(|| {
                let nodes = need.zones.len();
                format!("{nodes} Insufficient nvidia.com/gpu (the zone is sold out)")
            })
        });
        let place = match place {
            Ok(place) => place,
            Err(why) => {
                shown::unschedulable(&mut account, key, &format!("0/3 nodes are available: {why}."));
                return false;
            }
        };
        let now = clock::now();
        let spot = account.runs.get(uid).is_some_and(|run| run.spot);
        let rate = account.market.shelf(place.0, place.1).map_or(0, |shelf| shelf.rate(spot));
        let node = super::nodes::of(place);
        if let Some(run) = account.runs.get_mut(uid) {
            run.place = Some(place);
            run.rate = rate;
            run.from = Some(now);
        }
        shown::scheduled(&mut account, key, &node, &stamp(now));
        let (_, namespace, name) = key;
        account.event(
            key,
            "Scheduled",
            &format!("Successfully assigned {namespace}/{name} to {node}"),
            false,
        );
        true
    }

    async fn pull(&self, key: &Key, pod: &Value, ear: &mut Ear<'_>) -> Result<(), Ending> {
        let mut said = false;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut account = self.lock();
                let text = account.settings.missing_image.clone();
                let images = pod["spec"]["containers"].as_array().into_iter().flatten();
                let mut images = images.filter_map(|one| one["image"].as_str());
                let missing = images.find(|image| !text.is_empty() && image.contains(&text));
                let Some(image) = missing else { return Ok(()) };
                if !said {
                    said = true;
                    let message = format!("Back-off pulling image \"{image}\"");
                    shown::waiting(&mut account, key, &Waiting::new("ImagePullBackOff", &message));
                    let why = format!("Failed to pull image \"{image}\": not found");
                    account.event(key, "Failed", &why, true);
                }
            }
            tokio::select! {
                ending = ear.wished() => return Err(ending),
                () = room => {}
            }
        }
    }

    /// The environments of all of them; waits for secrets that are not there yet.
    async fn environments(
        &self,
        key: &Key,
        pod: &Value,
        group: &[Value],
        ear: &mut Ear<'_>,
    ) -> Result<Vec<env::Environment>, Ending> {
        let mut changed = self.lock().store.subscribe();
        loop {
            changed.borrow_and_update();
            let got: Result<Vec<_>, String> = {
                let account = self.lock();
                group.iter().map(|one| env::of(&account.store, pod, one)).collect()
            };
            match got {
                Ok(environments) => return Ok(environments),
                Err(why) => {
                    shown::waiting(&mut self.lock(), key, &Waiting::new("CreateContainerConfigError", &why));
                }
            }
            tokio::select! {
                ending = ear.wished() => return Err(ending),
                _ = changed.changed() => {}
            }
        }
    }

    async fn run_group(
        &self,
        uid: &str,
        key: &Key,
        pod: &Value,
        group: &[Value],
        init: bool,
        ear: &mut Ear<'_>,
    ) -> Result<(Vec<Ended>, Option<Why>), Ending> {
        let environments = self.environments(key, pod, group, ear).await?;
        let disk = { self.lock().runs.get(uid).map(|run| run.disk.clone()) }.unwrap_or_default();
        let mut alive = Vec::new();
        let mut ended = Vec::new();
        for (one, environment) in group.iter().zip(environments) {
            let name = one["name"].as_str().unwrap_or_default().to_owned();
            let directory = disk.join(&name);
            let begun = clock::now();
            let log = Arc::new(Log::new());
            if let Some(run) = self.lock().runs.get_mut(uid) {
                run.logs.insert(name.clone(), Arc::clone(&log));
            }
            let command = env::command(one, &environment);
            let env = env::complete(environment, pod, uid, &directory, place::gpus(pod));
            let runnable = env::found(&command[0], &env);
            let launch = Launch { command, env, directory, marker: env::marker(uid) };
            let started = if runnable {
                Container::start(Arc::clone(&self.guard), launch, Arc::clone(&log)).await
            } else {
                Err(std::io::ErrorKind::NotFound.into())
            };
            match started {
                Ok(container) => alive.push((name, begun, container)),
                Err(error) => {
                    log.close();
                    ended.push(Ended::unstarted(name, begun, &error));
                }
            }
        }
        {
            let mut account = self.lock();
            if let Some(run) = account.runs.get_mut(uid) {
                run.alive = !alive.is_empty();
                run.starts += 1;
            }
            if !init {
                let names: Vec<(&str, String)> =
                    alive.iter().map(|(name, begun, _)| (name.as_str(), stamp(*begun))).collect();
                shown::running(&mut account, key, &names);
                if let Some(job) = account.runs.get(uid).map(|run| lead::job_key(&run.namespace, &run.job)) {
                    account.store.change(&job, |job| job["status"]["ready"] = 1.into());
                }
            }
        }
        let mut why = None;
        while let Some((name, begun, mut container)) = alive.pop() {
            let status = if why.is_none() {
                tokio::select! {
                    status = container.ended() => status.ok(),
                    ending = ear.wished() => {
                        why = Some(ending.why);
                        let all: Vec<&Container> = alive.iter().map(|(_, _, one)| one).collect();
                        self.interrupt(uid, ending, &mut container, &all, ear).await
                    }
                }
            } else {
                // The grace is over.
                None
            };
            let at = clock::now();
            container.sweep().await;
            ended.push(Ended {
                name,
                from: begun,
                to: at,
                code: status
                    .map_or(137, |status| status.code().unwrap_or(128 + status.signal().unwrap_or(9))),
                reason: None,
                message: None,
            });
        }
        self.silence(uid);
        if why == Some(Why::Silent) {
            let later = loop {
                let ending = ear.wished().await;
                if ending.why != Why::Silent {
                    break ending;
                }
                tokio::select! {
                    _ = ear.wish.changed() => {}
                    () = self.stop.cancelled() => {}
                }
            };
            why = Some(later.why);
        }
        Ok((ended, why))
    }

    /// Nothing of it runs or writes any more.
    fn silence(&self, uid: &str) {
        if let Some(run) = self.lock().runs.get_mut(uid) {
            run.alive = false;
            for log in run.logs.values() {
                log.close();
            }
        }
    }

    /// SIGTERM, and what of the grace is needed; a later wish may shorten it.
    async fn interrupt(
        &self,
        uid: &str,
        first: Ending,
        container: &mut Container,
        others: &[&Container],
        ear: &mut Ear<'_>,
    ) -> Option<std::process::ExitStatus> {
        if matches!(first.why, Why::Silent | Why::Lost | Why::PowerCut) || first.grace.is_zero() {
            return None;
        }
        container.terminate();
        for other in others {
            other.terminate();
        }
        let begun = Instant::now();
        let mut grace = first.grace;
        ear.wish.mark_unchanged();
        loop {
            tokio::select! {
                status = container.ended() => return status.ok(),
                () = tokio::time::sleep_until(begun + grace) => return None,
                () = self.stop.cancelled() => return None,
                changed = ear.wish.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                    if let Some(ending) = *ear.wish.borrow() {
                        grace = grace.min(ending.grace);
                        tracing::debug!(%uid, ?ending, "a pod that ends has less time for it");
                    }
                }
            }
        }
    }

    /// Writes down how it ended, and lets go of what it had.
    fn close(&self, uid: &str, key: &Key, way: &Way) {
        let mut account = self.lock();
        let now = clock::now();
        let Some(run) = account.runs.get_mut(uid) else { return };
        let (why, exit) = match way {
            Way::Ran(ended, why) => (*why, ended.last().map(|one| one.code)),
            Way::Refused => (None, None),
            Way::Cut(why) => (Some(*why), None),
        };
        if why == Some(Why::PowerCut) {
            return;
        }
        run.done = true;
        run.alive = false;
        run.exit = exit;
        run.end = Some(why.map_or("ended", Why::word));
        run.to = run.from.map(|_| match way {
            Way::Ran(ended, Some(Why::Silent) | None) => ended.iter().map(|one| one.to).max().unwrap_or(now),
            _ => now,
        });
        let (place, job_uid) = (run.place, run.job_uid.clone());
        if let Some(place) = place {
            account.market.give_back(place);
        }
        let latest = account.runs.get(uid).and_then(|run| *run.wish.borrow());
        let deleted = [why, latest.map(|wish| wish.why)].into_iter().flatten();
        if deleted.into_iter().any(|why| matches!(why, Why::Deleted | Why::Lost)) {
            remove::forget_pod(&mut account, uid);
        } else {
            shown::ended(&mut account, key, way.ended(), why);
            let pod = account.store.get(key).map(|pod| Value::clone(pod)).unwrap_or(json!({}));
            let outcome =
                if pod["status"]["phase"] == "Succeeded" { Outcome::Succeeded } else { Outcome::Failed };
            lead::pod_ended(&mut account, &job_uid, uid, outcome, &pod);
        }
        drop(account);
        self.room.notify_waiters();
    }
}

impl Way {
    fn ended(&self) -> Option<&[Ended]> {
        match self {
            Self::Ran(ended, _) => Some(ended),
            Self::Refused | Self::Cut(_) => None,
        }
    }
}
