//! A full disk: a small file system of its own, where the machine lets us make one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    companies::{Companies, without_kept},
    support::{Running, run, unsilo, until},
};

const THREE: [&str; 3] = ["Aster", "Birch", "Cedar"];

/// A file system of 16 MiB in memory over a directory, seen only by the commands that are told of it.
struct Disk {
    at: PathBuf,
    /// Holds the name space in which it is mounted.
    holder: Running,
}

impl Disk {
    /// Over the directory `at`, with what is in it. `None` where users may not mount.
    fn over(fed: &Companies, at: PathBuf) -> Option<Self> {
        let before = fed.path("before");
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(&at)
                .arg(&before)
                .status()
                .is_ok_and(|done| done.success())
        );
        let script = "mount -t tmpfs -o size=16m,mode=700 tmpfs \"$1\" && cp -a \"$2/.\" \"$1\" && echo mounted && exec sleep 600";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        let mut holder = Running::start(&fed.path(""), "disk", command.arg(&at).arg(&before));
        until("the disk is mounted or refused", || {
            holder.printed().contains("mounted") || !holder.runs()
        });
        if holder.runs() {
            return Some(Self { at, holder });
        }
        eprintln!(
            "not tested: this machine lets no user mount a small disk: {}",
            holder.said()
        );
        None
    }

    /// The same command, for which the disk is there.
    fn with(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args([
            "--user",
            "--mount",
            "--preserve-credentials",
            "--target",
            &self.holder.id().to_string(),
        ]);
        entered.arg(command.get_program()).args(command.get_args());
        entered
    }

    /// Runs a line of shell in the disk's directory.
    fn shell(&self, line: &str) {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("cd \"$1\" && {line}"), "sh"])
            .arg(&self.at);
        run(&mut self.with(&command)).ok();
    }

    /// Leaves this much room, KiB.
    fn fill(&self, kibibytes: u32) {
        self.shell(&format!("head -c \"$(( ($(df --output=avail -k . | tail -1) - {kibibytes}) * 1024 ))\" /dev/zero > filler"));
    }

    fn free(&self) {
        self.shell("rm filler");
    }

    fn verified(&self, dir: &Path) -> serde_json::Value {
        let ran = run(&mut self.with(unsilo(["ledger", "verify", "--json"]).arg(dir)));
        without_kept(ran.ok().json())
    }
}

#[test]
fn a_coordinator_without_room_loses_nothing() {
    for kibibytes in [24, 150] {
        let fed = Companies::found(&THREE, 3);
        let Some(disk) = Disk::over(&fed, fed.coordinator()) else {
            return;
        };
        let serve = || {
            let command = disk.with(unsilo(["coordinator", "serve"]).arg(fed.coordinator()));
            let mut running = Running::start(&fed.path(""), "coordinator", &mut { command });
            until("the coordinator listens", || {
                assert!(running.runs(), "{}", running.said());
                std::net::TcpStream::connect(&fed.address).is_ok()
            });
            running
        };
        let mut coordinator = serve();
        for (part, name) in THREE.iter().enumerate() {
            fed.join_fast(name, part, 3);
        }
        disk.fill(kibibytes);
        let mut nodes: Vec<Running> = THREE.iter().map(|name| fed.participate(name)).collect();
        until("somebody says that the disk is full", || {
            !coordinator.runs()
                || nodes
                    .iter()
                    .any(|node| node.said().contains("disk is full"))
        });
        if !coordinator.runs() {
            let ended = coordinator.wait();
            assert_eq!(ended.status.code(), Some(7), "{ended:#?}");
            assert!(ended.stderr.contains("start again"), "{ended:#?}");
        }
        for node in &mut nodes {
            assert!(node.runs(), "the others wait: {}", node.said());
        }
        disk.free();
        if !coordinator.runs() {
            coordinator = serve();
        }
        for node in &mut nodes {
            let summary = node.wait().ok().json();
            assert_eq!(
                (&summary["finished"], &summary["contributions"]),
                (&true.into(), &3.into())
            );
        }
        let report = disk.verified(&fed.coordinator());
        assert_eq!(
            (&report["published"], &report["voided"]),
            (&3.into(), &0.into())
        );
        for name in THREE {
            assert_eq!(disk.verified(&fed.company(name)), report, "{name}");
        }
        coordinator.terminate();
        coordinator.wait().ok();
    }
}

#[test]
fn a_company_without_room_stops_and_goes_on() {
    for kibibytes in [8, 60, 150] {
        let fed = Companies::found(&THREE, 3);
        let mut coordinator = fed.serve();
        for (part, name) in THREE.iter().enumerate() {
            fed.join_fast(name, part, 3);
        }
        let Some(disk) = Disk::over(&fed, fed.company("Aster")) else {
            return;
        };
        disk.fill(kibibytes);
        let aster = || {
            let command = disk.with(unsilo(["participate", "--json"]).arg(fed.company("Aster")));
            Running::start(&fed.path(""), "Aster", &mut { command })
        };
        let mut others: Vec<Running> = THREE[1..]
            .iter()
            .map(|name| fed.participate(name))
            .collect();
        let ended = aster().wait();
        assert_eq!(ended.status.code(), Some(7), "{ended:#?}");
        assert!(ended.stderr.contains("space"), "{ended:#?}");
        assert!(ended.stderr.contains("start again"), "{ended:#?}");
        assert!(
            coordinator.runs() && others.iter_mut().all(Running::runs),
            "the others wait"
        );
        disk.free();
        let mut aster = aster();
        for node in others.iter_mut().chain([&mut aster]) {
            let ended = node.wait().ok();
            assert!(!ended.stderr.contains("ALARM"), "{ended:#?}");
            assert_eq!(ended.json()["finished"], true);
        }
        let report = fed.verify(&THREE[1..]);
        assert_eq!(
            (&report["published"], &report["voided"]),
            (&3.into(), &0.into())
        );
        assert_eq!(disk.verified(&fed.company("Aster")), report);
    }
}
