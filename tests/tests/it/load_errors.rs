//! Components that cannot serve: each is refused by name, and what serves goes on serving.

use std::time::Duration;

use tenon_tests::{Classic, Options, Platform, plugin_states, wait_until, with_custom_section};

const NODE: &str = "node-1";

/// A debug build compiles for seconds, and other tests run beside.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(60);

/// Larger than any component may be.
const TOO_LARGE: usize = (32 << 20) + 1;

/// What a node says when it does not take a component.
const REFUSED: &str = "a plugin was refused; what served before serves on";

/// `echo`, and components that are refused from the start under names of their own.
const OFFERINGS: [&str; 5] = [
    "echo",
    "counter",
    "ungranted=hostile-ungranted",
    "incomplete=hostile-incomplete",
    "describe=hostile-describe",
];

/// (component (core module (memory 2000)) (core instance (instantiate 0)))
const HUGE_MEMORY: &[u8] =
    b"\0asm\x0d\0\x01\0\x01\x0e\0asm\x01\0\0\0\x05\x04\x01\0\xd0\x0f\x02\x04\x01\0\0\0";

struct Echo {
    platform: Platform,
    classic: Classic,
    instance: String,
}

impl Echo {
    async fn start() -> Self {
        let platform = Platform::start(Options::of(&OFFERINGS)).await.unwrap();
        let classic = platform.classic("echo").unwrap();
        let instance = classic.provision().await.unwrap().service_id;
        Self { platform, classic, instance }
    }

    /// Of the component that serves.
    async fn sha256(&self) -> String {
        let file = self.platform.dev_file().unwrap();
        let mut states = plugin_states(&file.nodes[0].health).await.unwrap().into_iter();
        states.find(|state| state.label == "echo").unwrap().sha256.unwrap()
    }

    async fn serves(&self) {
        let binding = self.classic.bind(&self.instance).await.unwrap();
        self.classic.unbind(&self.instance, &binding.service_id).await.unwrap();
    }

    /// Puts `component` in the place of `echo`, and checks how it is refused.
    async fn check_refused(&self, component: &[u8], reason: &str) {
        let before = self.platform.log(NODE).len();
        let serving = self.sha256().await;
        self.platform.put_component("echo", component).unwrap();
        let log = wait_until(reason, REFUSAL_DEADLINE, async || {
            let log = self.platform.log(NODE).split_off(before);
            log.contains(REFUSED).then_some(log)
        });
        let log = log.await.unwrap();
        let line = log.lines().find(|line| line.contains(REFUSED)).unwrap();
        assert!(line.contains(reason), "no {reason} in\n{line}");
        assert!(line.contains(r#""plugin":"echo""#), "{line}");
        assert_eq!(self.sha256().await, serving);
        self.serves().await;
    }
}

#[tokio::test]
async fn a_component_that_cannot_serve_is_refused_by_name_and_the_one_before_serves_on() {
    let echo = Echo::start().await;
    let good = echo.platform.component("echo").unwrap();
    let component = |label: &str| echo.platform.component(label).unwrap();

    echo.check_refused(b"not a component", "the component cannot be compiled").await;
    echo.check_refused(&good[..good.len() / 2], "the component cannot be compiled").await;
    echo.check_refused(b"\0asm\x01\0\0\0", "the component cannot be compiled").await;
    echo.check_refused(&component("incomplete"), "tenon:service/lifecycle").await;
    let ungranted = "imports tenon:host/files@1.0.0, which is not granted: add \\\"files\\\" to \
                     `capabilities` of the offering to grant it";
    echo.check_refused(&component("ungranted"), ungranted).await;
    echo.check_refused(&component("describe"), "the component failed its describe").await;
    let label = "says that it is \\\"counter\\\"; as echo.wasm it must be \\\"echo\\\"";
    echo.check_refused(&component("counter"), label).await;
    let most = "memory has a minimum byte size of 131072000 which exceeds the limit";
    echo.check_refused(HUGE_MEMORY, most).await;
    let large = with_custom_section(&good, &"x".repeat(TOO_LARGE));
    echo.check_refused(&large, "a component may have 33554432").await;

    let other = with_custom_section(&good, "good again");
    let serving = echo.sha256().await;
    echo.platform.swap("echo", &other).await.unwrap();
    assert_ne!(echo.sha256().await, serving);
    echo.serves().await;
}
