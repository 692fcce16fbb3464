//! The files from which a module takes variables besides the environment: what `load_dotenv()` and
//! `read_env()` load, where python-decouple looks, and `env_file` of pydantic-settings.

use std::path::Path;

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef};

use super::super::evaluate::{ConfigValue, Surroundings, Walkthrough, with_variables};
use super::super::opened::Resolve;
use super::super::{Module, walk};
use super::{Meaning, Reader, Scan, keyword, literal};
use crate::source::{Lookup, Span};

/// One place where a module names such files, or leaves it to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFiles {
    /// Who alone gets the variables; `None` if they are put into the environment, for everybody.
    pub reader: Option<Reader>,
    /// The call, or the value.
    pub span: Span,
    /// The files; `None` if they are not known.
    pub files: Option<Vec<NamedFile>>,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedFile {
    /// Of this name, in a directory above the module's own or the working directory, or in it.
    Above(&'static str),
    /// This path.
    At(String),
}

impl Module {
    /// All of them.
    pub fn environment_files(
        &self,
        working_directory: Option<&Path>,
        resolve: &Resolve<'_>,
    ) -> Vec<EnvironmentFiles> {
        let scan = self.scan();
        let variable = |_: &str| Lookup::Unknown("variables are not looked up for it".into());
        let surroundings = Surroundings {
            working_directory: working_directory.map(Path::to_path_buf),
            resolve: &|path| resolve(path),
            ..with_variables(&variable)
        };
        let mut code = Walkthrough::new(self, &surroundings);
        for statement in self.statements() {
            code.run(statement);
        }
        let mut reading = FilesReading { scan: &scan, code, working_directory, found: Vec::new() };
        walk::statements(self.statements(), walk::Place::default(), &mut |statement, _| {
            if let Stmt::ClassDef(class) = statement {
                reading.class(class);
            }
            walk::evaluated(statement, &mut |one| {
                if let Expr::Call(call) = one {
                    reading.call(call, one);
                }
            });
        });
        reading.found
    }
}

struct FilesReading<'r, 'a> {
    scan: &'r Scan<'a>,
    code: Walkthrough<'a>,
    working_directory: Option<&'r Path>,
    found: Vec<EnvironmentFiles>,
}

impl<'a> FilesReading<'_, 'a> {
    fn call(&mut self, call: &'a ExprCall, whole: &'a Expr) {
        let span = self.scan.span(whole);
        let (reader, files) = match self.scan.meaning(&call.func) {
            Some(Meaning::LoadDotenv) => (None, self.loaded(call, "dotenv_path", true)),
            Some(Meaning::DecoupleConfig) => {
                // One that is made by hand looks where it is told.
                let made = self.scan.names.values().any(|one| *one == Meaning::DecoupleClass);
                let files = [NamedFile::Above("settings.ini"), NamedFile::Above(".env")];
                (Some(Reader::Decouple), (!made).then(|| files.to_vec()))
            }
            _ => {
                let Expr::Attribute(method) = &*call.func else { return };
                let of = self.scan.meaning(&method.value);
                let reads = matches!(of, Some(Meaning::EnvironsObject | Meaning::EnvironsClass));
                if !reads || method.attr.as_str() != "read_env" {
                    return;
                }
                (None, self.loaded(call, "path", false))
            }
        };
        self.found.push(EnvironmentFiles { reader, span, files });
    }

    /// What a call loads: the file that it names, else the `.env` that it looks for.
    fn loaded(
        &mut self,
        call: &'a ExprCall,
        name: &str,
        from_here: bool,
    ) -> Option<Vec<NamedFile>> {
        let arguments = &call.arguments;
        let streams = ["stream", "env_file"].iter().any(|one| keyword(arguments, one).is_some());
        if streams || arguments.keywords.iter().any(|keyword| keyword.arg.is_none()) {
            return None;
        }
        let named = arguments.args.first().or_else(|| keyword(arguments, name));
        let searched = match named {
            None | Some(Expr::NoneLiteral(_)) => true,
            Some(Expr::Call(inner)) => {
                let finds = walk::dotted(&inner.func).and_then(|names| names.last().copied());
                finds == Some("find_dotenv")
                    && inner.arguments.args.is_empty()
                    && keyword(&inner.arguments, "filename").is_none()
            }
            Some(_) => false,
        };
        match named {
            _ if searched => Some(vec![NamedFile::Above(".env")]),
            Some(named) => {
                let path = self.code.path(named)?;
                Some(vec![NamedFile::At(self.absolute(&path, from_here)?)])
            }
            None => None,
        }
    }

    fn absolute(&self, path: &str, from_here: bool) -> Option<String> {
        match path.starts_with('/') {
            true => Some(path.to_owned()),
            false if from_here && !path.starts_with('~') => {
                Some(self.working_directory?.join(path).to_str()?.to_owned())
            }
            false => None,
        }
    }

    /// `env_file` of a class of pydantic-settings.
    fn class(&mut self, class: &'a StmtClassDef) {
        if !self.scan.is_settings(class) {
            return;
        }
        for statement in &class.body {
            let Some(named) = env_file(statement) else { continue };
            let span = self.scan.span(named);
            let files = self.code.shown(named).and_then(|value| {
                let items = match value {
                    ConfigValue::None => return Some(Vec::new()),
                    ConfigValue::List(items) => items,
                    one => vec![one],
                };
                let mut files = Vec::new();
                for item in items {
                    let (ConfigValue::Str(path) | ConfigValue::Path(path)) = item else {
                        return None;
                    };
                    files.push(NamedFile::At(self.absolute(&path, true)?));
                }
                Some(files)
            });
            self.found.push(EnvironmentFiles { reader: Some(Reader::Pydantic), span, files });
        }
    }
}

/// `model_config = SettingsConfigDict(env_file=".env")`, `class Config: env_file = ".env"`.
fn env_file(statement: &Stmt) -> Option<&Expr> {
    const NAME: &str = "env_file";
    match statement {
        Stmt::ClassDef(inner) if inner.name.as_str() == "Config" => {
            inner.body.iter().find_map(|statement| match statement {
                Stmt::Assign(node) => match node.targets.as_slice() {
                    [Expr::Name(name)] if name.id.as_str() == NAME => Some(&*node.value),
                    _ => None,
                },
                _ => None,
            })
        }
        Stmt::Assign(node) => match (node.targets.as_slice(), &*node.value) {
            ([Expr::Name(name)], Expr::Call(call)) if name.id.as_str() == "model_config" => {
                keyword(&call.arguments, NAME)
            }
            ([Expr::Name(name)], Expr::Dict(dict)) if name.id.as_str() == "model_config" => {
                let mut items = dict.items.iter();
                let item = items.find(|item| item.key.as_ref().and_then(literal) == Some(NAME));
                item.map(|item| &item.value)
            }
            _ => None,
        },
        _ => None,
    }
}
