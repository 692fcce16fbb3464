//! The modules of Python's standard library: a module that is not installed may be one of them, and
//! an application with such a name is not missing.
//!
//! The tables are written by `tests/python_support/standard_library.py` (2026-11-28), from
//! `sys.stdlib_module_names` of Python 3.9 to 3.14.

use crate::source::python::PythonVersion;

/// The newest minor version of Python 3 that the tables know.
const NEWEST: u8 = 14;

/// Is it a module of this Python's own library, or of any where that is not known? `module` is a
/// name without dots.
pub(in super::super) fn has(module: &str, version: Option<PythonVersion>) -> bool {
    if ALWAYS.binary_search(&module).is_ok() {
        return true;
    }
    let Ok(at) = CHANGED.binary_search_by(|(name, ..)| (*name).cmp(module)) else { return false };
    let Some(&(_, first, last)) = CHANGED.get(at) else { return false };
    match version {
        Some(version) => {
            let minor = version.minor.min(NEWEST);
            first <= minor && minor <= last
        }
        None => true,
    }
}

/// Do the tables cover this version? A newer one may have modules that they lack.
pub(super) fn covers(version: Option<PythonVersion>) -> bool {
    version.is_some_and(|version| version.major == 3 && version.minor <= NEWEST)
}

/// The last minor version of Python 3 that had the module, where newer ones have it no more.
pub(super) fn last_version(module: &str) -> Option<u8> {
    let at = CHANGED.binary_search_by(|(name, ..)| (*name).cmp(module)).ok()?;
    CHANGED.get(at).map(|(_, _, last)| *last).filter(|last| *last < NEWEST)
}

#[rustfmt::skip]
const ALWAYS: &[&str] = &[
    "__future__", "_abc", "_aix_support", "_android_support", "_apple_support", "_ast",
    "_ast_unparse", "_asyncio", "_bisect", "_blake2", "_bootlocale", "_bootsubprocess", "_bz2",
    "_codecs", "_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr",
    "_codecs_tw", "_collections", "_collections_abc", "_colorize", "_compat_pickle",
    "_compression", "_contextvars", "_crypt", "_csv", "_ctypes", "_curses", "_curses_panel",
    "_datetime", "_dbm", "_decimal", "_elementtree", "_frozen_importlib",
    "_frozen_importlib_external", "_functools", "_gdbm", "_hashlib", "_heapq", "_hmac", "_imp",
    "_interpchannels", "_interpqueues", "_interpreters", "_io", "_ios_support", "_json", "_locale",
    "_lsprof", "_lzma", "_markupbase", "_md5", "_msi", "_multibytecodec", "_multiprocessing",
    "_opcode", "_opcode_metadata", "_operator", "_osx_support", "_overlapped", "_peg_parser",
    "_pickle", "_posixshmem", "_posixsubprocess", "_py_abc", "_py_warnings", "_pydatetime",
    "_pydecimal", "_pyio", "_pylong", "_pyrepl", "_queue", "_random", "_remote_debugging",
    "_scproxy", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_signal", "_sitebuiltins",
    "_socket", "_sqlite3", "_sre", "_ssl", "_stat", "_statistics", "_string", "_strptime",
    "_struct", "_suggestions", "_symtable", "_sysconfig", "_thread", "_threading_local",
    "_tkinter", "_tokenize", "_tracemalloc", "_types", "_typing", "_uuid", "_warnings", "_weakref",
    "_weakrefset", "_winapi", "_wmi", "_zoneinfo", "_zstd", "abc", "antigravity", "argparse",
    "array", "ast", "asyncio", "atexit", "base64", "bdb", "binascii", "bisect", "builtins", "bz2",
    "cProfile", "calendar", "cmath", "cmd", "code", "codecs", "codeop", "collections", "colorsys",
    "compileall", "concurrent", "configparser", "contextlib", "contextvars", "copy", "copyreg",
    "csv", "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal", "difflib", "dis",
    "doctest", "email", "encodings", "ensurepip", "enum", "errno", "faulthandler", "fcntl",
    "filecmp", "fileinput", "fnmatch", "fractions", "ftplib", "functools", "gc", "genericpath",
    "getopt", "getpass", "gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac",
    "html", "http", "idlelib", "imaplib", "importlib", "inspect", "io", "ipaddress", "itertools",
    "json", "keyword", "linecache", "locale", "logging", "lzma", "mailbox", "marshal", "math",
    "mimetypes", "mmap", "modulefinder", "msvcrt", "multiprocessing", "netrc", "nt", "ntpath",
    "nturl2path", "numbers", "opcode", "operator", "optparse", "os", "pathlib", "pdb", "pickle",
    "pickletools", "pkgutil", "platform", "plistlib", "poplib", "posix", "posixpath", "pprint",
    "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat",
    "queue", "quopri", "random", "re", "readline", "reprlib", "resource", "rlcompleter", "runpy",
    "sched", "secrets", "select", "selectors", "shelve", "shlex", "shutil", "signal", "site",
    "smtplib", "socket", "socketserver", "sqlite3", "sre_compile", "sre_constants", "sre_parse",
    "ssl", "stat", "statistics", "string", "stringprep", "struct", "subprocess", "symtable", "sys",
    "sysconfig", "syslog", "tabnanny", "tarfile", "tempfile", "termios", "test", "textwrap",
    "this", "threading", "time", "timeit", "tkinter", "token", "tokenize", "trace", "traceback",
    "tracemalloc", "tty", "turtle", "turtledemo", "types", "typing", "unicodedata", "unittest",
    "urllib", "uuid", "venv", "warnings", "wave", "weakref", "webbrowser", "winreg", "winsound",
    "wsgiref", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
];

/// Modules that came or went: the first and the last minor version of Python 3 that has each.
#[rustfmt::skip]
const CHANGED: &[(&str, u8, u8)] = &[
    ("aifc", 9, 12),
    ("annotationlib", 14, 14),
    ("asynchat", 9, 11),
    ("asyncore", 9, 11),
    ("audioop", 9, 12),
    ("binhex", 9, 10),
    ("cgi", 9, 12),
    ("cgitb", 9, 12),
    ("chunk", 9, 12),
    ("compression", 14, 14),
    ("crypt", 9, 12),
    ("distutils", 9, 11),
    ("formatter", 9, 9),
    ("imghdr", 9, 12),
    ("imp", 9, 11),
    ("lib2to3", 9, 12),
    ("mailcap", 9, 12),
    ("msilib", 9, 12),
    ("nis", 9, 12),
    ("nntplib", 9, 12),
    ("ossaudiodev", 9, 12),
    ("parser", 9, 9),
    ("pipes", 9, 12),
    ("smtpd", 9, 11),
    ("sndhdr", 9, 12),
    ("spwd", 9, 12),
    ("sunau", 9, 12),
    ("symbol", 9, 9),
    ("telnetlib", 9, 12),
    ("tomllib", 11, 14),
    ("uu", 9, 12),
    ("xdrlib", 9, 12),
    ("xxsubtype", 9, 10),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_sorted() {
        assert!(ALWAYS.is_sorted() && CHANGED.is_sorted());
        assert!(has("site", None) && has("code", None) && !has("wsgi", None));
    }

    #[test]
    fn what_went_is_missing_from_then_on() {
        let python = |minor| Some(PythonVersion::new(3, minor));
        assert!(has("imp", python(11)) && !has("imp", python(12)) && has("imp", None));
        assert!(!has("tomllib", python(10)) && has("tomllib", python(11)));
        assert!(
            !has("cgi", python(14)) && !has("cgi", python(15)) && has("compression", python(15))
        );
        assert_eq!((last_version("cgi"), last_version("json")), (Some(12), None));
        assert!(covers(python(14)) && !covers(python(15)) && !covers(None));
    }
}
