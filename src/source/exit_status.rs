//! The meaning of a service's exit status (systemd.exec(5), "Process Exit Codes"; gunicorn's
//! `errors.py`).

/// Statuses from 200 on are systemd's own, for a step before the program could run. Each entry has
/// the number, the name, and what failed.
const SYSTEMD: [(u8, &str, &str); 43] = [
    (200, "CHDIR", "WorkingDirectory= cannot be entered"),
    (201, "NICE", "Nice= cannot be set"),
    (202, "FDS", "file descriptors cannot be passed on"),
    (203, "EXEC", "the program of the command line cannot be run"),
    (204, "MEMORY", "there is no memory left"),
    (205, "LIMITS", "a Limit…= cannot be set"),
    (206, "OOM_ADJUST", "OOMScoreAdjust= cannot be set"),
    (207, "SIGNAL_MASK", "the signal mask cannot be set"),
    (208, "STDIN", "the file of StandardInput= cannot be opened"),
    (209, "STDOUT", "the file of StandardOutput= cannot be opened"),
    (210, "CHROOT", "RootDirectory= cannot be entered"),
    (211, "IOPRIO", "IOScheduling…= cannot be set"),
    (212, "TIMERSLACK", "TimerSlackNSec= cannot be set"),
    (213, "SECUREBITS", "SecureBits= cannot be set"),
    (214, "SETSCHEDULER", "CPUScheduling…= cannot be set"),
    (215, "CPUAFFINITY", "CPUAffinity= cannot be set"),
    (216, "GROUP", "the group of Group= or User= does not exist"),
    (217, "USER", "the user of User= does not exist"),
    (218, "CAPABILITIES", "capabilities cannot be set"),
    (219, "CGROUP", "the control group cannot be made"),
    (220, "SETSID", "a session cannot be made"),
    (222, "STDERR", "the file of StandardError= cannot be opened"),
    (224, "PAM", "PAMName= refuses the session"),
    (225, "NETWORK", "PrivateNetwork= cannot be set up"),
    (
        226,
        "NAMESPACE",
        "a path of ReadWritePaths=, BindPaths= or another of the sandbox does not exist",
    ),
    (227, "NO_NEW_PRIVILEGES", "NoNewPrivileges= cannot be set"),
    (228, "SECCOMP", "SystemCallFilter= cannot be set"),
    (229, "SELINUX_CONTEXT", "SELinuxContext= cannot be set"),
    (230, "PERSONALITY", "Personality= cannot be set"),
    (231, "APPARMOR", "AppArmorProfile= cannot be set"),
    (232, "ADDRESS_FAMILIES", "RestrictAddressFamilies= cannot be set"),
    (233, "RUNTIME_DIRECTORY", "RuntimeDirectory= cannot be made"),
    (235, "CHOWN", "the owner of a socket cannot be set"),
    (236, "SMACK_PROCESS_LABEL", "SmackProcessLabel= cannot be set"),
    (237, "KEYRING", "KeyringMode= cannot be set up"),
    (238, "STATE_DIRECTORY", "StateDirectory= cannot be made"),
    (239, "CACHE_DIRECTORY", "CacheDirectory= cannot be made"),
    (240, "LOGS_DIRECTORY", "LogsDirectory= cannot be made"),
    (241, "CONFIGURATION_DIRECTORY", "ConfigurationDirectory= cannot be made"),
    (242, "NUMA_POLICY", "NUMAPolicy= cannot be set"),
    (243, "CREDENTIALS", "LoadCredential= or SetCredential= cannot be set up"),
    (244, "BPF", "the sandbox's filter cannot be set up"),
    (245, "KSM", "MemoryKSM= cannot be set"),
];

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited with this status.
    Status(u8),
    /// It was killed by this signal.
    Signal(u8),
}

impl Exit {
    /// Reads `ExecMainCode` (CLD_EXITED, CLD_KILLED, CLD_DUMPED of wait(2)) and `ExecMainStatus`.
    pub fn new(code: u64, status: u64) -> Option<Self> {
        let status = u8::try_from(status).ok()?;
        match code {
            1 => Some(Self::Status(status)),
            2 | 3 => Some(Self::Signal(status)),
            _ => None,
        }
    }

    /// Whether the process exited successfully.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Status(status) => match SYSTEMD.iter().find(|(number, ..)| *number == status) {
                Some((_, name, what)) => write!(f, "status {status}/{name}: {what}"),
                None => write!(f, "status {status}"),
            },
            Self::Signal(signal) => match signal {
                1 => f.write_str("signal HUP"),
                6 => f.write_str("signal ABRT"),
                9 => f.write_str("signal KILL"),
                11 => f.write_str("signal SEGV"),
                15 => f.write_str("signal TERM"),
                other => write!(f, "signal {other}"),
            },
        }
    }
}
