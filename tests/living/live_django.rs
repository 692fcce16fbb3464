//! A real Django with SQLite: which migrations are applied, which the running code has, and what its check of
//! the host makes of probes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::guarded_reload::{RELEASES, reload};
use crate::support;
use crate::support::container::{Container, Skip};
use crate::support::proof;

/// A project with one application and one migration.
const PROJECT: &str = r#"
for release in 2026-04-14 2026-04-21; do
    cd /srv/myapp/releases/$release && rm -rf * && mkdir -p proj shop/migrations
    touch proj/__init__.py shop/__init__.py shop/migrations/__init__.py
    echo 'Django==4.2.16' >requirements.txt
    cat >proj/settings.py <<'END'
import os
SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["example.com"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "proj.urls"
WSGI_APPLICATION = "proj.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/myapp/shared/db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
END
    cat >proj/wsgi.py <<'END'
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proj.settings")
application = get_wsgi_application()
END
    cat >proj/urls.py <<'END'
from django.http import JsonResponse
from django.urls import path
from shop.models import Item
urlpatterns = [path("", lambda request: JsonResponse({"items": Item.objects.count()}))]
END
    printf 'from django.db import models\nclass Item(models.Model):\n    name = models.CharField(max_length=20)\n' >shop/models.py
    cat >shop/migrations/0001_initial.py <<'END'
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.CreateModel(name="Item", fields=[("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20))])]
END
    printf 'import os, sys\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "proj.settings")\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n' >manage.py
done
touch -d '2026-04-14 10:14' /srv/myapp/releases/2026-04-14; touch -d '2026-04-21 10:21' /srv/myapp/releases/2026-04-21
sed -i 's/wsgi:app/proj.wsgi:application/' /etc/systemd/system/myapp.service
sed -i '/location \/static/,/}/d' /etc/nginx/sites-available/myapp
mkdir -p /srv/myapp/shared && chown www-data /srv/myapp/shared
"#;

/// A release with a column that must be filled, whose default is Django's alone.
const NEWER: &str = r#"
cp -a /srv/myapp/releases/2026-04-21 /srv/myapp/releases/2026-05-01 && cd /srv/myapp/releases/2026-05-01
find . -name __pycache__ | xargs rm -rf
echo '    size = models.IntegerField(default=0)' >>shop/models.py
cat >shop/migrations/0002_size.py <<'END'
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField(model_name="item", name="size", field=models.IntegerField(default=0))]
END
touch /srv/myapp/releases/2026-05-01
"#;

fn install(root: &Path) -> Result<(), String> {
    let lib = root.join("srv/venvs/gunicorn-23/lib");
    let python = fs::read_dir(&lib).map_err(|error| format!("{}: {error}", lib.display()))?;
    let python = python.flatten().next().ok_or("the venv is empty")?.path();
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-compile", "--target"])
        .arg(python.join("site-packages"))
        .arg("django==4.2.16")
        .output();
    match pip {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("python3: {error}")),
    }
}

fn migrate(container: &Container) {
    container.sh_ok(
        "cd /srv/myapp/current && setpriv --reuid=www-data --regid=www-data --clear-groups \
         env SECRET_KEY=for-the-migration PYTHONDONTWRITEBYTECODE=1 \
         /srv/venvs/gunicorn-23/bin/python manage.py migrate",
    );
}

/// The codes that a check of the live host finds, of warnings and errors.
fn codes(container: &Container, options: &str) -> Vec<String> {
    let output = container.sh_ok(&format!("deploy-doctor check {options} --format json || true"));
    let report: Value =
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
    let findings = report["findings"].as_array().unwrap().iter();
    // How long an import takes (G222) is the machine's matter, which is busy here.
    let counts = findings.filter(|one| one["severity"] != "info" && one["code"] != "G222");
    counts.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_running_code_and_the_database() {
    let mut installed = Ok(());
    let container = Container::boot("live-django", |root| {
        proof::base(root);
        fs::copy(proof::program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
        installed = install(root);
    });
    let container = match container {
        Ok(container) => container,
        Err(skip) => return support::skip(skip),
    };
    if let Err(why) = installed {
        return support::skip(Skip(format!("Django: {why}")));
    }
    container.sh_ok(PROJECT);
    migrate(&container);
    container.sh_ok(
        "systemctl daemon-reload && systemctl enable -q myapp && systemctl start nginx myapp",
    );
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    assert_eq!(codes(&container, "--preflight"), Vec::<String>::new());

    // Django refuses the address that was asked: that shows nothing of what visitors get.
    assert_eq!(codes(&container, "--probe http://127.0.0.1/"), ["L805"]);

    // The migration is applied and the code that has it runs: nothing is left to fail.
    container.sh_ok(NEWER);
    let new = "--probe http://example.com/ --resolve example.com:80:127.0.0.1 --settle 1";
    container.sh_ok("ln -sfn releases/2026-05-01 /srv/myapp/current");
    migrate(&container);
    container.sh_ok("systemctl reload myapp && sleep 3");
    assert_eq!(codes(&container, ""), Vec::<String>::new());
    assert_eq!(codes(&container, "--preflight"), Vec::<String>::new());

    // The way back is code that cannot fill the column.
    let ran = reload(&container, &format!("--release {RELEASES}/2026-04-21 {new}"));
    ran.ends(1, "refused").says("R708 the database is ahead of the code").says("shop.0002_size");
}
