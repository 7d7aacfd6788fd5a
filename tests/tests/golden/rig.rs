//! The servers and processes that a replay needs, on free ports, in a directory of their own.
//! `rig/config.rs` is how they are configured.

mod config;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Message, Subscriber};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use futures_util::{FutureExt, StreamExt};
use tempfile::TempDir;
use tenon::dev::{
    Mariadb, MariadbLaunch, NatsConfig, NatsLaunch, NatsServer, NatsUser, Permissions, Surroundings,
};
use tenon_protocol::Secret;
use tenon_tests::Login;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use self::config::{PASSWORD, Places};

/// A debug build compiles its plugin without haste.
const START_DEADLINE: Duration = Duration::from_secs(240);

/// What the peers of a host are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    Native,
    Original,
}

/// A node of the recording.
pub(crate) struct NodeSpec {
    pub(crate) id: &'static str,
    pub(crate) capacity: u32,
}

pub(crate) const FIRST_NODE: NodeSpec = NodeSpec { id: "mysql_node_free_1", capacity: 200 };
pub(crate) const SECOND_NODE: NodeSpec = NodeSpec { id: "mysql_node_free_2", capacity: 50 };

/// nats-server, and what was started beside it. Dropped, all of it is gone.
pub(crate) struct Rig {
    pub(crate) bus: Client,
    surroundings: Surroundings,
    nats: NatsServer,
    mariadbs: Vec<Mariadb>,
    children: Vec<Child>,
    home: TempDir,
}

impl Rig {
    /// Starts nats-server.
    pub(crate) async fn start() -> Self {
        // For clients of whoever comes first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let home = tempfile::Builder::new().prefix("tenon-golden-").tempdir();
        let home = home.expect("a new directory");
        open_to_others(home.path());
        let dir = Dir::open_ambient_dir(home.path(), ambient_authority());
        dir.and_then(|dir| dir.create_dir("snapshots")).expect("a new directory");
        let surroundings = surroundings();
        let nats = start_nats(home.path(), &surroundings).await;
        let options = ConnectOptions::with_user_and_password("all".into(), PASSWORD.into());
        let bus = options.connect(nats.url()).await;
        Self {
            bus: bus.expect("the bus answers"),
            surroundings,
            nats,
            mariadbs: Vec::new(),
            children: Vec::new(),
            home,
        }
    }

    /// Starts MariaDB and a node. Returns what the node announced first.
    pub(crate) async fn start_node(&mut self, peers: Peers) -> String {
        self.start_node_as(&FIRST_NODE, peers).await
    }

    /// The same, as another node beside the first.
    pub(crate) async fn start_node_as(&mut self, node: &NodeSpec, peers: Peers) -> String {
        let mut announced = match peers {
            Peers::Native => self.listen("MyaaS.announce.*").await,
            Peers::Original => self.listen("MyaaS.announce").await,
        };
        let programs = self.surroundings.mariadb().await;
        let programs = programs.expect("MariaDB is installed");
        let launch = MariadbLaunch {
            name: format!("mariadb-of-{}", node.id),
            programs: programs.clone(),
            port: free_port(),
            password: Secret::new(PASSWORD.to_owned()),
            setpriv: self.surroundings.setpriv(),
        };
        let mariadb = Mariadb::start(self.home.path().to_owned(), launch).await;
        let mariadb = mariadb.expect("MariaDB starts");
        self.place_plugin();
        let config = config::node(&self.places(), node, peers, (mariadb.port(), &programs));
        self.spawn("tenon-node", node.id, &config);
        self.mariadbs.push(mariadb);
        let first = async {
            loop {
                let message = announced.next().await.expect("the bus stays");
                let text = String::from_utf8(message.payload.to_vec()).expect("JSON is UTF-8");
                if text.contains(node.id) {
                    return text;
                }
            }
        };
        let first = timeout(START_DEADLINE, first).await;
        first.unwrap_or_else(|_late| panic!("the node is silent:\n{}", self.logs()))
    }

    /// Starts a gateway for `cloud_controller`. Returns its URL; it may not answer yet.
    pub(crate) fn start_gateway(&mut self, cloud_controller: &str, peers: Peers) -> String {
        let port = free_port();
        let config = config::gateway(&self.places(), cloud_controller, port, peers);
        self.spawn("tenon-gateway", "gateway", &config);
        format!("http://127.0.0.1:{port}")
    }

    /// The same for a v2 cloud controller, on a port that it had before, or any.
    pub(crate) fn start_gateway_v2(&mut self, cloud_controller: &str, port: Option<u16>) -> u16 {
        let port = port.unwrap_or_else(free_port);
        let config = config::gateway(&self.places(), cloud_controller, port, Peers::Original);
        self.spawn("tenon-gateway", "gateway", &config::with_v2(&config, cloud_controller));
        port
    }

    /// Stops the gateway, which was started last, and waits until it is gone.
    pub(crate) async fn stop_gateway(&mut self) {
        let mut gateway = self.children.pop().expect("it was started");
        let id = gateway.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(rustix::process::Pid::from_raw).expect("it runs");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it is ours");
        let ended = timeout(START_DEADLINE, gateway.wait()).await;
        assert!(matches!(ended, Ok(Ok(status)) if status.success()), "{}", self.logs());
    }

    /// The way into the first node's database server of who may do anything there.
    pub(crate) fn administrator(&self) -> Login {
        Login {
            host: "127.0.0.1".to_owned(),
            port: self.mariadbs.first().expect("a node was started").port(),
            user: "root".to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
            database: None,
        }
    }

    /// Everything on `subject` from now on.
    pub(crate) async fn listen(&self, subject: &'static str) -> Subscriber {
        let listening = self.bus.subscribe(subject).await;
        self.round_trip().await;
        listening.expect("the bus lets us listen")
    }

    /// What we sent to the bus has arrived there, and what it sent to us before, here.
    pub(crate) async fn round_trip(&self) {
        let nobody = self.bus.request("golden.nobody", "".into()).await;
        assert!(nobody.is_err(), "somebody answered");
    }

    /// What nodes were asked on `listening` until now. What they announce there is no question.
    pub(crate) async fn commands(&self, listening: &mut Subscriber) -> Vec<Message> {
        // The bus keeps the order: what was sent before this came is heard by now.
        self.round_trip().await;
        let mut heard = Vec::new();
        while let Some(Some(message)) = listening.next().now_or_never() {
            if !message.subject.starts_with("MyaaS.announce") {
                heard.push(message);
            }
        }
        heard
    }

    /// What the processes have logged.
    pub(crate) fn logs(&self) -> String {
        let dir = self.dir();
        let read = |name: &str| dir.read_to_string(format!("{name}.log")).unwrap_or_default();
        let names = [FIRST_NODE.id, SECOND_NODE.id, "gateway"];
        names.map(read).join("\n")
    }

    fn places(&self) -> Places<'_> {
        Places { home: self.home.path(), nats: self.nats.url() }
    }

    fn place_plugin(&self) {
        let dir = self.dir();
        dir.create_dir_all("plugins").expect("a new directory");
        let guests = self.surroundings.guests_dir.as_deref();
        let guests = Dir::open_ambient_dir(guests.unwrap_or(Path::new("")), ambient_authority());
        let component = guests.and_then(|guests| guests.read("mysql.wasm"));
        let component = component.expect("the component is built: cargo xtask guests");
        dir.write("plugins/mysql.wasm", component).expect("the directory takes it");
    }

    fn spawn(&mut self, program: &str, name: &str, config: &str) {
        let dir = self.dir();
        let file = format!("{name}.toml");
        dir.write(&file, config).expect("the directory takes it");
        let mut open = OpenOptions::new();
        let log = dir.open_with(format!("{name}.log"), open.create(true).append(true));
        let log = log.expect("a new log").into_std();
        let child = Command::new(self.surroundings.host(program).expect("the hosts are built"))
            .arg("--config")
            .arg(self.home.path().join(file))
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            .kill_on_drop(true)
            .spawn();
        self.children.push(child.expect("the host starts"));
    }

    fn dir(&self) -> Dir {
        Dir::open_ambient_dir(self.home.path(), ambient_authority()).expect("it is there")
    }
}

async fn start_nats(home: &Path, surroundings: &Surroundings) -> NatsServer {
    let all = vec![">".to_owned()];
    let user = NatsUser {
        name: "all".to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
        permissions: Permissions { publish: all.clone(), subscribe: all, responses: true },
    };
    let program = surroundings.nats_server(None).await;
    let launch = NatsLaunch {
        name: "nats".to_owned(),
        program: program.expect("nats-server is installed"),
        config: NatsConfig { port: free_port(), monitor_port: free_port(), users: vec![user] },
        setpriv: surroundings.setpriv(),
    };
    let started = NatsServer::start(home.to_owned(), launch).await;
    started.expect("nats-server starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port").port()
}

/// MariaDB's own user passes through it.
fn open_to_others(home: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::open_ambient_dir(home, ambient_authority()).expect("it is there");
    let mode = std::fs::Permissions::from_mode(0o711);
    let set = dir.set_permissions(".", cap_std::fs::Permissions::from_std(mode));
    set.expect("it is ours");
}

/// What the environment of the tests says, in the words of `tenon dev`.
fn surroundings() -> Surroundings {
    let executable = std::env::current_exe().expect("the test runs");
    let above = executable.ancestors().nth(2).map(Path::to_owned);
    let executables = variable("TENON_BIN_DIR").or(above).unwrap_or_default();
    let beside = executables.parent().map(|target| target.join("guests"));
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    Surroundings {
        search_path: variable("PATH").unwrap_or_default().into(),
        cache: cache.map(|cache| cache.join("tenon")),
        nats_server: variable("TENON_NATS_SERVER"),
        guests_dir: variable("TENON_GUESTS_DIR").or(beside),
        executables,
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask says where the binaries are")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
