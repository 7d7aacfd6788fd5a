//! What `tenon dev` shows once everything answers.

use std::fmt::{self, Write};
use std::path::Path;

use tenon_protocol::Secret;

use super::dev_file::{DevFile, NodeEntry};

/// The table, and a request to begin with.
pub(crate) fn table(file: &DevFile, root: &Path, seconds: f64) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    write(&mut text, file, root, seconds).ok();
    text
}

fn write(text: &mut String, file: &DevFile, root: &Path, seconds: f64) -> fmt::Result {
    writeln!(text, "Tenon runs in {} (ready after {seconds:.1} s).\n", root.display())?;
    for gateway in &file.gateways {
        row(text, &gateway.id, &gateway.url, gateway.pid)?;
        writeln!(text, "  {:<12} {}", "  operators", gateway.admin_url)?;
    }
    for node in processes(file) {
        row(text, &node.id, &node.health, node.pid)?;
    }
    for mysql in &file.mysql {
        let address = format!("{}:{}", mysql.host, mysql.port);
        row(text, &format!("mysql {}", mysql.version), &address, mysql.pid)?;
    }
    row(text, "nats", &file.nats.url, file.nats.pid)?;
    writeln!(text, "  {:<12} {}", "cloud contr.", file.cloud_controller.url)?;
    writeln!(text, "  {:<12} {}", "plugins", file.plugins_dir.display())?;
    writeln!(text, "  {:<12} {}", "logs", root.join("log").display())?;

    writeln!(text, "\n  {:<12} {:<22} token", "offering", "plan")?;
    for node in file.nodes.iter().filter(|node| is_of_first(file, node)) {
        let token = file.gateway.tokens.get(&node.offering).map_or("", Secret::reveal);
        writeln!(text, "  {:<12} {:<22} {token}", node.offering, node.plan_unique_id)?;
    }
    if let Some(node) = file.nodes.first() {
        writeln!(text, "\nOrder one:\n\n{}", curl(file, node))?;
    }
    writeln!(text, "All of this is in {}. Ctrl-C stops it.", root.join("dev.json").display())
}

fn row(text: &mut String, name: &str, address: &str, pid: u32) -> fmt::Result {
    writeln!(text, "  {name:<12} {address:<32} process {pid}")
}

/// One entry of each node process.
fn processes(file: &DevFile) -> impl Iterator<Item = &NodeEntry> {
    let first = file.nodes.first().map(|node| node.offering.as_str());
    file.nodes.iter().filter(move |node| Some(node.offering.as_str()) == first)
}

fn is_of_first(file: &DevFile, node: &NodeEntry) -> bool {
    file.nodes.first().is_some_and(|first| first.id == node.id)
}

/// A provision request, to be pasted into a shell.
fn curl(file: &DevFile, node: &NodeEntry) -> String {
    let token = file.gateway.tokens.get(&node.offering).map_or("", Secret::reveal);
    let version = node.versions.first().map_or("", String::as_str);
    format!(
        "  curl -X POST {url}/gateway/v1/configurations \\
    -H 'Content-Type: application/json' -H 'X-VCAP-Service-Token: {token}' \\
    -d '{{\"unique_id\": \"{unique_id}\", \"name\": \"mine\", \"plan\": \"{plan}\", \"version\": \"{version}\"}}'
",
        url = file.gateway.url,
        unique_id = node.plan_unique_id,
        plan = node.plan,
    )
}
