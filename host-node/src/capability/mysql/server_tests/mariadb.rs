//! A MariaDB of the tests' own, on a free port of this machine.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Characters that an option file, a statement and a shell each read their own way.
pub(super) const ROOT_PASSWORD: &str = "r'o\"o\\t#;$ p%ß";

/// Prepares, serves, and removes everything when its standard input ends, as it does with the
/// process of the tests, however that ends. `$1`: directory, `$2`: port.
const SCRIPT: &str = r#"
set -e
export LC_ALL=C
user=$(id -un)
mariadb-install-db --no-defaults --user="$user" --datadir="$1/data" --tmpdir="$1" \
    --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$1/install.log" 2>&1
mariadbd --no-defaults --user="$user" --datadir="$1/data" --port="$2" --bind-address=127.0.0.1 \
    --socket="$1/sock" --pid-file="$1/pid" --log-error="$1/error.log" --tmpdir="$1" \
    --init-file="$1/init.sql" --skip-name-resolve --event-scheduler=ON --local-infile=1 \
    --character-set-server=latin1 --innodb-buffer-pool-size=64M </dev/null >/dev/null 2>&1 &
pid=$!
read -r _ || true
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
rm -rf "$1"
"#;

const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running server. Dropped, it is gone with its data.
pub(super) struct MariaDb {
    pub(super) port: u16,
    shell: Child,
    dir: std::path::PathBuf,
}

impl MariaDb {
    /// The one that most tests share, each with names of its own.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of the test's own.
    pub(super) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("tenon-mariadb-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let quoted = ROOT_PASSWORD.replace('\\', "\\\\").replace('\'', "''");
        let init = format!(
            "SET NAMES utf8mb4; DROP USER IF EXISTS root@'127.0.0.1'; GRANT ALL ON *.* TO root@'%' IDENTIFIED BY '{quoted}' WITH GRANT OPTION;\n"
        );
        write(&dir, "init.sql", &init.replace("; ", ";\n"));
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "mariadb"])
            .arg(&dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { port, shell, dir };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        let ping = || {
            Command::new("mariadb-admin")
                .args(["--no-defaults", "--user=root", "ping", "--socket"])
                .arg(self.dir.join("sock"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        while !ping() {
            assert!(Instant::now() < deadline, "{} has the logs", self.dir.display());
            pause();
        }
    }

    /// Stops answering without going away.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = read(&self.dir, "pid");
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.trim()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own time and files")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

#[expect(clippy::disallowed_methods, reason = "the tests' own time and files")]
fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the tests' own time and files")]
fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}
