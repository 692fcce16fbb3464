//! Python files: syntax by version, bytes, nesting, names, imports, variables.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write;

use deploy_doctor::source::gunicorn::{ApplicationName, ApplicationObject};
use deploy_doctor::source::python::environ::Need;
use deploy_doctor::source::python::evaluate::{FileText, Surroundings, TakenModule, evaluate};
use deploy_doctor::source::python::imports::ImportPlace;
use deploy_doctor::source::python::names::DefinitionKind;
use deploy_doctor::source::python::{
    Binding, ConfigFile, ConfigValue, Module, PythonVersion, parse,
};
use deploy_doctor::source::{FileId, Lookup, Secret, SourceFile};

fn file(bytes: &[u8]) -> SourceFile {
    SourceFile::new(FileId(0), "/srv/app/app.py", bytes)
}

fn module(text: &str) -> Module {
    parse(&file(text.as_bytes()), PythonVersion::new(3, 11))
}

fn refused(bytes: &[u8], minor: u8) -> bool {
    let module = parse(&file(bytes), PythonVersion::new(3, minor));
    assert_eq!(module.not_judged(), None);
    !module.faults().is_empty()
}

#[test]
fn syntax_is_judged_by_the_version() {
    for (text, from) in [
        ("match x:\n    case 1:\n        pass\n", 10),
        ("try:\n    pass\nexcept* ValueError:\n    pass\n", 11),
        ("def f[T](x: T): ...\n", 12),
        ("type X = int\n", 12),
        ("x = f'{'a'}'\n", 12),
        ("if (y := 1): pass\n", 8),
        ("with (open('a') as a, open('b') as b): pass\n", 9),
    ] {
        assert!(!refused(text.as_bytes(), from), "{text} at 3.{from}");
        assert!(refused(text.as_bytes(), from - 1), "{text} before 3.{from}");
    }
    let broken = module("x = 1\ndef f(:\n    pass\n");
    assert_eq!(broken.faults()[0].span.start, 12);
    assert!(matches!(broken.names().binding("x"), Binding::Unknown(_)));
}

#[test]
fn bytes_are_decoded_as_python_does() {
    assert!(!refused(b"\xef\xbb\xbfx = 1\n", 11));
    assert!(!refused("# -*- coding: utf-8 -*-\nx = 'ü'\n".as_bytes(), 11));
    assert!(!refused(b"# coding: latin-1\nx = '\xfc'\n", 11));
    assert!(!refused(
        b"#!/usr/bin/python\n# vim: set fileencoding=iso-8859-15 :\nx = '\xfc'\n",
        11
    ));
    assert!(refused(b"x = '\xfc'\n", 11));
    assert!(refused(b"x = 1\ny = 2\n# coding: latin-1\nx = '\xfc'\n", 11), "third line: too late");
    assert!(refused(b"x = 1\0\n", 11));
    assert!(refused(b"# coding: ascii\nx = '\xfc'\n", 11));
    assert!(refused(b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", 11));
    let unknown = parse(&file(b"# coding: koi8-r\nx = '\xfc'\n"), PythonVersion::new(3, 11));
    assert!(unknown.not_judged().unwrap().contains("koi8-r"));
    let spans =
        parse(&file(b"# coding: latin-1\nx = '\xfc\xfc'\ndef (:\n"), PythonVersion::new(3, 11));
    assert_eq!(spans.faults()[0].span.start, 31);
}

#[test]
fn hostile_nesting_ends_in_words_and_not_in_a_crash() {
    let sum = format!("x = 1{}\n", " + 1".repeat(200_000));
    assert!(module(&sum).not_judged().unwrap().contains("deep"));
    let parens = format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    assert!(module(&parens).unusable().is_some());
    for piece in ["not ", "-", "lambda: ", "a if b else ", "await "] {
        let text = format!("x = {}1\n", piece.repeat(100_000));
        assert!(module(&text).unusable().is_some(), "{piece}");
    }
    let mut blocks = String::new();
    for depth in 0..200 {
        let _ = writeln!(blocks, "{}if x:", " ".repeat(depth));
    }
    assert!(module(&blocks).unusable().is_some());
    assert!(module(&format!("x = {}\n", "a.".repeat(50_000))).unusable().is_some());
    // Long, but flat: nothing is wrong with these.
    let list = format!("x = [{}]\n", "1 + 2, ".repeat(50_000));
    assert_eq!(module(&list).unusable(), None);
    let text = format!("x = ({})\n", "'a'\n".repeat(5_000));
    assert_eq!(module(&text).unusable(), None);
    assert!(module(&"x = 1\n".repeat(1 << 20)).not_judged().unwrap().contains("larger"));
    // As deep as is let through: every reader of it must survive on a small stack.
    let deep = format!("x = {}1\nimport os\nos.environ['A']\n", "1 + ".repeat(550));
    let deep = module(&deep);
    assert_eq!(deep.unusable(), None);
    assert_eq!(deep.environment().variables.len(), 1);
    assert!(matches!(config(&deep).get("x").unwrap().value(), ConfigValue::Unknown(_)));
}

#[test]
fn names_are_joined_over_branches() {
    let text = "\
import a.b, c as d
from e import f as g
def function(x, y=1): pass
class Class: inner = 1
one, (two, *three) = 1, (2, 3)
if x:
    both = 1
    some = 1
else:
    both = 2
try:
    from fast import loads
except ImportError:
    loads = None
try:
    tried = 1
except ValueError:
    raise
if __name__ == '__main__':
    app = 1
gone = 1
del gone
annotated: int
for loop in []: pass
def setter():
    global late
    late = 1
nothing = None
";
    let module = module(text);
    assert_eq!(module.faults(), []);
    let names = module.names();
    for name in
        ["a", "d", "g", "function", "Class", "one", "two", "three", "both", "loads", "tried"]
    {
        assert!(matches!(names.binding(name), Binding::Defined(_)), "{name}");
    }
    for name in ["some", "loop", "late"] {
        assert!(matches!(names.binding(name), Binding::MaybeDefined(_)), "{name}");
    }
    for name in ["app", "gone", "annotated", "inner", "c", "e", "f", "b", "application"] {
        assert_eq!(names.binding(name), Binding::NotDefined, "{name}");
    }
    assert_eq!(
        names.kind("function"),
        Some(DefinitionKind::Function { required: 1, most: Some(2), is_async: false })
    );
    let Binding::Defined(function) = names.binding("function") else { unreachable!() };
    assert!(module.gives_nothing(function));
    assert_eq!(names.kind("nothing"), Some(DefinitionKind::None));
}

#[test]
fn what_is_out_of_sight_is_unknown_and_not_missing() {
    for text in [
        "from config import *\n",
        "def __getattr__(name): ...\n",
        "globals()['app'] = 1\n",
        "globals().update(x)\n",
        "exec(open('x').read())\n",
        "if x:\n    from y import *\n",
        "import sys\nsys.modules[__name__] = x\n",
    ] {
        assert!(matches!(module(text).names().binding("app"), Binding::Unknown(_)), "{text}");
        let with = format!("{text}app = 1\n");
        assert!(matches!(module(&with).names().binding("app"), Binding::Defined(_)), "{with}");
    }
    let init = SourceFile::new(FileId(0), "/srv/app/__init__.py", "from .wsgi import x\n");
    let init = parse(&init, PythonVersion::new(3, 11));
    assert!(matches!(init.names().binding("wsgi"), Binding::MaybeDefined(_)));
}

#[test]
fn imports_say_when_they_run() {
    let text = "import a\nif x:\n    import b\ntry:\n    import c\nexcept ImportError:\n    import d\ndef f():\n    from . import e\nfrom ..p.q import r, s\nfrom z import *\n";
    let imports = module(text).imports(Some(PythonVersion::new(3, 11)));
    let found: Vec<(&str, ImportPlace)> =
        imports.iter().map(|i| (i.module.as_str(), i.place)).collect();
    assert_eq!(
        found,
        [
            ("a", ImportPlace::TopLevel),
            ("b", ImportPlace::Conditional),
            ("c", ImportPlace::Caught),
            ("d", ImportPlace::Conditional),
            ("", ImportPlace::Later),
            ("p.q", ImportPlace::TopLevel),
            ("z", ImportPlace::TopLevel),
        ]
    );
    assert_eq!(imports[5].absolute("x.y.z").as_deref(), Some("x.y.p.q"));
    assert_eq!(imports[5].absolute("x"), None);
    assert!(imports[6].star);
}

#[test]
fn variables_are_required_only_where_import_fails_without_them() {
    let text = "\
import os, os as o
from os import environ, getenv as ge
from decouple import config
from environs import Env
env = Env()
A = os.environ['A']
B = os.environ.get('B')
C = os.getenv('C', 'x')
D = environ['D']
E = ge('E')
if A:
    F = o.environ['F']
try:
    G = os.environ['G']
except KeyError:
    G = None
def f():
    return os.environ['H']
I = config('I', cast=int)
J = config('J', default=1)
K = env.int('K')
L = env('L', None)
M = os.environ[A]
N = B or os.environ['N']
os.environ['SET'] = 'x'
class Config:
    O = os.environ['O']
P = [os.environ['P'], f\"{os.environ['Q']}\"]
R = lambda: os.environ['R']
load_dotenv()
";
    let found = module(text).environment();
    let need = |name: &str| found.variables.iter().find(|v| v.name == name).map(|v| v.need);
    for name in ["A", "D", "I", "K", "O", "P", "Q"] {
        assert_eq!(need(name), Some(Need::Required), "{name}");
    }
    for name in ["F", "G", "N"] {
        assert_eq!(need(name), Some(Need::Conditional), "{name}");
    }
    assert_eq!(need("H"), Some(Need::InFunction));
    assert_eq!(need("B"), Some(Need::Optional { default: false }));
    assert_eq!(need("C"), Some(Need::Optional { default: true }));
    assert_eq!(need("J"), Some(Need::Optional { default: true }));
    assert_eq!(need("L"), Some(Need::Optional { default: true }));
    assert_eq!(need("R"), None);
    assert_eq!(found.computed.len(), 1);
    assert!(found.sets.contains("SET"));
    assert_eq!(need("SET"), None);
    assert!(found.loads_file.is_empty(), "a load_dotenv of one's own is not python-dotenv's");
    let dotenv = module("from dotenv import load_dotenv\nload_dotenv()\n").environment();
    assert_eq!(dotenv.loads_file.len(), 1);
}

#[test]
fn pydantic_fields_are_variables() {
    let text = "\
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix='APP_')
    secret_key: str
    debug: bool = False
    url: str = Field(..., validation_alias='DATABASE_URL')
    port: int = Field(default=1)
settings = Settings()
class Unused(BaseSettings):
    other: str
";
    let found = module(text).environment();
    let found: Vec<(&str, Need)> =
        found.variables.iter().map(|v| (v.name.as_str(), v.need)).collect();
    assert_eq!(
        found,
        [
            ("APP_SECRET_KEY", Need::Required),
            ("APP_DEBUG", Need::Optional { default: true }),
            ("DATABASE_URL", Need::Required),
            ("APP_PORT", Need::Optional { default: true }),
            ("OTHER", Need::Conditional),
        ]
    );
}

fn config(module: &Module) -> ConfigFile {
    evaluate(
        module,
        &Surroundings {
            file: None,
            variable: &|name| match name {
                "SECRET" => Lookup::Set(Secret::new("hunter2")),
                "UNKNOWN" => Lookup::Unknown("not read".into()),
                _ => Lookup::Unset,
            },
            cpu_count: None,
            working_directory: None,
            resolve: &|_| None,
            read: &|_| FileText::Missing,
            imported: &|_| Some(Vec::new()),
            taken: &|_| TakenModule::Unknown,
        },
    )
}

#[test]
fn what_is_not_sure_is_unknown() {
    for text in [
        "import multiprocessing\nx = multiprocessing.cpu_count()\n",
        "import os\nx = os.environ['UNKNOWN']\n",
        "from pathlib import Path\nx = str(Path(__file__).resolve())\n",
        "from settings import other\nx = 1 if False else other.thing\n",
        "from settings import flag\nx = 1\nif flag:\n    x = 2\n",
        "x = 1\nfor i in [1]:\n    x = 2\n",
        "x = 1\nwith open('f') as f:\n    x = f.read()\n",
        "x = 1\nfrom other import *\n",
        "x = 1\nexec('x = 2')\n",
        "x = 1\nglobals()['x'] = 2\n",
        "x = 1\ndef f():\n    global x\n    x = 2\nf()\n",
        "from m import f\nx = ['a']\nf(x)\n",
        "x = ['a']\ny = x\ny.append('b')\n",
        "x = 10 ** 100\n",
        "x = 9223372036854775807 + 1\n",
        "x = 'a' * 10 ** 9\n",
        "x = '%.3f' % 1.0\n",
    ] {
        let config = config(&module(text));
        let value = config.get("x").map(|a| a.value().clone());
        assert!(matches!(value, Some(ConfigValue::Unknown(_)) | None), "{text}: {config:?}");
        assert!(config.raises.is_none(), "{text}: {config:?}");
    }
    let open = config(&module("from other import *\nx = 1\n"));
    assert!(open.open.is_some());
    assert!(matches!(open.get("x").unwrap().value(), ConfigValue::Int(1)), "set afterwards");
}

#[test]
fn secrets_do_not_show() {
    let config =
        config(&module("import os\nx = 'a' + os.environ['SECRET']\ny = [x]\nz = f'{x}'\nn = 1\n"));
    for name in ["x", "y", "z"] {
        assert!(config.get(name).unwrap().secret, "{name}");
    }
    assert!(!config.get("n").unwrap().secret);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(matches!(config.get("x").unwrap().value(), ConfigValue::Str(x) if x == "ahunter2"));
}

#[test]
fn a_file_that_raises_says_so() {
    for (text, kind) in [
        ("import os\nx = os.environ['NOT_SET']\n", "KeyError"),
        ("x = int('abc')\n", "ValueError"),
        ("x = 1 / 0\n", "ZeroDivisionError"),
        ("x = no_such_name\n", "NameError"),
        ("import sys\nsys.exit(1)\n", "SystemExit"),
        ("raise RuntimeError('x')\n", "Exception"),
    ] {
        let raises = config(&module(text)).raises.unwrap();
        assert!(raises.message.starts_with(kind), "{text}: {raises:?}");
    }
}

#[test]
fn a_file_that_may_be_fine_does_not_raise() {
    for text in [
        "try:\n    x = int('a')\nexcept ValueError as e:\n    print(e)\n    x = 1\n",
        "from m import y\nif y and (z := y()):\n    pass\nx = z\n",
        "a = [w := 1 for _ in [1]]\nx = w\n",
        "x = [i for i in range(3)]\n",
        "x = lambda: undefined\n",
        "def f():\n    return undefined\nx = f\n",
        "x = issubclass(int, str)\n",
        "from m import *\nx = whatever\n",
        "def f():\n    global g\n    g = 1\nf()\nx = g\n",
    ] {
        let config = config(&module(text));
        assert!(config.raises.is_none(), "{text}: {config:?}");
        assert!(config.get("x").is_some(), "{text}");
    }
}

#[test]
fn a_hostile_configuration_costs_little() {
    let mut text = "x0 = ['a' * 60000]\n".to_owned();
    for n in 1..2000 {
        let _ = writeln!(text, "x{n} = [x{}, x{}]", n - 1, n - 1);
    }
    let started = std::time::Instant::now();
    let config = config(&module(&text));
    assert!(matches!(config.get("x1999").unwrap().value(), ConfigValue::Unknown(_)));
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn application_names_are_read_as_gunicorn_does() {
    let name = |text: &str| ApplicationName::parse(text);
    assert_eq!(name("a.b").attribute(), Some("application"));
    assert_eq!(name("a.b:app").module, "a.b");
    assert_eq!(name("a:app").attribute(), Some("app"));
    let call = name("a:create_app('x', debug=True, n=-1)");
    assert_eq!(
        call.object,
        ApplicationObject::Call {
            name: "create_app".into(),
            positional: 1,
            keywords: vec!["debug".into(), "n".into()]
        }
    );
    for text in ["a:b.c", "a:b.c()", "a:f(g())", "a:1", "a:", "a:f(", "a:f(x)"] {
        assert!(matches!(name(text).object, ApplicationObject::Invalid(_)), "{text}");
    }
    let deep = format!("a:{}x{}", "f(".repeat(100_000), ")".repeat(100_000));
    assert!(matches!(name(&deep).object, ApplicationObject::Invalid(_)));
}
