//! The platform end to end: real servers, real processes, one platform for each test.
//!
//! A test panics where it fails, so that the platform's files stay; what it prints says where.

#[cfg(test)]
mod adopted;
#[cfg(test)]
mod aftermath;
#[cfg(test)]
mod announcements;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod bad_config;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod cloud_controller;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crash_gateway;
#[cfg(test)]
mod crash_jobs;
#[cfg(test)]
mod crash_moves;
#[cfg(test)]
mod crash_node;
#[cfg(test)]
mod crash_packages;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod downloads;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod file_server;
#[cfg(test)]
mod files_life;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod late;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod load_errors;
#[cfg(test)]
mod lost_nodes;
#[cfg(test)]
mod many_bindings;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod mover;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod mysql_life;
#[cfg(test)]
mod node_requests;
#[cfg(test)]
mod node_stand_in;
#[cfg(test)]
mod odd_handles;
#[cfg(test)]
mod original;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod orphans_adopted;
#[cfg(test)]
mod orphans_many;
#[cfg(test)]
mod orphans_original;
#[cfg(test)]
mod orphans_records;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod own_links;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod recover_hard;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod request_id;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod several;
#[cfg(test)]
mod shelf;
#[cfg(test)]
mod siblings;
#[cfg(test)]
mod snapshot_life;
#[cfg(test)]
mod snapshot_package;
#[cfg(test)]
mod swap;
#[cfg(test)]
mod swap_under_load;
#[cfg(test)]
mod uploads;
