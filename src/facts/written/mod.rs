//! Where, and in which form, the text is written that decides gunicorn's settings and the
//! application's environment: this is what a fix changes. How a new value must be spelt there is
//! decided only in `src/fix/`.

mod find;
pub mod nginx;
mod setting;
mod socket;
mod spelling;
mod variables;

pub use setting::{Side, Site};
pub use spelling::{Quote, Spelling, Syntax, Within, is_plain};
pub use variables::Writings;

use super::gunicorn::Layer;
use super::{App, Why};
use crate::source::{FileId, SourceFile, Span, Text};
use spelling::unquoted;

impl App {
    /// The bytes of a range of the files that decide how gunicorn is run.
    pub(super) fn written(&self, span: Span) -> Option<&[u8]> {
        if let Some(file) = self.file_of(span) {
            return Some(file.slice(span));
        }
        let scripts: &[Text] = self.gunicorn.launch.ok().map_or(&[], |launch| &launch.scripts);
        let script = scripts.iter().find(|script| script.file() == span.file)?;
        script.as_str().as_bytes().get(span.start as usize..span.end as usize)
    }

    /// A file of its units, of nginx, of its environment, of gunicorn's configuration, or the
    /// script that starts gunicorn.
    fn source_file(&self, id: FileId) -> Option<&SourceFile> {
        let sockets = self.service.sockets.iter().flat_map(|unit| unit.files());
        let units = self.service.unit.files().chain(sockets).map(|file| &*file.file);
        let trees = self.nginx.model.ok().into_iter().flat_map(|model| &model.config.trees);
        let environment = self.environment.read_files().map(|read| &*read.source);
        let config = self.gunicorn.config.ok().and_then(Option::as_ref);
        let config = config.and_then(|config| config.file.as_deref());
        let started = self.gunicorn.started_in.as_deref();
        let trees = trees.map(|tree| &*tree.file);
        let mut all = units.chain(environment).chain(config).chain(started).chain(trees);
        all.find(|file| file.id == id)
    }

    fn file_of(&self, span: Span) -> Option<&SourceFile> {
        self.source_file(span.file)
    }

    fn with_writings<T>(&self, ask: impl FnOnce(&Writings) -> T) -> T {
        let config = self.gunicorn.config.ok().and_then(Option::as_ref);
        ask(&Writings {
            unit: &self.service.unit,
            environment: &self.environment,
            launch: self.gunicorn.launch.ok(),
            config: config.and_then(|config| config.file.as_ref()).map(|file| file.id),
            bytes: &|span| self.written(span).map(<[u8]>::to_vec),
        })
    }

    /// How the value of a variable is written as the application sees it: gunicorn's `raw_env`
    /// comes before all.
    pub fn variable_site(&self, name: &str) -> Result<Spelling, Why> {
        let settings = &self.gunicorn.settings;
        let raw = settings.raw_env();
        let list = raw.get()?.iter().rev().find(|(set, _)| set == name);
        let Some((_, value)) = list else {
            let own = &self.gunicorn.own_environment;
            let changed = own.variables.contains_key(name) || own.changes.is_some();
            return match changed {
                true => Err(Why::depends(format!("gunicorn's configuration file sets {name}"))),
                false => self.with_writings(|writings| writings.variable(name)),
            };
        };
        let start = format!("{name}=");
        let mut statements = settings.statements("raw_env").iter().rev();
        let statement = statements.find(|statement| {
            let word = self.written(statement.value).unwrap_or_default();
            unquoted(statement.value, word).1.starts_with(start.as_bytes())
        });
        self.with_writings(|writings| match (settings.layer("raw_env"), statement) {
            (Some(Layer::CommandLine), Some(statement)) => {
                writings.assigned(name, value, statement.value)
            }
            (Some(Layer::CmdArgs), Some(statement)) => {
                let found = writings.assigned(name, value, statement.value)?;
                let within = statement.variable.map(Within::from);
                Ok(Spelling { syntax: Syntax::Words, within, ..found })
            }
            (Some(Layer::ConfigFile), _) => {
                let list = raw.span().ok_or_else(|| Why::not_there("the list is not in a file"))?;
                writings.item_of_list(name, value, list)
            }
            _ => Err(Why::not_understood(format!("it is not known where {name} is written"))),
        })
    }
}
