//! `run`: the gate until it is told to stop.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::config::{GateConfig, Log, LogFormat, Reader};
use edge_node::message::Language;
use edge_node::reader;
use edge_node::run::{Gate, StartError, Taps};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::failure::Failure;

/// Threads for links and HTTP beside the writer's.
const WORKER_THREADS: usize = 2;

pub(crate) fn execute(config: GateConfig) -> Result<ExitCode, Failure> {
    start_log(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("the system gives no threads for links and HTTP")?;
    let ended = runtime.block_on(serve(config));
    // A reader that waits for a line must not hold the process up.
    runtime.shutdown_background();
    ended
}

async fn serve(config: GateConfig) -> Result<ExitCode, Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let (language, source) = (config.language, config.reader);
    let (code, terminal) = (config.gate.code, config.gate.terminal);
    let mut gate = Gate::start(config).await.map_err(|error| match error {
        StartError::Config(_) | StartError::Identity { .. } => Failure::bad_input(error.to_string()),
        _ => Failure::from(error),
    })?;
    tracing::info!(
        %code,
        %terminal,
        http = %gate.http_address(),
        sync = %gate.sync_address(),
        version = env!("CARGO_PKG_VERSION"),
        "the gate runs"
    );
    if source == Reader::Stdin {
        read_cards(gate.taps().clone(), language)?;
    }
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        error = gate.ended() => return Err(error.into()),
    };
    tracing::info!(signal = name, "stopping");
    gate.stop().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Reads cards from standard input on a thread of its own; its end leaves the gate running.
fn read_cards(taps: Taps, language: Language) -> anyhow::Result<()> {
    let work = move || {
        let answer = |reading| taps.line(language, reading);
        match reader::serve(io::stdin().lock(), io::stdout(), answer) {
            Ok(()) => tracing::info!("the reader's input ended; the gate goes on"),
            Err(error) => tracing::error!(%error, "the reader cannot be served any more; the gate goes on"),
        }
    };
    std::thread::Builder::new()
        .name("reader".to_owned())
        .spawn(work)
        .context("the system gives no thread for the reader")?;
    Ok(())
}

/// The log goes to standard error: standard output is the reader's.
fn start_log(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| Failure::bad_input(format!("log.level is {:?}: {error}", log.level)))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
