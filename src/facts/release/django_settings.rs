//! Settings of a Django project that decide whether it answers a request that nginx passes on.

use std::path::Path;

use super::super::environment::as_lookup;
use super::super::server::Gunicorn;
use super::super::{Environment, Known, Why};
use super::{Code, Resolution, SearchEntry};
use crate::source::Sources;
use crate::source::python::evaluate::{self, FileText, Surroundings};
use crate::source::python::{self, ConfigFile, ConfigValue, PythonVersion};

/// What a Django project makes of a request's headers.
#[derive(Debug)]
pub struct Django {
    /// `ALLOWED_HOSTS`.
    pub allowed_hosts: Known<Vec<String>>,
    /// `SECURE_SSL_REDIRECT`.
    pub ssl_redirect: Known<bool>,
    /// `USE_X_FORWARDED_HOST`.
    pub forwarded_host: Known<bool>,
    /// `DEBUG`.
    pub debug: Known<bool>,
}

/// The settings, where the application is Django's.
pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    environment: &Environment,
    search_path: &Known<Vec<SearchEntry>>,
    code: &Code,
) -> Option<Django> {
    let Resolution::File(path) = &code.application.ok()?.resolution else { return None };
    let file = sources.load(path).ok()?;
    let text = String::from_utf8_lossy(&file.bytes);
    if !text.contains("django") {
        return None;
    }
    let unknown = |why: &str| Django {
        allowed_hosts: Known::Unknown(Why::not_understood(why)),
        ssl_redirect: Known::Unknown(Why::not_understood(why)),
        forwarded_host: Known::Unknown(Why::not_understood(why)),
        debug: Known::Unknown(Why::not_understood(why)),
    };
    let named = match environment.seen_by_application(gunicorn, "DJANGO_SETTINGS_MODULE") {
        Ok(Some(variable)) => variable.value.expose_str().map(str::to_owned),
        Ok(None) => settings_module(&text).map(str::to_owned),
        Err(_) => None,
    };
    let Some(module) = named else { return Some(unknown("the settings module is not known")) };
    let Some(settings) = settings(sources, (gunicorn, environment), search_path, &module) else {
        return Some(unknown("the settings module was not read"));
    };
    let boolean = |name: &str, default: bool| match value(&settings, name) {
        Known::Value(ConfigValue::Bool(value), origin) => Known::Value(value, origin),
        Known::Default(..) | Known::Observed(..) => Known::Observed(default, "Django's default"),
        Known::Value(..) => Known::Unknown(Why::not_understood(format!("{name} is not known"))),
        Known::Unknown(why) => Known::Unknown(why),
    };
    Some(Django {
        allowed_hosts: match value(&settings, "ALLOWED_HOSTS") {
            Known::Value(value, origin) => match texts(&value) {
                Some(hosts) => Known::Value(hosts, origin),
                None => Known::Unknown(Why::not_understood("ALLOWED_HOSTS is not known")),
            },
            Known::Default(..) | Known::Observed(..) => {
                Known::Observed(Vec::new(), "Django's default")
            }
            Known::Unknown(why) => Known::Unknown(why),
        },
        ssl_redirect: boolean("SECURE_SSL_REDIRECT", false),
        forwarded_host: boolean("USE_X_FORWARDED_HOST", false),
        debug: boolean("DEBUG", false),
    })
}

/// `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")`: what stands in quotes
/// behind the name.
fn settings_module(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("DJANGO_SETTINGS_MODULE")?;
    let rest = rest.get(1..)?.trim_start().strip_prefix([',', ']'])?;
    let rest = rest.trim_start().trim_start_matches('=').trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (module, _) = rest.get(1..)?.split_once(quote)?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_');
    (!module.is_empty() && module.chars().all(plain)).then_some(module)
}

fn settings(
    sources: &Sources,
    (gunicorn, environment): (&Gunicorn, &Environment),
    search_path: &Known<Vec<SearchEntry>>,
    module: &str,
) -> Option<ConfigFile> {
    let inside = module.replace('.', "/");
    let found = search_path.ok()?.iter().find_map(|entry| {
        let base = entry.place.path.join(&inside);
        let candidates = [base.with_extension("py"), base.join("__init__.py")];
        candidates.iter().find_map(|path| sources.load(path).ok())
    })?;
    let variable = |name: &str| as_lookup(environment.seen_by_application(gunicorn, name));
    let resolve = |path: &Path| Some(sources.host().look(path).resolved);
    // What another module brings in by a star, or writes into this one's names, is not followed.
    let text = String::from_utf8_lossy(&found.bytes);
    if ["import *", "globals()", "locals()", "include("].iter().any(|way| text.contains(way)) {
        return None;
    }
    let module = python::parse(&found, PythonVersion::new(3, 13));
    let surroundings = Surroundings {
        variable: &variable,
        cpu_count: None,
        working_directory: None,
        resolve: &resolve,
        read: &|_| FileText::Unknown("files are not read for it".into()),
        imported: &|_| None,
    };
    Some(evaluate::evaluate(&module, &surroundings))
}

/// A setting; what a file that was not followed may set is not known.
fn value(settings: &ConfigFile, name: &str) -> Known<ConfigValue> {
    use super::super::Origin;
    if let Some(why) = &settings.unusable {
        return Known::Unknown(Why::not_understood(why.clone()));
    }
    if let Some(raises) = &settings.raises {
        return Known::Unknown(Why::not_understood(format!("{name}: {}", raises.message)));
    }
    if let Some((why, _)) = &settings.open {
        return Known::Unknown(Why::not_understood(why.as_str()).about(name));
    }
    match settings.values.iter().find(|line| line.name.value == name) {
        Some(line) => match line.value() {
            ConfigValue::Unknown(why) => {
                Known::Unknown(Why::not_understood(why.as_str()).about(name))
            }
            value => Known::Value(value.clone(), Origin::text(line.name.span)),
        },
        None => Known::Observed(ConfigValue::None, "the settings do not name it"),
    }
}

fn texts(value: &ConfigValue) -> Option<Vec<String>> {
    let ConfigValue::List(items) = value else { return None };
    items
        .iter()
        .map(|item| match item {
            ConfigValue::Str(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

impl Django {
    /// Does Django answer a request with this `Host` by 400, whatever it asks for
    /// (`HttpRequest.get_host()` and `validate_host()`)?
    pub fn refuses(&self, host: &str) -> Result<bool, super::super::Why> {
        if *self.forwarded_host.get()? {
            return Err(super::super::Why::depends("USE_X_FORWARDED_HOST is on"));
        }
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host.as_str(), ""),
        };
        let letters =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
        if !name.chars().all(letters) || !port.chars().all(|c| c.is_ascii_digit()) {
            return Ok(true);
        }
        let allowed = self.allowed_hosts.get()?;
        if allowed.is_empty() && *self.debug.get()? {
            let local = name == "localhost" || name.ends_with(".localhost");
            return Ok(!local && name != "127.0.0.1" && name != "[::1]");
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        Ok(!allowed.iter().any(|pattern| {
            let pattern = pattern.to_ascii_lowercase();
            pattern == "*"
                || pattern == name
                || pattern
                    .strip_prefix('.')
                    .is_some_and(|domain| name == domain || name.ends_with(&pattern))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::settings_module;

    #[test]
    fn the_settings_module_is_the_text_behind_its_variable() {
        for (text, module) in [
            ("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.settings')", Some("a.settings")),
            ("os.environ[\"DJANGO_SETTINGS_MODULE\"] = \"a\"", Some("a")),
            ("os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\",\n    \"a.b\"\n)", Some("a.b")),
            ("os.environ.setdefault('DJANGO_SETTINGS_MODULE', NAME)", None),
            ("os.environ['DJANGO_SETTINGS_MODULE'] == 'x y'", None),
            ("", None),
        ] {
            assert_eq!(settings_module(text), module, "{text}");
        }
    }
}
