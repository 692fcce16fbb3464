//! Reports whose cause is the release: what it imports, what is installed, its database.

use super::{
    Case, PACKAGES, RELEASES, Report, broken, deployment, error, gunicorn_version, in_releases,
    package, risky, warning, without,
};
use deploy_doctor::rule::Item;

pub fn reports() -> Vec<Report> {
    vec![
        broken(
            "installed-app-not-installed",
            || django(deployment(), ", 'django_extensions'"),
            vec![error(&["R717"], &["django_extensions"])],
        )
        .unpassed(&[Item::CodeBoots]),
        broken(
            "import-not-installed",
            || {
                let application =
                    "import stripe\nfrom flask import Flask\n\napp = Flask(__name__)\n";
                deployment().in_release("wsgi.py", application)
            },
            vec![error(&["R717"], &["stripe"])],
        )
        .unpassed(&[Item::CodeBoots]),
        broken(
            "new-module-in-a-directory-of-equal-age",
            new_module,
            vec![error(&["R716"], &["billing"])],
        )
        .unpassed(&[Item::ReleasePath]),
        risky("sqlalchemy-2.1-takes-psycopg-3", sqlalchemy, vec![warning(&["E413"], &["psycopg"])]),
    ]
}

/// The deployment with a Django project in place of the Flask application, and these applications
/// more (`, 'name'`).
pub fn django(case: Case, apps: &str) -> Case {
    let settings = format!(
        "import os\nfrom pathlib import Path\n\nBASE_DIR = Path(__file__).resolve().parent.parent\n\
         SECRET_KEY = os.environ['SECRET_KEY']\nDEBUG = False\nALLOWED_HOSTS = ['example.com']\n\
         INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes'{apps}]\n\
         ROOT_URLCONF = 'site_.urls'\nWSGI_APPLICATION = 'site_.wsgi.application'\n\
         STATIC_URL = '/static/'\nSTATIC_ROOT = BASE_DIR / 'static'\n"
    );
    let wsgi = "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n\
                os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\n\
                application = get_wsgi_application()\n";
    let case = package(
        package(package(case, "Django", "4.2.11"), "asgiref", "3.7.2"),
        "sqlparse",
        "0.4.4",
    )
    .file(&format!("{PACKAGES}/django/core/__init__.py"), "")
    .file(&format!("{PACKAGES}/django/core/wsgi.py"), "def get_wsgi_application(): ...\n")
    .file(&format!("{PACKAGES}/django/contrib/__init__.py"), "")
    .file(&format!("{PACKAGES}/django/contrib/auth/__init__.py"), "")
    .file(&format!("{PACKAGES}/django/contrib/contenttypes/__init__.py"), "");
    let case = in_releases(without(case, "wsgi.py"), "site_/__init__.py", "");
    let case = in_releases(case, "site_/wsgi.py", wsgi);
    let case = in_releases(case, "site_/urls.py", "urlpatterns = []\n");
    let case = in_releases(case, "site_/settings.py", &settings);
    let case = in_releases(case, "requirements.txt", "Django>=4.2\ngunicorn==24.1.1\n");
    case.replace(super::UNIT, "wsgi:app", "site_.wsgi:application")
}

/// The master lists a directory again only when its time is another one.
fn new_module() -> Case {
    let application = "import billing\nfrom flask import Flask\n\napp = Flask(__name__)\n";
    gunicorn_version(deployment(), "27.0.1")
        .in_release("billing.py", "")
        .in_release("wsgi.py", application)
        .living(|host| {
            host.touch(RELEASES[0], 1).touch(RELEASES[1], 1);
        })
}

fn sqlalchemy() -> Case {
    let case = gunicorn_version(deployment(), "27.0.1");
    let case = package(package(case, "SQLAlchemy", "2.1.9"), "psycopg2-binary", "2.9.10");
    let case = RELEASES.into_iter().fold(case, |case, release| {
        let path = format!("{release}/requirements.txt");
        case.replace(&path, "Flask==3.0.3\n", "Flask==3.0.3\nSQLAlchemy\npsycopg2-binary\n")
    });
    let case = package(case, "typing-extensions", "4.12.2");
    case.file(
        "/etc/myapp.env",
        "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
         DATABASE_URL=postgresql://app:pw@127.0.0.1/app\n",
    )
    .own("/etc/myapp.env", 0o640, 0, 33)
}
