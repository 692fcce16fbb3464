//! Processes and sockets of a living host, written as `/proc` and `/sys/fs/cgroup` into a tree in
//! memory. A person describes them one a line:
//!
//! ```text
//! 800 parent=1 unit=myapp.service user=33 start=100 cwd=/srv exe=/usr/bin/python3 : python3 x.py
//! 800 cwd=/srv/old(deleted)       changes a process that is there
//! - 812                           takes it away, with all below it
//! listen unix:/run/x.sock inode=7 a socket that listens; also 127.0.0.1:8000, [::]:8000
//! - listen unix:/run/x.sock
//! waiting unix:/run/x.sock        a connection in its queue
//! file /run/x.sock mode=0700 owner=33:33
//! - file /run/x.sock
//! replaced /run/x.sock inode=7 the file there is not the one that this socket was bound to
//! touch /srv/current 5000         was changed so many seconds after the host started
//! ```
//!
//! `listen 127.0.0.1:8000 inode=7 of=800` listens in the network of process 800 alone.
//!
//! Further words of a process: `like=811` (in all else the same as another), `name=uv`, `sockets=40001,40002` (those that it holds),
//! `set=NAME=VALUE` (a variable that it was started with), `caught=8304226` (the signals it handles),
//! `memory=80000` (kB of its own), `net=4026532100` (its network).

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use deploy_doctor::host::{FileKind, Host, MemoryHost};

/// When the host started.
pub const BOOT: i64 = 1_776_000_000;
/// How long it has been up.
pub const UP: i64 = 10_000;

const COMMAND: &str = "/srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 \
                       --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app";
const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

/// What its kernel says, unless the files say otherwise.
const KERNEL: [(&str, &str); 4] = [
    ("/proc/cpuinfo", "processor\t: 0\nprocessor\t: 1\n"),
    (
        "/proc/meminfo",
        "MemTotal: 4000000 kB\nMemFree: 100000 kB\nMemAvailable: 2000000 kB\nSwapFree: 0 kB\n",
    ),
    ("/proc/sys/net/core/somaxconn", "4096\n"),
    ("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
];

/// One process.
#[derive(Debug, Clone, Default)]
pub struct Process {
    parent: u32,
    unit: String,
    user: u32,
    start: i64,
    directory: String,
    program: String,
    name: Option<String>,
    words: Vec<String>,
    sockets: Vec<u64>,
    environment: Vec<String>,
    caught: String,
    memory: u64,
    network: Option<String>,
}

/// What lives on the host.
#[derive(Debug, Clone, Default)]
pub struct World {
    processes: BTreeMap<u32, Process>,
    listeners: Vec<(String, u64)>,
    /// By the process in whose network they are.
    elsewhere: Vec<(u32, String, u64)>,
    waiting: Vec<String>,
    touched: Vec<(String, i64)>,
    replaced: Vec<(String, u64)>,
    files: BTreeMap<String, (u32, u32, u32)>,
    /// Who reads it may not look at `cwd`, `exe`, `environ` and `fd`.
    pub ordinary_user: bool,
}

impl World {
    /// The healthy deployment at work: systemd, nginx's master 500 and worker 501, gunicorn's master
    /// 800 and workers 811 to 813.
    pub fn healthy(host: &MemoryHost) -> Self {
        let mut world = Self::default();
        world.change(
            "1 parent=0 unit=init.scope user=0 start=0 cwd=/ exe=/usr/lib/systemd/systemd \
             name=systemd : /sbin/init",
        );
        world.change(&format!(
            "800 parent=1 unit=myapp.service user=33 start=100 cwd={RELEASE} sockets=40001 : \
             {COMMAND}"
        ));
        let variables = host.read(Path::new("/etc/myapp.env"), 1 << 20).unwrap_or_default();
        let variables = String::from_utf8_lossy(&variables).into_owned();
        let master = world.processes.get_mut(&800).unwrap();
        master.environment = variables.lines().map(str::to_owned).collect();
        master.environment.push("INVOCATION_ID=1".into());
        // As measured of gunicorn 20.1.0 to 27.0.1.
        master.caught = "0000000108314a07".into();
        let caught = "0000000008304226".to_owned();
        let master = master.clone();
        for pid in 811..=813 {
            let caught = caught.clone();
            let worker = Process { parent: 800, start: 101, caught, ..master.clone() };
            world.processes.insert(pid, worker);
        }
        world.change(
            "500 parent=1 unit=nginx.service user=0 start=50 cwd=/ exe=/usr/sbin/nginx name=nginx : \
             nginx: master process /usr/sbin/nginx -g daemon on; master_process on;
             501 parent=500 unit=nginx.service user=33 start=51 cwd=/ exe=/usr/sbin/nginx name=nginx : \
             nginx: worker process",
        );
        world.change("listen unix:/run/myapp/gunicorn.sock inode=40001");
        world.change("file /run/myapp/gunicorn.sock mode=0777 owner=33:33");
        world
    }

    /// Changes it as the lines say.
    pub fn change(&mut self, text: &str) -> &mut Self {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line);
        }
        self
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["-", "listen", place] => self.listeners.retain(|(other, _)| other != place),
            ["-", "file", path] => drop(self.files.remove(*path)),
            ["-", pid] => self.end(pid.parse().unwrap()),
            ["listen", place, inode] => {
                let inode = inode.strip_prefix("inode=").unwrap().parse().unwrap();
                self.listeners.push(((*place).to_owned(), inode));
            }
            ["listen", place, inode, of] => {
                let inode = inode.strip_prefix("inode=").unwrap().parse().unwrap();
                let of = of.strip_prefix("of=").unwrap().parse().unwrap();
                self.elsewhere.push((of, (*place).to_owned(), inode));
            }
            ["replaced", path, inode] => {
                let inode = inode.strip_prefix("inode=").unwrap().parse().unwrap();
                self.replaced.push(((*path).to_owned(), inode));
            }
            ["waiting", place] => self.waiting.push((*place).to_owned()),
            ["touch", path, after] => {
                self.touched.push(((*path).to_owned(), BOOT + after.parse::<i64>().unwrap()));
            }
            ["file", path, mode, owner] => {
                let mode = u32::from_str_radix(mode.strip_prefix("mode=").unwrap(), 8).unwrap();
                let (uid, gid) = owner.strip_prefix("owner=").unwrap().split_once(':').unwrap();
                let entry = (mode, uid.parse().unwrap(), gid.parse().unwrap());
                self.files.insert((*path).to_owned(), entry);
            }
            [pid, ..] => self.process(pid.parse().expect(line), line),
            [] => {}
        }
    }

    fn end(&mut self, pid: u32) {
        self.processes.remove(&pid);
        let below = |(child, process): (&u32, &Process)| (process.parent == pid).then_some(*child);
        for child in self.processes.iter().filter_map(below).collect::<Vec<_>>() {
            self.end(child);
        }
    }

    fn process(&mut self, pid: u32, line: &str) {
        self.processes.entry(pid).or_insert_with(|| Process {
            directory: "/".into(),
            program: "/usr/bin/python3".into(),
            caught: "0".into(),
            ..Process::default()
        });
        let (facts, command) = match line.split_once(" :") {
            Some((facts, command)) => (facts, Some(command)),
            None => (line, None),
        };
        let like = facts.split_whitespace().find_map(|fact| fact.strip_prefix("like="));
        if let Some(model) = like {
            let model = self.processes[&model.parse().unwrap()].clone();
            self.processes.insert(pid, model);
        }
        let process = self.processes.get_mut(&pid).unwrap();
        if let Some(command) = command {
            process.words = command.split_whitespace().map(str::to_owned).collect();
        }
        for fact in facts.split_whitespace().skip(1) {
            let (key, value) = fact.split_once('=').expect(line);
            match key {
                "like" => {}
                "parent" => process.parent = value.parse().unwrap(),
                "unit" => process.unit = value.to_owned(),
                "user" => process.user = value.parse().unwrap(),
                "start" => process.start = value.parse().unwrap(),
                "cwd" => process.directory = value.to_owned(),
                "exe" => process.program = value.to_owned(),
                "net" => process.network = Some(value.to_owned()),
                "memory" => process.memory = value.parse().unwrap(),
                "name" => process.name = Some(value.to_owned()),
                "sockets" => {
                    process.sockets = value.split(',').map(|n| n.parse().unwrap()).collect();
                }
                "caught" => process.caught = value.to_owned(),
                "set" => process.environment.push(value.to_owned()),
                _ => panic!("{line}: {key}?"),
            }
        }
    }

    /// Writes it all into a tree.
    pub fn write(&self, host: &mut MemoryHost) {
        host.file("/proc/stat", format!("cpu  1 2 3\nbtime {BOOT}\nprocesses 9\n"));
        host.file("/proc/uptime", format!("{UP}.25 99.00\n"));
        for (path, text) in KERNEL {
            if !host.contains(path) {
                host.file(path, text);
            }
        }
        for (pid, process) in &self.processes {
            self.write_process(*pid, process, host);
        }
        let mut groups: BTreeMap<&str, String> = BTreeMap::new();
        for (pid, process) in &self.processes {
            let _ = writeln!(groups.entry(&process.unit).or_default(), "{pid}");
        }
        for (unit, numbers) in groups.iter().filter(|(unit, _)| unit.ends_with(".service")) {
            host.file(
                format!("/sys/fs/cgroup/system.slice/{unit}/cgroup.procs"),
                numbers.as_bytes(),
            );
        }
        self.write_sockets(host);
        for (path, (mode, uid, gid)) in &self.files {
            host.special(path, FileKind::Socket);
            host.own(path, *mode, *uid, *gid);
            let bound = |(place, inode): &(String, u64)| {
                let here = place.strip_prefix("unix:") == Some(path);
                let there = self.replaced.iter().any(|one| one == &(path.clone(), *inode));
                (*inode, Some(here && !there))
            };
            let elsewhere = self.elsewhere.iter().map(|(_, place, inode)| (place.clone(), *inode));
            let all: Vec<_> = self.listeners.iter().cloned().chain(elsewhere).collect();
            host.binds(path, &all.iter().map(bound).collect::<Vec<_>>());
        }
        for (path, time) in &self.touched {
            host.touch(path, *time);
        }
    }

    fn write_process(&self, pid: u32, process: &Process, host: &mut MemoryHost) {
        let top = format!("/proc/{pid}");
        let base = |word: &str| word.rsplit('/').next().unwrap().to_owned();
        let first = process.words.first().map(|word| base(word)).unwrap_or_default();
        let name = process.name.clone().unwrap_or_else(|| {
            match process.words.iter().skip(1).find(|word| !word.starts_with('-')) {
                Some(script) if first.starts_with("python") => base(script),
                _ => first,
            }
        });
        let name: String = name.chars().take(15).collect();
        let ticks = process.start * 100;
        host.file(
            format!("{top}/stat"),
            format!(
                "{pid} ({name}) S {} {pid} {pid} 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 {ticks} \
                 1000 100 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                process.parent
            ),
        );
        host.file(format!("{top}/comm"), format!("{name}\n"));
        let (user, caught) = (process.user, &process.caught);
        host.file(
            format!("{top}/status"),
            format!(
                "Name:\t{name}\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{}\n\
                 TracerPid:\t0\nRssAnon:\t {} kB\nUid:\t{user}\t{user}\t{user}\t{user}\n\
                 Gid:\t{user}\t{user}\t{user}\t{user}\nFDSize:\t64\nGroups:\t{user} \n\
                 Threads:\t1\nSigQ:\t0/100\nSigPnd:\t0\nShdPnd:\t0\nSigBlk:\t0\nSigIgn:\t0\n\
                 SigCgt:\t{caught}\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\n",
                process.parent, process.memory
            ),
        );
        host.file(format!("{top}/cmdline"), zeros(&process.words));
        let group = match process.unit.as_str() {
            "" => "/user.slice".to_owned(),
            unit if unit.ends_with(".service") => format!("/system.slice/{unit}"),
            unit => format!("/user.slice/user-0.slice/{unit}"),
        };
        host.file(format!("{top}/cgroup"), format!("0::{group}\n"));
        if self.ordinary_user && user != 1000 {
            return;
        }
        host.file(format!("{top}/environ"), zeros(&process.environment));
        host.link(format!("{top}/cwd"), process.directory.replace("(deleted)", " (deleted)"));
        host.link(format!("{top}/exe"), process.program.replace("(deleted)", " (deleted)"));
        host.link(format!("{top}/ns/mnt"), "mnt:[4026531841]");
        let network = process.network.as_deref().unwrap_or("4026531840");
        host.link(format!("{top}/ns/net"), format!("net:[{network}]"));
        host.directory(format!("{top}/fd"));
        for (number, inode) in process.sockets.iter().enumerate() {
            host.link(format!("{top}/fd/{}", number + 3), format!("socket:[{inode}]"));
        }
    }

    fn write_sockets(&self, host: &mut MemoryHost) {
        Self::write_network(1, &self.listeners, &self.waiting, host);
        for pid in self.elsewhere.iter().map(|(pid, ..)| *pid) {
            let mine = self.elsewhere.iter().filter(|(of, ..)| *of == pid);
            let mine: Vec<_> = mine.map(|(_, place, inode)| (place.clone(), *inode)).collect();
            Self::write_network(pid, &mine, &[], host);
        }
    }

    fn write_network(
        pid: u32,
        listeners: &[(String, u64)],
        waiting: &[String],
        host: &mut MemoryHost,
    ) {
        let mut unix = "Num       RefCount Protocol Flags    Type St Inode Path\n".to_owned();
        let mut tcp = "  sl  local_address rem_address   st\n".to_owned();
        let mut tcp6 = tcp.clone();
        for (place, inode) in listeners {
            if let Some(path) = place.strip_prefix("unix:") {
                let _ = writeln!(
                    unix,
                    "0000000000000000: 00000002 00000000 00010000 0001 01 {inode:5} {path}"
                );
                // A client that is connected: the same path, no listener.
                let other = inode + 5_000_000;
                let _ = writeln!(
                    unix,
                    "0000000000000000: 00000003 00000000 00000000 0001 03 {other} {path}"
                );
                continue;
            }
            let address: SocketAddr = place.parse().unwrap();
            let table = if address.is_ipv4() { &mut tcp } else { &mut tcp6 };
            let rest = "0A 00000000:00000000 00:00000000 00000000    33        0";
            let port = address.port();
            let zero = "0".repeat(if address.is_ipv4() { 8 } else { 32 });
            let _ = writeln!(
                table,
                "   0: {}:{port:04X} {zero}:0000 {rest} {inode} 1 0000000000000000 100 0 0 10 0",
                hexadecimal(address.ip())
            );
        }
        for place in waiting {
            let path = place.strip_prefix("unix:").unwrap();
            let _ =
                writeln!(unix, "0000000000000000: 00000002 00000000 00000000 0001 02     0 {path}");
        }
        host.file(format!("/proc/{pid}/net/unix"), unix);
        host.file(format!("/proc/{pid}/net/tcp"), tcp);
        host.file(format!("/proc/{pid}/net/tcp6"), tcp6);
    }
}

fn zeros(words: &[String]) -> Vec<u8> {
    words.iter().flat_map(|word| word.bytes().chain([0])).collect()
}

fn hexadecimal(ip: IpAddr) -> String {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks(4).map(|word| {
        let word: [u8; 4] = word.try_into().unwrap();
        format!("{:08X}", u32::from_ne_bytes(word))
    });
    words.collect()
}
