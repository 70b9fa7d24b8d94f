//! Real processes on loopback: gates, hub, PostgreSQL, Redis, every link through a proxy. Run with `make test`.

mod books;
mod certificates;
mod copies;
mod enrolment;
mod full_disk;
mod gate_killed;
mod hub_killed;
mod hub_restored;
mod journey;
mod load;
mod partitions;
mod payments;
mod redis_lost;
mod refusals;
mod renewal;
mod revocation;
mod services;
